/*
 * completion: lets a shell complete nines, by the table of commands.
 *
 * The shells get a stub that hands the words of the line to `nines __complete`, which answers one
 * candidate a line, with its help behind a tab. So what is completed is what this program has.
 */
#include "base/check.h"
#include "base/slice.h"
#include "main/args.h"
#include "main/cmd.h"
#include "main/commands.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

static const struct shell {
    const char *name;
    const char *stub;
} shells[] = {
    {"bash",
     "_nines() {\n"
     "    local IFS=$'\\n'\n"
     "    COMPREPLY=($(nines __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null |\n"
     "        cut -f 1))\n"
     "}\n"
     "complete -o default -F _nines nines\n"},
    {"zsh", "#compdef nines\n"
            "_nines() {\n"
            "    local -a found\n"
            "    found=(${(f)\"$(nines __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null |\n"
            "        sed 's/:/\\\\:/g; s/\\t/:/')\"})\n"
            "    if (( $#found )); then _describe nines found; else _files; fi\n"
            "}\n"
            "compdef _nines nines\n"},
    {"fish", "complete -c nines -a '(nines __complete -- (commandline -opc)[2..-1] "
             "(commandline -ct) 2>/dev/null)'\n"},
};

int cmd_completion(const struct cmd *cmd)
{
    struct error error;
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        if (strcmp(cmd->operands[0], shells[i].name) != 0)
            continue;
        (void)fputs(shells[i].stub, stdout);
        return EXIT_DONE;
    }
    error_set(&error, ERROR_USAGE, "no completion for '%.40s': bash, zsh or fish",
              cmd->operands[0]);
    return cmd_fail(cmd, &error);
}

/* The line as far as it is typed; `word` is being typed. */
struct line {
    const struct cmd_type *type; /* NULL: the command is yet to come. */
    const char *tier;            /* The first operand; NULL: not given. */
    size_t operands;             /* Given before the word. */
    const char *config;
    const char *option; /* Whose value the word is; NULL: none's. */
    const char *word;
};

static void offer(const struct line *line, const char *candidate, const char *help)
{
    if (strncmp(candidate, line->word, strlen(line->word)) == 0)
        (void)printf("%s\t%s\n", candidate, help);
}

static const struct cmd_option *option_of(const struct cmd_type *type, const char *word)
{
    const struct cmd_option *option = type != NULL ? type->options : NULL;
    for (; option != NULL && option->name != NULL; option++) {
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0)
            return option;
    }
    return NULL;
}

static void read_line(const struct cmd *cmd, struct line *line)
{
    *line = (struct line){.config = cmd->config, .word = ""};
    for (size_t i = 0; i < cmd->operand_count; i++) {
        const char *word = cmd->operands[i];
        const bool last = i + 1 == cmd->operand_count;
        const char *option = line->option;
        line->option = NULL;
        if (last) {
            line->option = option;
            line->word = word;
        } else if (option != NULL) {
            if (strcmp(option, "config") == 0)
                line->config = word;
        } else if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0) {
            line->option = "config";
        } else if (word[0] == '-') {
            const struct cmd_option *found = option_of(line->type, word);
            line->option = found != NULL && found->value != NULL ? found->name : NULL;
        } else if (line->type == NULL) {
            line->type = args_find(commands, word);
        } else if (line->operands++ == 0) {
            line->tier = word;
        }
    }
}

static void offer_options(const struct line *line)
{
    const struct cmd_option *option = line->type != NULL ? line->type->options : NULL;
    for (; option != NULL && option->name != NULL; option++) {
        char word[64];
        (void)snprintf(word, sizeof word, "--%s", option->name);
        offer(line, word, option->help);
    }
    offer(line, "--config", "the config file");
    offer(line, "--json", "output for programs");
    offer(line, "--help", "what the command takes");
}

static void offer_hosts(const struct line *line, const struct config_tier *tier, bool with_tier)
{
    for (size_t i = 0; i < tier->host_count; i++) {
        char word[2 * CONFIG_NAME_MAX + 2];
        (void)snprintf(word, sizeof word, "%s%s%s", with_tier ? tier->name : "",
                       with_tier ? "/" : "", tier->hosts[i].name);
        offer(line, word, tier->name);
    }
}

/* Names of the config, which may have errors: then there are none. */
static void offer_names(const struct line *line)
{
    static struct config_problems problems;
    struct text text;
    struct config *config = NULL;
    config_problems_init(&problems);
    text_init(&text, CONFIG_BYTES_MAX);
    if (file_read(line->config, &text, NULL))
        config = config_parse(line->config, text_slice(&text), &problems);
    const char *operands = line->type->operands;
    for (size_t i = 0; config != NULL && i < config->tier_count; i++) {
        const struct config_tier *tier = &config->tiers[i];
        if (line->option != NULL) {
            if (line->tier != NULL && strcmp(line->tier, tier->name) == 0)
                offer_hosts(line, tier, false);
        } else if (strcmp(operands, "TIER") == 0) {
            offer(line, tier->name, "tier");
        } else if (strcmp(operands, "[TIER/]HOST") == 0) {
            offer_hosts(line, tier, false);
            offer_hosts(line, tier, true);
        }
    }
    config_unref(config);
    text_done(&text);
    config_problems_done(&problems);
}

int cmd_complete(const struct cmd *cmd)
{
    struct line line;
    read_line(cmd, &line);
    if (line.option != NULL) {
        if (strcmp(line.option, "only") == 0)
            offer_names(&line);
        return EXIT_DONE; /* Nothing offered: the shell offers files. */
    }
    if (line.word[0] == '-') {
        offer_options(&line);
    } else if (line.type == NULL) {
        for (const struct cmd_type *type = commands; type->name != NULL; type++) {
            if (!type->hidden)
                offer(&line, type->name, type->help);
        }
    } else if (line.type->run == cmd_completion) {
        for (size_t i = 0; i < COUNT_OF(shells); i++)
            offer(&line, shells[i].name, "shell");
    } else if (line.operands < line.type->operands_max) {
        offer_names(&line);
    }
    return EXIT_DONE;
}
