/*
 * cmd: one subcommand of the program.
 *
 * nines.c owns the table of commands; each lives in its cmd_<name>.c as `int cmd_<name>(const
 * struct cmd *)`, which returns the exit code (interface: 0 done, 1 failed, 2 usage or config, 3
 * daemon not reached, 4 refused, 5 paused or inconclusive). Options stand before or after operands;
 * every command takes -c FILE, --json and --help.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

enum { CMD_OPERANDS_MAX = 16, CMD_OPTIONS_MAX = 16 };

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_REFUSED = 4,
    EXIT_PAUSED = 5,
};

struct cmd_option {
    const char *name;  /* "to", for --to. */
    const char *value; /* "VERSION" in the help; NULL: a flag. */
    const char *help;
};

struct cmd;

struct cmd_type {
    const char *name;
    const char *operands; /* "TIER", "[TIER/]HOST", "" */
    const char *help;     /* One line. */
    size_t operands_min;
    size_t operands_max;
    const struct cmd_option *options; /* Ends with a NULL name; NULL for none of its own. */
    int (*run)(const struct cmd *);
    bool hidden; /* Not in the help: for the program's own use. */
};

struct cmd {
    const struct cmd_type *type;
    const char *program; /* argv[0]. */
    const char *config;  /* -c, else NINES_CONFIG, else /etc/nines/nines.yaml. */
    bool json;
    const char *operands[CMD_OPERANDS_MAX];
    size_t operand_count;
    const char *values[CMD_OPTIONS_MAX]; /* As type->options; "" for a flag that is given. */
};

/* The value of an option of the command, NULL when it is not given. */
const char *cmd_option(const struct cmd *, const char *name);
bool cmd_flag(const struct cmd *, const char *name);

/*
 * Reads and parses the config file. Errors (and warnings, when `warnings`) go to stderr; NULL on
 * any error. `problems` may be NULL; else it is filled and the caller ends it with
 * config_problems_done().
 */
struct config *cmd_config(const struct cmd *, bool warnings, struct config_problems *problems);

/* Reads the config file's text. False: it cannot be read, and that was told; exit EXIT_USAGE. */
bool cmd_read(const struct cmd *, struct text *);

/*
 * "nines: sentence" on stderr; with --json also {"error": sentence, "exit": code} on stdout. Gives
 * the exit code that stands for the error's kind. cmd may be NULL: of a daemon.
 */
int cmd_fail(const struct cmd *, const struct error *);
/* The part for --json alone: people were told before. Gives the code back. */
int cmd_fail_told(const struct cmd *, const char *sentence, int code);
