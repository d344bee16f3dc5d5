/*
 * args: turns argv into a struct cmd by the table of commands.
 */
#pragma once

#include "main/cmd.h"

enum args_result {
    ARGS_RUN,
    ARGS_HELP, /* --help was asked for: of the command, or of the program when cmd.type is NULL. */
    ARGS_VERSION, /* --version. */
    ARGS_BAD,     /* `error` says what is wrong. */
};

/* `types` ends with a NULL name. Nothing is printed. */
enum args_result args_parse(int argc, char **argv, const struct cmd_type *types, struct cmd *,
                            struct error *);
/* The type of that name, or NULL. */
const struct cmd_type *args_find(const struct cmd_type *types, const char *name);
