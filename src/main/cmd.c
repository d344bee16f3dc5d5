#include "main/cmd.h"

#include "base/check.h"
#include "base/writer.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

enum { FAILURE_BYTES_MAX = 16 * 1024 };

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

static void print_failure(const struct cmd *cmd, const char *sentence, int code)
{
    struct text out;
    struct writer writer;
    if (cmd == NULL || !cmd->json)
        return;
    text_init(&out, FAILURE_BYTES_MAX);
    writer_init(&writer, &out);
    writer_object(&writer, NULL);
    writer_string(&writer, "error", sentence);
    writer_u64(&writer, "exit", (uint64_t)code);
    writer_end(&writer);
    text_add_char(&out, '\n');
    ASSERT(!out.failed);
    (void)fwrite(out.data, 1, out.size, stdout);
    text_done(&out);
}

int cmd_fail(const struct cmd *cmd, const struct error *error)
{
    ASSERT(error->kind != ERROR_NONE);
    const int code = error_exit_code(error->kind);
    (void)fprintf(stderr, "nines: %s\n", error->text);
    print_failure(cmd, error->text, code);
    return code;
}

int cmd_fail_told(const struct cmd *cmd, const char *sentence, int code)
{
    ASSERT(code != EXIT_DONE);
    print_failure(cmd, sentence, code);
    return code;
}

bool cmd_read(const struct cmd *cmd, struct text *text)
{
    struct error error;
    char cause[ERROR_TEXT_MAX];
    if (file_read(cmd->config, text, &error))
        return true;
    memcpy(cause, error.text, sizeof cause);
    error_set(&error, ERROR_USAGE, "%.600s; name another file with -c FILE or NINES_CONFIG", cause);
    (void)cmd_fail(cmd, &error);
    return false;
}

struct config *cmd_config(const struct cmd *cmd, bool warnings, struct config_problems *problems)
{
    struct text text;
    struct config *config = NULL;
    static struct config_problems own;
    struct config_problems *found = problems != NULL ? problems : &own;
    const char *first = NULL;
    config_problems_init(found);
    text_init(&text, CONFIG_BYTES_MAX);
    if (cmd_read(cmd, &text)) {
        config = config_parse(cmd->config, text_slice(&text), found);
        for (size_t i = 0; i < found->count; i++) {
            const bool error = found->items[i].severity == CONFIG_ERROR;
            if (warnings || error)
                (void)fprintf(stderr, "%s\n", found->items[i].text);
            if (error && first == NULL)
                first = found->items[i].text;
        }
        if (config == NULL)
            (void)cmd_fail_told(cmd, first != NULL ? first : "the config is not valid", EXIT_USAGE);
    }
    text_done(&text);
    if (problems == NULL)
        config_problems_done(found);
    return config;
}
