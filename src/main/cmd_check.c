/*
 * check: judges a config without doing anything with it, and prints what the schema says.
 */
#include "base/check.h"
#include "base/writer.h"
#include "config/config_print.h"
#include "config/config_problem.h"
#include "main/commands.h"
#include "os/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES_MAX = 1024 * 1024, EXCERPT_MAX = 160 };

/* ---- Pages made of the schema ---- */

static int print_page(void (*print)(struct text *))
{
    struct text page;
    text_init(&page, PAGE_BYTES_MAX);
    print(&page);
    ASSERT(!page.failed);
    const bool written = fwrite(page.data, 1, page.size, stdout) == page.size;
    text_done(&page);
    return written && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static void print_json_schema(struct text *page)
{
    config_print_json_schema(page);
    text_add_char(page, '\n');
}

/* ---- Findings ---- */

/* config never looks at the disk: whether what it names is there is found out here. */
static void look_for_files(const struct config *config, struct config_problems *problems)
{
    for (size_t i = 0; i < config->file_count; i++) {
        const struct config_file *file = &config->files[i];
        if (access(file->path, R_OK) == 0)
            continue;
        const int reason = errno;
        config_problem_add(problems,
                           (struct config_about){.severity = CONFIG_WARNING,
                                                 .place = file->place,
                                                 .setting = file->setting},
                           "'%s' names '%s', which cannot be read: %s", file->setting, file->path,
                           strerrordesc_np(reason));
    }
}

/* Line number `line` of the text, without its end. */
static struct slice line_of(struct slice text, uint32_t line)
{
    const char *at = text.data;
    const char *end = text.data + text.size;
    for (uint32_t i = 1; i < line && at != NULL && at < end; i++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? end : at + 1;
    }
    if (at == NULL || at >= end)
        return (struct slice){0};
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return (struct slice){.data = at, .size = (size_t)((stop == NULL ? end : stop) - at)};
}

/* The line itself and a caret under the column (counted in characters), as compilers do. */
static void show_place(struct slice text, struct config_place place)
{
    const struct slice line = line_of(text, place.line);
    char shown[EXCERPT_MAX + 1];
    char caret[EXCERPT_MAX + 2];
    size_t size = 0;
    size_t indent = 0;
    uint32_t column = 1;
    for (size_t i = 0; i < line.size && size < EXCERPT_MAX; i++) {
        const unsigned char c = (unsigned char)line.data[i];
        shown[size++] = c == '\t' || (c >= ' ' && c != 0x7f) ? (char)c : '?';
        if ((c & 0xc0U) == 0x80U)
            continue;
        if (column++ < place.column)
            caret[indent++] = c == '\t' ? '\t' : ' ';
    }
    if (column < place.column && size == EXCERPT_MAX)
        return; /* The place is beyond what is shown. */
    caret[indent] = '^';
    caret[indent + 1] = '\0';
    shown[size] = '\0';
    (void)fprintf(stderr, "%5u | %s\n      | %s\n", place.line, shown, caret);
}

/* On a terminal with the line and a caret; elsewhere one line a finding, for programs to read. */
static void print_findings(const struct config_problems *problems, struct slice text, bool terminal)
{
    for (size_t i = 0; i < problems->count; i++) {
        (void)fprintf(stderr, "%s\n", problems->items[i].text);
        if (terminal)
            show_place(text, problems->items[i].place);
    }
    const size_t found = problems->errors + problems->unbuilt + problems->warnings;
    if (found > problems->count)
        (void)fprintf(stderr, "nines: %zu more findings are not shown\n", found - problems->count);
}

static const char *severity_name(enum config_severity severity)
{
    switch (severity) {
    case CONFIG_ERROR: return "error";
    case CONFIG_WARNING: return "warning";
    case CONFIG_UNBUILT: return "unbuilt";
    }
    UNREACHABLE();
}

static int print_json(const struct cmd *cmd, const struct config_problems *problems)
{
    struct text out;
    struct writer writer;
    text_init(&out, PAGE_BYTES_MAX);
    writer_init(&writer, &out);
    writer_object(&writer, NULL);
    writer_string(&writer, "file", cmd->config);
    writer_bool(&writer, "valid", problems->errors == 0);
    writer_u64(&writer, "errors", problems->errors);
    writer_u64(&writer, "warnings", problems->warnings);
    writer_u64(&writer, "unbuilt", problems->unbuilt);
    writer_array(&writer, "findings");
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        writer_object(&writer, NULL);
        writer_string(&writer, "severity", severity_name(problem->severity));
        writer_u64(&writer, "line", problem->place.line);
        writer_u64(&writer, "column", problem->place.column);
        writer_string(&writer, "setting", problem->setting);
        writer_string(&writer, "tier", problem->tier);
        writer_string(&writer, "text", problem->text);
        writer_end(&writer);
    }
    writer_end(&writer);
    writer_end(&writer);
    text_add_char(&out, '\n');
    ASSERT(!out.failed);
    const bool written = fwrite(out.data, 1, out.size, stdout) == out.size;
    text_done(&out);
    return written ? EXIT_DONE : EXIT_FAILED;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* What a valid file says, in one line, and what follows from it. */
static void print_summary(const struct cmd *cmd, const struct config *config,
                          const struct config_problems *problems)
{
    const size_t warnings = problems->warnings + problems->unbuilt;
    size_t hosts = 0;
    for (size_t i = 0; i < config->tier_count; i++)
        hosts += config->tiers[i].host_count;
    (void)printf("%s: valid, %zu warning%s; %zu tier%s, %zu host%s\n", cmd->config, warnings,
                 plural(warnings), config->tier_count, plural(config->tier_count), hosts,
                 plural(hosts));
    if (problems->unbuilt > 0)
        (void)printf("%zu setting%s not built in this version: nines serve and nines update refuse "
                     "this config until %s gone\n",
                     problems->unbuilt, problems->unbuilt == 1 ? " is" : "s are",
                     problems->unbuilt == 1 ? "it is" : "they are");
}

static int judge(const struct cmd *cmd, struct slice text)
{
    static struct config_problems problems;
    config_problems_init(&problems);
    struct config *config = config_parse(cmd->config, text, &problems);
    int code = config == NULL ? EXIT_USAGE : EXIT_DONE;
    if (config != NULL)
        look_for_files(config, &problems);
    if (cmd->json) {
        const int printed = print_json(cmd, &problems);
        code = code == EXIT_DONE ? printed : code;
    } else {
        const bool terminal = isatty(STDERR_FILENO) == 1;
        print_findings(&problems, text, terminal);
        if (config != NULL)
            print_summary(cmd, config, &problems);
        else if (terminal)
            (void)fprintf(stderr, "%s: %zu error%s\n", cmd->config, problems.errors,
                          plural(problems.errors));
    }
    config_unref(config);
    config_problems_done(&problems);
    return code;
}

int cmd_check(const struct cmd *cmd)
{
    if (cmd_flag(cmd, "reference"))
        return print_page(config_print_reference);
    if (cmd_flag(cmd, "man"))
        return print_page(config_print_man);
    if (cmd_flag(cmd, "json-schema"))
        return print_page(print_json_schema);

    struct text text;
    text_init(&text, CONFIG_BYTES_MAX);
    const int code = cmd_read(cmd, &text) ? judge(cmd, text_slice(&text)) : EXIT_USAGE;
    text_done(&text);
    return code;
}
