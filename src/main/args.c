#include "main/args.h"

#include "base/check.h"
#include "base/slice.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_DEFAULT "/etc/nines/nines.yaml"

const struct cmd_type *args_find(const struct cmd_type *types, const char *name)
{
    for (const struct cmd_type *type = types; type->name != NULL; type++) {
        if (strcmp(type->name, name) == 0)
            return type;
    }
    return NULL;
}

/* How many single-byte edits lie between two short words (Levenshtein, 1966); large when long. */
static size_t distance(const char *a, const char *b)
{
    enum { WORD_MAX = 31 };
    size_t row[WORD_MAX + 1];
    const size_t a_size = strlen(a);
    const size_t b_size = strlen(b);
    if (a_size > WORD_MAX || b_size > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_size];
}

static bool unknown_command(const struct cmd_type *types, const char *name, struct error *error)
{
    const char *closest = NULL;
    size_t least = 3;
    for (const struct cmd_type *type = types; type->name != NULL; type++) {
        const size_t edits = distance(type->name, name);
        if (!type->hidden && edits < least) {
            least = edits;
            closest = type->name;
        }
    }
    if (closest != NULL)
        return error_set(error, ERROR_USAGE, "unknown command '%s'; did you mean '%s'?", name,
                         closest);
    return error_set(error, ERROR_USAGE, "unknown command '%s'; see nines --help", name);
}

/* Takes --NAME, --NAME=VALUE or --NAME VALUE of the command. Moves *at past what it took. */
static bool take_option(struct cmd *cmd, int argc, char **argv, int *at, struct error *error)
{
    const char *word = argv[*at] + 2;
    const char *equals = strchr(word, '=');
    const struct slice name = {.data = word,
                               .size = equals == NULL ? strlen(word) : (size_t)(equals - word)};
    const struct cmd_option *options = cmd->type->options;
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        if (!slice_is(name, options[i].name))
            continue;
        if (options[i].value == NULL) {
            if (equals != NULL)
                return error_set(error, ERROR_USAGE, "--%s takes no value", options[i].name);
            cmd->values[i] = "";
            return true;
        }
        if (equals != NULL) {
            cmd->values[i] = equals + 1;
            return true;
        }
        if (*at + 1 >= argc)
            return error_set(error, ERROR_USAGE, "--%s needs a value: --%s %s", options[i].name,
                             options[i].name, options[i].value);
        cmd->values[i] = argv[++*at];
        return true;
    }
    return error_set(error, ERROR_USAGE, "unknown option '%s' of nines %s; see nines %s --help",
                     argv[*at], cmd->type->name, cmd->type->name);
}

/* Options that every command takes. Sets *taken when argv[*at] was one. */
static bool take_common(struct cmd *cmd, int argc, char **argv, int *at, bool *taken,
                        struct error *error)
{
    const char *word = argv[*at];
    *taken = true;
    if (strcmp(word, "--json") == 0) {
        cmd->json = true;
    } else if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0) {
        if (*at + 1 >= argc)
            return error_set(error, ERROR_USAGE, "%s needs a file", word);
        cmd->config = argv[++*at];
    } else if (strncmp(word, "--config=", 9) == 0) {
        cmd->config = word + 9;
    } else {
        *taken = false;
    }
    return true;
}

static bool take_operand(struct cmd *cmd, const struct cmd_type *types, const char *word,
                         struct error *error)
{
    if (cmd->type == NULL) {
        cmd->type = args_find(types, word);
        return cmd->type != NULL || unknown_command(types, word, error);
    }
    if (cmd->operand_count == cmd->type->operands_max)
        return error_set(error, ERROR_USAGE, "nines %s takes no operand '%s'; see nines %s --help",
                         cmd->type->name, word, cmd->type->name);
    ASSERT(cmd->operand_count < CMD_OPERANDS_MAX);
    cmd->operands[cmd->operand_count++] = word;
    return true;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* One word (or option with its value). */
static bool take(struct cmd *cmd, const struct cmd_type *types, int argc, char **argv, int *at,
                 bool options_over, struct error *error)
{
    bool taken = false;
    if (options_over || argv[*at][0] != '-' || argv[*at][1] == '\0')
        return take_operand(cmd, types, argv[*at], error);
    if (!take_common(cmd, argc, argv, at, &taken, error))
        return false;
    if (taken)
        return true;
    if (cmd->type == NULL || argv[*at][1] != '-')
        return error_set(error, ERROR_USAGE, "unknown option '%s'; see nines --help", argv[*at]);
    return take_option(cmd, argc, argv, at, error);
}

/* Usage errors, too, are told to programs, wherever --json stands. */
static void look_for_json(struct cmd *cmd, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        cmd->json = cmd->json || strcmp(argv[i], "--json") == 0;
}

enum args_result args_parse(int argc, char **argv, const struct cmd_type *types, struct cmd *cmd,
                            struct error *error)
{
    bool options_over = false;
    const char *environment = getenv("NINES_CONFIG");
    *cmd = (struct cmd){.program = argv[0],
                        .config = environment != NULL && environment[0] != '\0' ? environment
                                                                                : CONFIG_DEFAULT};
    for (int i = 1; i < argc; i++) {
        if (!options_over && strcmp(argv[i], "--") == 0) {
            options_over = true;
            continue;
        }
        if (!options_over && is_help(argv[i]))
            return ARGS_HELP;
        if (!options_over && cmd->type == NULL && strcmp(argv[i], "--version") == 0)
            return ARGS_VERSION;
        if (!take(cmd, types, argc, argv, &i, options_over, error)) {
            look_for_json(cmd, argc, argv);
            return ARGS_BAD;
        }
    }
    if (cmd->type == NULL)
        return ARGS_HELP;
    if (cmd->operand_count < cmd->type->operands_min) {
        error_set(error, ERROR_USAGE, "nines %s needs %s; see nines %s --help", cmd->type->name,
                  cmd->type->operands, cmd->type->name);
        return ARGS_BAD;
    }
    return ARGS_RUN;
}
