#include "main/cmd.h"

#include "base/check.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

const char *cmd_option(const struct cmd *cmd, const char *name)
{
    const struct cmd_option *options = cmd->type->options;
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        ASSERT(i < CMD_OPTIONS_MAX);
        if (strcmp(options[i].name, name) == 0)
            return cmd->values[i];
    }
    UNREACHABLE();
}

bool cmd_flag(const struct cmd *cmd, const char *name)
{
    return cmd_option(cmd, name) != NULL;
}

struct config *cmd_config(const struct cmd *cmd, bool warnings, struct config_problems *problems)
{
    struct error error;
    struct text text;
    struct config *config = NULL;
    static struct config_problems own;
    struct config_problems *found = problems != NULL ? problems : &own;
    config_problems_init(found);
    text_init(&text, CONFIG_BYTES_MAX);
    if (file_read(cmd->config, &text, &error)) {
        config = config_parse(cmd->config, text_slice(&text), found);
        for (size_t i = 0; i < found->count; i++) {
            if (warnings || found->items[i].severity == CONFIG_ERROR)
                (void)fprintf(stderr, "%s\n", found->items[i].text);
        }
    } else {
        (void)fprintf(stderr, "nines: %s; name another file with -c FILE or NINES_CONFIG\n",
                      error.text);
    }
    text_done(&text);
    if (problems == NULL)
        config_problems_done(found);
    return config;
}

int cmd_fail(const struct error *error)
{
    ASSERT(error->kind != ERROR_NONE);
    (void)fprintf(stderr, "nines: %s\n", error->text);
    return error_exit_code(error->kind);
}
