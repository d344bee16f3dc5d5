#include "config/config_print.h"

#include "base/check.h"
#include "config/config_schema.h"
#include "config/config_value.h"

#include <stdio.h>

/* ---- What is said about one row ---- */

/* The words of a choice, each between `quote`s. */
static void add_choices(struct text *text, const struct config_setting *row, const char *quote)
{
    const char *comma = "";
    for (const struct config_choice *choice = row->choices; choice->name != NULL; choice++) {
        if (choice->alias)
            continue;
        text_format(text, "%s%s%s%s", comma, quote, choice->name, quote);
        comma = ", ";
    }
}

static bool has_limits(const struct config_setting *row)
{
    switch (row->type) {
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_COUNT: return row->min != 0 || row->max != 0;
    default: return false;
    }
}

/* "1ms to 1h", "at least 1B". */
static void add_limits(struct text *text, const struct config_setting *row)
{
    ASSERT(has_limits(row));
    if (row->max == 0) {
        text_add(text, "at least ");
        config_value_print(text, row->type, row->min);
        return;
    }
    config_value_print(text, row->type, row->min);
    text_add(text, " to ");
    config_value_print(text, row->type, row->max);
}

/* Words of this row that do nothing in this version; false when there are none. */
static bool add_unbuilt(struct text *text, const struct config_setting *row)
{
    if (row->unbuilt) {
        text_add(text, "Not built in this version.");
        return true;
    }
    size_t count = 0;
    const bool choices = row->type == CONFIG_TYPE_CHOICE;
    for (const struct config_choice *choice = choices ? row->choices : NULL;
         choice != NULL && choice->name != NULL; choice++) {
        if (!choice->unbuilt)
            continue;
        text_format(text, "%s%s", count == 0 ? "Not built in this version: " : ", ", choice->name);
        count++;
    }
    if (row->type == CONFIG_TYPE_STATE) {
        text_add(text, "Not built in this version: etcd");
        count++;
    }
    if (count > 0)
        text_add_char(text, '.');
    return count > 0;
}

static const char *default_of(const struct config_setting *row)
{
    if (row->required)
        return "required";
    if (row->type == CONFIG_TYPE_SECTION)
        return "";
    return row->initial != NULL ? row->initial : row->shown != NULL ? row->shown : "none";
}

/* ---- Markdown ---- */

static const char reference_head[] =
    "# Settings\n"
    "\n"
    "Every setting of `nines.yaml`, its default and its limits. This page is printed from the "
    "table "
    "that the parser works by (`nines check --reference`), so it is what nines does.\n"
    "\n"
    "A duration is a whole number and a unit: `500ms`, `10s`, `5m`, `1h`, `7d`. A size is one with "
    "`B`, `KiB`, `MiB` or `GiB`. A share is a percentage: `20%`, `0.5%`. A number of either "
    "without "
    "its unit is an error. Numbers are whole. `on`, `true` and `yes` mean the same, and so do "
    "`off`, `false` and `no`. Paths are absolute.\n"
    "\n"
    "A setting or value that is accepted but not built in this version is marked; `nines check` "
    "warns about it, `nines serve` and `nines update` refuse it by name.\n";

static const char *heading_of(const char *path)
{
    return *path == '\0' ? "The file" : path;
}

static void markdown_row(struct text *text, const struct config_setting *row)
{
    text_format(text, "| `%s` | ", row->name);
    if (row->choices != NULL) {
        text_add(text, row->type == CONFIG_TYPE_FLAGS ? "list of " : "");
        add_choices(text, row, "`");
    } else {
        text_add(text, config_type_name(row->type));
    }
    if (has_limits(row)) {
        text_add(text, ", ");
        add_limits(text, row);
    }
    const char *quote = row->initial != NULL ? "`" : "";
    text_format(text, " | %s%s%s | %s", quote, default_of(row), quote, row->help);
    text_add_char(text, ' ');
    if (add_unbuilt(text, row))
        text_add_char(text, ' ');
    text_add(text, "|\n");
}

