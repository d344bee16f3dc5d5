#include "base/check.h"
#include "base/writer.h"
#include "config/config_print.h"
#include "config/config_schema.h"

/* The pattern of a scalar's text; NULL: any text. */
static const char *pattern_of(enum config_type type)
{
    switch (type) {
    case CONFIG_TYPE_DURATION: return "^[0-9]+(ms|s|m|h|d)$";
    case CONFIG_TYPE_SIZE: return "^([0-9]+(B|KiB|MiB|GiB)|unlimited)$";
    case CONFIG_TYPE_PERCENT: return "^[0-9]+(\\.[0-9]{1,4})?%$";
    case CONFIG_TYPE_AMOUNT: return "^[0-9]+(\\.[0-9]{1,4})?%$";
    case CONFIG_TYPE_HIT_RATIO: return "^(measured|[0-9]+(\\.[0-9]{1,4})?%)$";
    case CONFIG_TYPE_PATH: return "^/";
    case CONFIG_TYPE_URL_PATH: return "^/";
    case CONFIG_TYPE_STATE: return "^(sqlite:/|etcd://)";
    case CONFIG_TYPE_ADDRESS: return ":[0-9]+$";
    default: return NULL;
    }
}

/* A word as YAML readers may see it: `off` is a string or false, `502` a string or a number. */
static void add_word(struct writer *writer, const char *word)
{
    uint64_t number = 0;
    writer_string(writer, NULL, word);
    if (strcmp(word, "off") == 0)
        writer_bool(writer, NULL, false);
    else if (strcmp(word, "on") == 0)
        writer_bool(writer, NULL, true);
    else if (slice_to_u64(slice_of(word), &number))
        writer_u64(writer, NULL, number);
}

static void add_words(struct writer *writer, const struct config_setting *row)
{
    writer_array(writer, "enum");
    for (const struct config_choice *choice = row->choices; choice->name != NULL; choice++) {
        if (!choice->alias)
            add_word(writer, choice->name);
    }
    writer_end(writer);
}

static void add_section(struct writer *, const struct config_section *);

static void add_list_of_text(struct writer *writer)
{
    writer_string(writer, "type", "array");
    writer_u64(writer, "minItems", 1);
    writer_object(writer, "items");
    writer_array(writer, "type");
    writer_string(writer, NULL, "string");
    writer_string(writer, NULL, "number");
    writer_end(writer);
    writer_end(writer);
}

/* The scalar that may stand in place of a mapping, or the mapping. */
static void add_either(struct writer *writer, const struct config_setting *row)
{
    const struct config_setting *inner =
        config_section_find(row->section, slice_of(row->shorthand));
    ASSERT(inner != NULL && inner->type == CONFIG_TYPE_CHOICE);
    writer_array(writer, "oneOf");
    writer_object(writer, NULL);
    add_words(writer, inner);
    writer_end(writer);
    writer_object(writer, NULL);
    add_section(writer, row->section);
    writer_end(writer);
    writer_end(writer);
}

static void add_packages(struct writer *writer)
{
    writer_array(writer, "oneOf");
    writer_object(writer, NULL);
    writer_string(writer, "const", "security");
    writer_end(writer);
    writer_object(writer, NULL);
    add_list_of_text(writer);
    writer_end(writer);
    writer_end(writer);
}

static void add_amount(struct writer *writer)
{
    writer_array(writer, "oneOf");
    writer_object(writer, NULL);
    writer_string(writer, "type", "integer");
    writer_u64(writer, "minimum", 0);
    writer_end(writer);
    writer_object(writer, NULL);
    writer_string(writer, "type", "string");
    writer_string(writer, "pattern", pattern_of(CONFIG_TYPE_AMOUNT));
    writer_end(writer);
    writer_end(writer);
}

static void add_scalar(struct writer *writer, const struct config_setting *row)
{
    const char *pattern = pattern_of(row->type);
    writer_string(writer, "type", "string");
    if (pattern != NULL)
        writer_string(writer, "pattern", pattern);
}

static void add_switch(struct writer *writer)
{
    static const char *const words[] = {"on", "off", "yes", "no"};
    writer_array(writer, "enum");
    for (size_t i = 0; i < COUNT_OF(words); i++)
        add_word(writer, words[i]);
    writer_end(writer);
}

static void add_value(struct writer *writer, const struct config_setting *row)
{
    switch (row->type) {
    case CONFIG_TYPE_SECTION:
        if (row->shorthand != NULL)
            add_either(writer, row);
        else
            add_section(writer, row->section);
        return;
    case CONFIG_TYPE_TIERS:
        writer_string(writer, "type", "object");
        writer_u64(writer, "minProperties", 1);
        writer_object(writer, "additionalProperties");
        add_section(writer, row->section);
        writer_end(writer);
        return;
    case CONFIG_TYPE_ROUTES:
    case CONFIG_TYPE_LISTENERS:
    case CONFIG_TYPE_HOSTS:
        writer_string(writer, "type", "array");
        writer_u64(writer, "minItems", 1);
        writer_object(writer, "items");
        add_section(writer, row->section);
        writer_end(writer);
        return;
    case CONFIG_TYPE_FLAGS:
        writer_string(writer, "type", "array");
        writer_object(writer, "items");
        add_words(writer, row);
        writer_end(writer);
        return;
    case CONFIG_TYPE_CHOICE: add_words(writer, row); return;
    case CONFIG_TYPE_SWITCH: add_switch(writer); return;
    case CONFIG_TYPE_COUNT:
        writer_string(writer, "type", "integer");
        writer_u64(writer, "minimum", row->min);
        if (row->max != 0)
            writer_u64(writer, "maximum", row->max);
        return;
    case CONFIG_TYPE_ACCESS: /* `off` is a boolean to some. */
        writer_array(writer, "type");
        writer_string(writer, NULL, "string");
        writer_string(writer, NULL, "boolean");
        writer_end(writer);
        return;
    case CONFIG_TYPE_AMOUNT: add_amount(writer); return;
    case CONFIG_TYPE_PACKAGES: add_packages(writer); return;
    case CONFIG_TYPE_ARGV: add_list_of_text(writer); return;
    default: add_scalar(writer, row); return;
    }
}

/* The members of a schema for one mapping; the object around them is the caller's. */
static void add_section(struct writer *writer, const struct config_section *section)
{
    writer_string(writer, "type", "object");
    writer_bool(writer, "additionalProperties", false);
    writer_object(writer, "properties");
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->rows[i];
        writer_object(writer, row->name);
        writer_string(writer, "description", row->help);
        if (row->initial != NULL && row->type != CONFIG_TYPE_FLAGS)
            writer_string(writer, "default", row->initial);
        add_value(writer, row);
        writer_end(writer);
    }
    writer_end(writer);
    writer_array(writer, "required");
    for (size_t i = 0; i < section->count; i++) {
        if (section->rows[i].required)
            writer_string(writer, NULL, section->rows[i].name);
    }
    writer_end(writer);
}

void config_print_json_schema(struct text *text)
{
    struct writer writer;
    writer_init(&writer, text);
    writer_object(&writer, NULL);
    writer_string(&writer, "$schema", "https://json-schema.org/draft/2020-12/schema");
    writer_string(&writer, "title", "nines.yaml");
    add_section(&writer, &config_schema);
    writer_end(&writer);
}
