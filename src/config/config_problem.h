/*
 * config_problem: collects the findings of one file, in file order.
 *
 * Called by the parser, the reader and the checks of this folder, and by `nines check` for what
 * only a look at the disk can tell. It also holds how a value is shown in a message and what "did
 * you mean" offers.
 */
#pragma once

#include "config/config.h"

/* Who a finding is about; `setting` and `tier` may be NULL and are copied. */
struct config_about {
    enum config_severity severity;
    struct config_place place;
    const char *setting;
    const char *tier;
};

/* Adds "FILE:LINE:COLUMN: sentence" (warnings have "warning: " before the sentence). */
void config_problem_add(struct config_problems *, struct config_about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum { CONFIG_QUOTE_MAX = 72 };

/* A value as a message shows it: cut when long, control characters replaced. */
struct config_quote {
    char text[CONFIG_QUOTE_MAX];
};

struct config_quote config_quote(struct slice);

/*
 * How far `a` is from `b`: insertions, deletions, substitutions and swaps of neighbours, upper and
 * lower case alike (optimal string alignment, after Damerau, CACM 7(3), 1964); more than `limit` is
 * limit + 1. Names longer than CONFIG_NAME_MAX are never near.
 */
uint32_t config_distance(struct slice a, struct slice b, uint32_t limit);

/* The nearest of several names, offered one by one. */
struct config_suggestion {
    struct slice name; /* The mistyped one. */
    const char *best;  /* NULL while none is near enough. */
    uint32_t distance;
};

void config_suggestion_init(struct config_suggestion *, struct slice name);
void config_suggestion_offer(struct config_suggestion *, const char *candidate);
