/*
 * config_value: one scalar of the file into one field, by the type of its row.
 *
 * Used for what the operator wrote and for the defaults alike. The texts it stores are copies in
 * the arena. What is wrong is told as the end of a sentence that begins with the name of the
 * setting.
 */
#pragma once

#include "config/config_schema.h"

#include "base/arena.h"

enum { CONFIG_COMPLAINT_MAX = 512 };

/* "is '5', which has no unit; did you mean '5s'?" */
struct config_complaint {
    char text[CONFIG_COMPLAINT_MAX];
};

/* Always false, so that `return config_complain(...)` reads well. */
bool config_complain(struct config_complaint *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The row is of a scalar type but TIER, which the reader resolves. */
bool config_value_set(const struct config_setting *, struct slice text, struct arena *,
                      void *fields, struct config_complaint *);

/* The value of a choice, by its name; NULL when there is none (then the complaint says so). */
const struct config_choice *config_choice_find(const struct config_choice *, struct slice text,
                                               struct config_complaint *);

/* A limit of a row as an operator would write it: "500ms", "16KiB", "100%", "20000". */
void config_value_print(struct text *, enum config_type, uint64_t value);

/* The words by which messages, the reference and the man page call a type. */
const char *config_type_name(enum config_type);