static void markdown_section(struct text *text, const struct config_section *section,
                             const char *path)
{
    text_format(text, "\n## %s\n\n", heading_of(path));
    text_add(text, "| setting | value | default | what it does |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < section->count; i++)
        markdown_row(text, &section->rows[i]);
}

/* ---- scdoc ---- */

/* Escapes what scdoc takes for markup. */
static void man_add(struct text *text, const char *string)
{
    for (const char *c = string; *c != '\0'; c++) {
        if (*c == '`') {
            text_add_char(text, '"');
            continue;
        }
        if (strchr("_*\\#[]", *c) != NULL)
            text_add_char(text, '\\');
        text_add_char(text, *c);
    }
}

static const char man_head[] =
    "nines.yaml(5)\n"
    "\n"
    "# NAME\n"
    "\n"
    "nines.yaml - the configuration of nines\n"
    "\n"
    "# DESCRIPTION\n"
    "\n"
    "nines(1) reads /etc/nines/nines.yaml, or the file named by *-c* or by the environment "
    "variable\n"
    "*NINES\\_CONFIG*. It is one YAML 1.2 document in UTF-8, without anchors, aliases, merges and "
    "tags.\n"
    "*nines check* says where each error is; *nines reload* takes a changed file into use.\n"
    "\n"
    "A duration is a whole number and a unit: 500ms, 10s, 5m, 1h, 7d. A size is one with B, KiB, "
    "MiB\n"
    "or GiB. A share is a percentage: 20%, 0.5%. on, true and yes mean the same, and so do off, "
    "false\n"
    "and no. Paths are absolute.\n"
    "\n"
    "A setting or value that is accepted but not built in this version is marked; *nines check* "
    "warns\n"
    "about it, *nines serve* and *nines update* refuse it by name.\n";

static const char man_tail[] = "\n"
                               "# EXAMPLE\n"
                               "\n"
                               "```\n"
                               "listen:\n"
                               "  - { address: 0.0.0.0:8080, tier: web }\n"
                               "tiers:\n"
                               "  web:\n"
                               "    hosts:\n"
                               "      - { name: \"web-[1-8]\", address: \"10.0.0.[1-8]:80\" }\n"
                               "```\n"
                               "\n"
                               "# SEE ALSO\n"
                               "\n"
                               "*nines*(1)\n";

static void man_row(struct text *text, const struct config_setting *row)
{
    struct text facts;
    text_init(&facts, 4096);
    if (row->choices != NULL) {
        text_add(&facts, row->type == CONFIG_TYPE_FLAGS ? "list of " : "");
        add_choices(&facts, row, "");
    } else {
        text_add(&facts, config_type_name(row->type));
    }
    if (has_limits(row)) {
        text_add(&facts, ", ");
        add_limits(&facts, row);
    }
    const char *initial = default_of(row);
    if (row->required)
        text_add(&facts, "; required");
    else if (*initial != '\0')
        text_format(&facts, "; default: %s", initial);
    text_add(text, "\n*");
    man_add(text, row->name);
    text_add(text, "* (");
    man_add(text, facts.data == NULL ? "" : facts.data);
    text_add(text, ")\n\t");
    man_add(text, row->help);
    text_clear(&facts);
    if (add_unbuilt(&facts, row)) {
        text_add_char(text, ' ');
        man_add(text, facts.data);
    }
    text_add_char(text, '\n');
    text->failed = text->failed || facts.failed;
    text_done(&facts);
}

static void man_section(struct text *text, const struct config_section *section, const char *path)
{
    if (*path == '\0') {
        text_add(text, "\n# SETTINGS\n");
    } else {
        text_add(text, "\n## ");
        man_add(text, path);
        text_add_char(text, '\n');
    }
    for (size_t i = 0; i < section->count; i++)
        man_row(text, &section->rows[i]);
}

/* ---- Both: section after section, each once ---- */

typedef void section_printer(struct text *, const struct config_section *, const char *path);

static void each_section(struct text *text, const struct config_section *section, const char *path,
                         section_printer *print)
{
    print(text, section, path);
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->rows[i];
        if (row->section == NULL)
            continue;
        bool seen = false; /* `standby` takes what `hosts` does. */
        for (size_t j = 0; j < i; j++)
            seen = seen || section->rows[j].section == row->section;
        if (seen)
            continue;
        char below[CONFIG_PATH_MAX];
        const int size = snprintf(below, sizeof below, "%s%s%s%s", path, *path == '\0' ? "" : ".",
                                  row->name, row->type == CONFIG_TYPE_TIERS ? ".NAME" : "");
        ASSERT(size > 0 && (size_t)size < sizeof below);
        each_section(text, row->section, below, print);
    }
}

void config_print_reference(struct text *text)
{
    text_add(text, reference_head);
    each_section(text, &config_schema, "", markdown_section);
}

void config_print_man(struct text *text)
{
    text_add(text, man_head);
    each_section(text, &config_schema, "", man_section);
    text_add(text, man_tail);
}
