#include "config/config_read.h"

#include "base/check.h"
#include "config/config_address.h"
#include "config/config_hosts.h"
#include "config/config_value.h"

#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_MAX = 1024, ARGV_WORDS_MAX = 64, PACKAGES_MAX = 256, ARGV_BYTES_MAX = 4096 };

/* ---- Where we are, in words ---- */

void config_read_enter(struct config_reader *reader, const char *name)
{
    ASSERT(reader->name_depth < COUNT_OF(reader->names));
    reader->names[reader->name_depth++] = name;
}

void config_read_leave(struct config_reader *reader)
{
    ASSERT(reader->name_depth > 0);
    reader->name_depth--;
}

/* names[from..] and `name`, joined by dots. */
static void join(const struct config_reader *reader, uint32_t from, const char *name,
                 char path[static CONFIG_PATH_MAX])
{
    size_t used = 0;
    path[0] = '\0';
    for (uint32_t i = from; i <= reader->name_depth; i++) {
        const char *part = i < reader->name_depth ? reader->names[i] : name;
        if (part == NULL)
            continue;
        const int size =
            snprintf(path + used, CONFIG_PATH_MAX - used, "%s%s", used == 0 ? "" : ".", part);
        ASSERT(size >= 0);
        used += (size_t)size;
        if (used >= CONFIG_PATH_MAX - 1)
            return; /* Cut: only a name too long to be valid gets here. */
    }
}

struct config_where config_read_where(const struct config_reader *reader)
{
    struct config_where where = {{0}};
    const char *tier = reader->tier == NULL ? "" : reader->tier;
    const struct config_quote tier_name = config_quote(slice_of(tier));
    if (reader->host != NULL) {
        const struct config_quote host = config_quote(slice_of(reader->host));
        if (*reader->host == '\0')
            (void)snprintf(where.text, sizeof where.text, "a host of tier '%s'", tier_name.text);
        else
            (void)snprintf(where.text, sizeof where.text, "host '%s' of tier '%s'", host.text,
                           tier_name.text);
    } else if (reader->tier != NULL) {
        (void)snprintf(where.text, sizeof where.text, "tier '%s'", tier_name.text);
    } else if (reader->listener != NULL) {
        const struct config_quote listener = config_quote(slice_of(reader->listener));
        const char *route = reader->route ? "a route of " : "";
        if (*reader->listener == '\0')
            (void)snprintf(where.text, sizeof where.text, "%sa listener", route);
        else
            (void)snprintf(where.text, sizeof where.text, "%slistener '%s'", route, listener.text);
    }
    return where;
}

static void report(const struct config_reader *reader, struct config_finding finding,
                   const char *sentence)
{
    char setting[CONFIG_PATH_MAX];
    join(reader, 0, finding.name, setting);
    config_problem_add(reader->problems,
                       (struct config_about){.severity = finding.severity,
                                             .place = finding.place,
                                             .setting = setting,
                                             .tier = reader->tier},
                       "%s", sentence);
}

void config_read_report(const struct config_reader *reader, struct config_finding finding,
                        const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    report(reader, finding, sentence);
}

void config_read_complain(const struct config_reader *reader, struct config_finding finding,
                          const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    char label[CONFIG_PATH_MAX];
    join(reader, reader->label_depth, finding.name, label);
    const struct config_where where = config_read_where(reader);
    const char *in = where.text[0] == '\0' || label[0] == '\0' ? "" : " in ";
    const char *quote = label[0] == '\0' ? "" : "'";
    const int size =
        snprintf(sentence, sizeof sentence, "%s%s%s%s%s ", quote, label, quote, in, where.text);
    ASSERT(size > 0 && (size_t)size < sizeof sentence);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence + size, sizeof sentence - (size_t)size, format, arguments);
    va_end(arguments);
    report(reader, finding, sentence);
}

static struct config_finding error_at(const struct config_node *node, const char *name)
{
    return (struct config_finding){.place = node->place, .name = name};
}

/* ---- Settings nobody knows ---- */

/* The nearest setting in sections below: a typo and a wrong place at once. */
static void offer_nested(const struct config_section *section, struct config_suggestion *suggestion,
                         const char **under)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->rows[i];
        if (row->type != CONFIG_TYPE_SECTION)
            continue;
        const char *before = suggestion->best;
        for (size_t j = 0; j < row->section->count; j++)
            config_suggestion_offer(suggestion, row->section->rows[j].name);
        if (suggestion->best != before)
            *under = row->name;
        offer_nested(row->section, suggestion, under);
    }
}

/* A section around this one that has the setting: it is indented too far. */
static const struct config_section *section_outside(const struct config_reader *reader,
                                                    struct slice name)
{
    for (uint32_t i = reader->section_depth; i-- > 1;) {
        if (config_section_find(reader->sections[i - 1], name) != NULL)
            return reader->sections[i - 1];
    }
    return NULL;
}

/* Returns the setting of this section that was probably meant; NULL when there is none. */
static const char *on_unknown(const struct config_reader *reader,
                              const struct config_section *section, const struct config_node *node)
{
    const struct config_quote key = config_quote(node->key);
    struct config_where where = config_read_where(reader);
    if (where.text[0] == '\0' && reader->name_depth > 0) {
        char path[CONFIG_PATH_MAX];
        join(reader, 0, NULL, path);
        (void)snprintf(where.text, sizeof where.text, "'%s'", path);
    }
    const char *in = where.text[0] == '\0' ? "" : " in ";
    const struct config_finding finding = {.place = node->key_place, .name = key.text};

    const struct config_section *outside = section_outside(reader, node->key);
    if (outside != NULL) {
        config_read_report(reader, finding,
                           "unknown setting '%s'%s%s; it belongs to %s%s: indent it less", key.text,
                           in, where.text, outside->name == NULL ? "the top of the file" : "a ",
                           outside->name == NULL ? "" : outside->name);
        return NULL;
    }
    struct config_suggestion suggestion;
    config_suggestion_init(&suggestion, node->key);
    for (size_t i = 0; i < section->count; i++)
        config_suggestion_offer(&suggestion, section->rows[i].name);
    const char *under = NULL;
    if (suggestion.best == NULL)
        offer_nested(section, &suggestion, &under);
    if (suggestion.best != NULL) {
        config_read_report(reader, finding, "unknown setting '%s'%s%s; did you mean '%s'%s%s%s?",
                           key.text, in, where.text, suggestion.best,
                           under == NULL ? "" : " under '", under == NULL ? "" : under,
                           under == NULL ? "" : "'");
        return under == NULL ? suggestion.best : NULL;
    }
    char known[SENTENCE_MAX / 2] = "";
    size_t used = 0;
    for (size_t i = 0; i < section->count && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ",
                                 section->rows[i].name);
    config_read_report(reader, finding, "unknown setting '%s'%s%s; known here: %s", key.text, in,
                       where.text, known);
    return NULL;
}

/* ---- Values ---- */

static const char *kind_name(const struct config_node *node)
{
    switch (node->kind) {
    case CONFIG_NODE_MAPPING: return "a mapping";
    case CONFIG_NODE_SEQUENCE: return "a list";
    case CONFIG_NODE_SCALAR:
    case CONFIG_NODE_BROKEN: return "a single value";
    }
    UNREACHABLE();
}

/* True when a list or mapping has 1 to `max` entries. */
static bool expect_entries(const struct config_reader *reader, const char *name,
                           const struct config_node *node, uint32_t max)
{
    if (node->count == 0)
        config_read_complain(reader, error_at(node, name), "is empty; it needs at least one entry");
    else if (node->count > max)
        config_read_complain(reader, error_at(node, name), "holds %u entries; %u is the most",
                             node->count, max);
    return node->count > 0 && node->count <= max;
}

/* True when an entry of a list is a single value. */
static bool expect_word(const struct config_reader *reader, const char *name,
                        const struct config_node *item)
{
    if (item->kind == CONFIG_NODE_SCALAR && !config_yaml_is_null(item))
        return true;
    if (item->kind == CONFIG_NODE_SCALAR)
        config_read_complain(reader, error_at(item, name), "holds an entry without a value");
    else if (item->kind != CONFIG_NODE_BROKEN)
        config_read_complain(reader, error_at(item, name), "holds %s where a single value belongs",
                             kind_name(item));
    return false;
}

/* True when the node is of that kind; else it is reported, unless that was done before. */
static bool expect(const struct config_reader *reader, const char *name,
                   const struct config_node *node, enum config_node_kind kind, const char *wanted)
{
    if (node->kind == kind && !config_yaml_is_null(node))
        return true;
    if (node->kind == CONFIG_NODE_BROKEN)
        return false;
    if (config_yaml_is_null(node))
        config_read_complain(reader, error_at(node, name),
                             "has no value; give it one or remove it");
    else
        config_read_complain(reader, error_at(node, name), "must be %s, not %s", wanted,
                             kind_name(node));
    return false;
}

static void on_unbuilt(const struct config_reader *reader, const char *name,
                       const struct config_node *node, const char *value)
{
    const struct config_finding finding = {.severity = CONFIG_UNBUILT,
                                           .place = node->key_place.line != 0 ? node->key_place
                                                                              : node->place,
                                           .name = name};
    if (value == NULL)
        config_read_complain(reader, finding,
                             "is not built in this version: serve and update refuse it");
    else
        config_read_complain(reader, finding,
                             "is '%s', which is not built in this version: serve and update "
                             "refuse it",
                             value);
}

static void tier_set(struct config_reader *reader, const struct config_setting *row,
                     const struct config_node *node, void *fields)
{
    const struct config_node *tiers = config_yaml_find(reader->root, "tiers");
    struct config_suggestion suggestion;
    config_suggestion_init(&suggestion, node->text);
    if (tiers == NULL || tiers->kind != CONFIG_NODE_MAPPING || tiers->count == 0)
        return; /* No tiers at all: that is the error, and it is reported. */
    size_t place = 0;
    CONFIG_YAML_EACH (tier, tiers) {
        if (slice_equal(tier->key, node->text)) {
            memcpy((char *)fields + row->offset, &place, sizeof place);
            return;
        }
        config_suggestion_offer(&suggestion, tier->key.data);
        place++;
    }
    if (suggestion.best != NULL)
        config_read_complain(reader, error_at(node, row->name),
                             "is '%s', and there is no such tier; did you mean '%s'?",
                             config_quote(node->text).text,
                             config_quote(slice_of(suggestion.best)).text);
    else
        config_read_complain(reader, error_at(node, row->name),
                             "is '%s', and there is no such tier", config_quote(node->text).text);
}

/* A file that must be there is noted for whoever can look. */
static void note_file(struct config_reader *reader, const struct config_setting *row,
                      const struct config_node *node, const void *fields)
{
    struct config *config = reader->config;
    char setting[CONFIG_PATH_MAX];
    join(reader, 0, row->name, setting);
    if (config->file_count == config->file_capacity) {
        const size_t capacity = config->file_capacity == 0 ? 8 : config->file_capacity * 2;
        struct config_file *files = arena_array(reader->arena, capacity, sizeof *files);
        if (files == NULL)
            return; /* The arena is full: the next value reports it. */
        if (config->file_count > 0)
            memcpy(files, config->files, config->file_count * sizeof *files);
        config->files = files;
        config->file_capacity = capacity;
    }
    struct config_file *file = &config->files[config->file_count++];
    *file = (struct config_file){.place = node->place,
                                 .setting = arena_text(reader->arena, slice_of(setting))};
    memcpy(&file->path, (const char *)fields + row->offset, sizeof file->path);
}

/* A switch that is not built may be off, an amount zero. */
static bool asks_for_unbuilt(const struct config_setting *row, const void *fields)
{
    const char *at = (const char *)fields + row->offset;
    if (row->type == CONFIG_TYPE_SWITCH)
        return *(const bool *)at;
    return row->type == CONFIG_TYPE_AMOUNT &&
           ((const struct config_amount *)(const void *)at)->value != 0;
}

static void read_scalar(struct config_reader *reader, const struct config_setting *row,
                        const struct config_node *node, void *fields)
{
    if (!expect(reader, row->name, node, CONFIG_NODE_SCALAR, "a single value"))
        return;
    if (row->type == CONFIG_TYPE_TIER) {
        tier_set(reader, row, node, fields);
        return;
    }
    struct config_complaint complaint;
    if (!config_value_set(row, node->text, reader->arena, fields, &complaint)) {
        config_read_complain(reader, error_at(node, row->name), "%s", complaint.text);
        return;
    }
    if (row->file)
        note_file(reader, row, node, fields);
    if (row->type == CONFIG_TYPE_CHOICE) {
        const struct config_choice *choice =
            config_choice_find(row->choices, node->text, &complaint);
        if (choice->unbuilt)
            on_unbuilt(reader, row->name, node, choice->name);
    } else if (row->type == CONFIG_TYPE_STATE && slice_starts_with(node->text, "etcd:")) {
        on_unbuilt(reader, row->name, node, "etcd");
    } else if (row->unbuilt && asks_for_unbuilt(row, fields)) {
        on_unbuilt(reader, row->name, node, NULL);
    }
}

static void read_flags(struct config_reader *reader, const struct config_setting *row,
                       const struct config_node *node, void *fields)
{
    if (!expect(reader, row->name, node, CONFIG_NODE_SEQUENCE, "a list"))
        return;
    uint32_t bits = 0;
    CONFIG_YAML_EACH (item, node) {
        if (!expect_word(reader, row->name, item))
            continue;
        struct config_complaint complaint;
        const struct config_choice *choice =
            config_choice_find(row->choices, item->text, &complaint);
        if (choice == NULL)
            config_read_complain(reader, error_at(item, row->name), "%s", complaint.text);
        else if ((bits & choice->value) != 0)
            config_read_complain(reader, error_at(item, row->name), "holds '%s' twice",
                                 choice->name);
        else
            bits |= choice->value;
    }
    memcpy((char *)fields + row->offset, &bits, sizeof bits);
}

/* Debian Policy 5.6.1. */
static bool is_package(struct slice name)
{
    if (name.size < 2 || name.size > CONFIG_NAME_MAX * 2)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '+' && c != '-' && c != '.')))
            return false;
    }
    return true;
}

static void read_packages(struct config_reader *reader, const struct config_setting *row,
                          const struct config_node *node, void *fields)
{
    struct config_update *update = &((struct config_tier *)fields)->update;
    ASSERT(row->offset == offsetof(struct config_tier, update.packages));
    if (node->kind == CONFIG_NODE_SCALAR && slice_is(node->text, "security")) {
        update->security = true;
        return;
    }
    if (!expect(reader, row->name, node, CONFIG_NODE_SEQUENCE, "'security' or a list of names"))
        return;
    if (!expect_entries(reader, row->name, node, PACKAGES_MAX))
        return;
    update->packages = arena_array(reader->arena, node->count, sizeof *update->packages);
    CONFIG_YAML_EACH (item, node) {
        if (!expect_word(reader, row->name, item))
            continue;
        if (slice_is(item->text, "security")) {
            config_read_complain(reader, error_at(item, row->name),
                                 "holds 'security' among names; did you mean 'packages: "
                                 "security'?");
            continue;
        }
        if (!is_package(item->text)) {
            const char *equals =
                item->text.size == 0 ? NULL : memchr(item->text.data, '=', item->text.size);
            config_read_complain(
                reader, error_at(item, row->name),
                "holds '%s', which is not the name of a package%s", config_quote(item->text).text,
                equals == NULL ? "" : "; the version is given with `nines update --to`");
            continue;
        }
        const char *copy = arena_text(reader->arena, item->text);
        if (update->packages == NULL || copy == NULL) {
            config_read_complain(reader, error_at(item, row->name), "does not fit into memory");
            return;
        }
        update->packages[update->package_count++] = copy;
    }
}

/* A word may hold any text but NUL: no shell reads it. */
static void read_argv(struct config_reader *reader, const struct config_setting *row,
                      const struct config_node *node, void *fields)
{
    if (!expect(reader, row->name, node, CONFIG_NODE_SEQUENCE,
                "a list: a program and its arguments"))
        return;
    if (!expect_entries(reader, row->name, node, ARGV_WORDS_MAX))
        return;
    struct config_argv argv = {
        .words = arena_array(reader->arena, (size_t)node->count + 1, sizeof *argv.words)};
    CONFIG_YAML_EACH (item, node) {
        if (!expect_word(reader, row->name, item))
            continue;
        const bool first = argv.count == 0;
        if (strlen(item->text.data) != item->text.size || item->text.size > ARGV_BYTES_MAX ||
            (first && item->text.size == 0)) {
            config_read_complain(reader, error_at(item, row->name), "%s",
                                 first && item->text.size == 0
                                     ? "names no program"
                                     : "holds a word that is too long or has a NUL byte");
            continue;
        }
        const char *copy = arena_text(reader->arena, item->text);
        if (argv.words == NULL || copy == NULL) {
            config_read_complain(reader, error_at(item, row->name), "does not fit into memory");
            return;
        }
        argv.words[argv.count++] = copy;
    }
    memcpy((char *)fields + row->offset, &argv, sizeof argv);
}

/* ---- Sections ---- */

static void read_routes(struct config_reader *, const struct config_setting *,
                        const struct config_node *, void *fields);
static void read_listeners(struct config_reader *, const struct config_setting *,
                           const struct config_node *);
static void read_tiers(struct config_reader *, const struct config_setting *,
                       const struct config_node *);

static void read_subsection(struct config_reader *reader, const struct config_setting *row,
                            const struct config_node *node, void *fields)
{
    config_read_enter(reader, row->name);
    if (row->shorthand != NULL && node->kind == CONFIG_NODE_SCALAR && !config_yaml_is_null(node)) {
        const struct config_setting *inner =
            config_section_find(row->section, slice_of(row->shorthand));
        struct config_complaint complaint;
        if (!config_value_set(inner, node->text, reader->arena, fields, &complaint)) {
            config_read_leave(reader);
            config_read_complain(reader, error_at(node, row->name), "%s, or a mapping",
                                 complaint.text);
            return;
        }
    } else {
        (void)config_read_section(reader, row->section, node, fields);
    }
    config_read_leave(reader);
}

static void read_value(struct config_reader *reader, const struct config_setting *row,
                       struct config_node *node, void *fields)
{
    const size_t errors = reader->problems->errors;
    if (row->given != 0)
        *((bool *)fields + row->given - 1) = true;
    if (row->unbuilt && row->type != CONFIG_TYPE_SWITCH && row->type != CONFIG_TYPE_AMOUNT)
        on_unbuilt(reader, row->name, node, NULL);
    switch (row->type) {
    case CONFIG_TYPE_FLAGS: read_flags(reader, row, node, fields); break;
    case CONFIG_TYPE_PACKAGES: read_packages(reader, row, node, fields); break;
    case CONFIG_TYPE_ARGV: read_argv(reader, row, node, fields); break;
    case CONFIG_TYPE_SECTION: read_subsection(reader, row, node, fields); break;
    case CONFIG_TYPE_ROUTES: read_routes(reader, row, node, fields); break;
    case CONFIG_TYPE_LISTENERS: read_listeners(reader, row, node); break;
    case CONFIG_TYPE_TIERS: read_tiers(reader, row, node); break;
    case CONFIG_TYPE_HOSTS: break; /* Both lists together, at the end of their tier. */
    default: read_scalar(reader, row, node, fields); break;
    }
    node->flawed = node->flawed || reader->problems->errors != errors;
}

static void on_missing(const struct config_reader *reader, const struct config_setting *row,
                       const struct config_node *node)
{
    const struct config_finding finding = {
        .place = node->key_place.line != 0 ? node->key_place : node->place, .name = row->name};
    if (reader->name_depth > reader->label_depth) {
        config_read_complain(reader, (struct config_finding){.place = finding.place}, "needs '%s'",
                             row->name);
        return;
    }
    const struct config_where where = config_read_where(reader);
    config_read_report(reader, finding, "%s needs '%s'",
                       where.text[0] == '\0' ? "the config" : where.text, row->name);
}

bool config_read_section(struct config_reader *reader, const struct config_section *section,
                         const struct config_node *node, void *fields)
{
    if (!expect(reader, NULL, node, CONFIG_NODE_MAPPING, "a mapping"))
        return false;
    ASSERT(reader->section_depth < CONFIG_SECTIONS_MAX);
    reader->sections[reader->section_depth++] = section;
    const char *meant = NULL; /* A missing setting that is there with a typo is not missing. */
    CONFIG_YAML_EACH (child, node) {
        const struct config_setting *row = config_section_find(section, child->key);
        if (row != NULL)
            read_value(reader, row, child, fields);
        else if (!slice_is(child->key, "<<"))
            meant = on_unknown(reader, section, child);
    }
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->rows[i];
        if (row->required && row->name != meant && config_yaml_find(node, row->name) == NULL)
            on_missing(reader, row, node);
    }
    reader->section_depth--;
    return true;
}

/* ---- listen ---- */

/* True when `node` is a list of 1 to `max` entries. */
static bool expect_list(const struct config_reader *reader, const char *name,
                        const struct config_node *node, uint32_t max)
{
    return expect(reader, name, node, CONFIG_NODE_SEQUENCE, "a list") &&
           expect_entries(reader, name, node, max);
}

/* An array in the config's arena; reports when there is no room. */
static void *array(const struct config_reader *reader, const char *name,
                   const struct config_node *node, size_t size)
{
    void *memory = arena_array(reader->arena, node->count, size);
    if (memory == NULL)
        config_read_complain(reader, error_at(node, name), "does not fit into memory");
    return memory;
}

static void read_routes(struct config_reader *reader, const struct config_setting *row,
                        const struct config_node *node, void *fields)
{
    struct config_listener *listener = &((struct config_listener_entry *)fields)->listener;
    if (!expect_list(reader, row->name, node, CONFIG_ROUTES_MAX))
        return;
    struct config_route *routes = array(reader, row->name, node, sizeof *routes);
    if (routes == NULL)
        return;
    const uint32_t label_depth = reader->label_depth;
    config_read_enter(reader, row->name);
    reader->label_depth = reader->name_depth;
    reader->route = true;
    size_t count = 0;
    CONFIG_YAML_EACH (item, node) {
        routes[count].place = item->place;
        (void)config_read_section(reader, row->section, item, &routes[count++]);
    }
    reader->route = false;
    reader->label_depth = label_depth;
    config_read_leave(reader);
    listener->routes = routes;
    listener->route_count = count;
}

static void read_listener(struct config_reader *reader, const struct config_section *section,
                          struct config_node *node, struct config_listener *listener)
{
    struct config_listener_entry entry = {.listener.place = node->place};
    const size_t errors = reader->problems->errors;
    const struct config_node *address = config_yaml_find(node, "address");
    reader->listener =
        address != NULL && address->kind == CONFIG_NODE_SCALAR ? address->text.data : "";
    if (config_read_section(reader, section, node, &entry)) {
        const struct config_node *tier = config_yaml_find(node, "tier");
        const struct config_node *routes = config_yaml_find(node, "routes");
        if (tier != NULL && routes != NULL)
            config_read_report(
                reader, (struct config_finding){.place = tier->key_place, .name = "tier"},
                "%s has both 'routes' and 'tier'; the tier can be the last of the routes",
                config_read_where(reader).text);
        else if (tier == NULL && routes == NULL)
            config_read_report(reader, error_at(node, "tier"), "%s needs 'tier' or 'routes'",
                               config_read_where(reader).text);
    }
    reader->listener = NULL;
    node->flawed = node->flawed || reader->problems->errors != errors;
    *listener = entry.listener;
    if (!entry.tier_given || listener->routes != NULL)
        return;
    listener->routes = arena_array(reader->arena, 1, sizeof *listener->routes);
    if (listener->routes == NULL) {
        config_read_report(reader, error_at(node, "tier"), "the config does not fit into memory");
        return;
    }
    listener->routes[0] = (struct config_route){.place = node->place, .tier = entry.tier};
    listener->route_count = 1;
}

static void read_listeners(struct config_reader *reader, const struct config_setting *row,
                           const struct config_node *node)
{
    struct config *config = reader->config;
    if (!expect_list(reader, row->name, node, CONFIG_LISTENERS_MAX))
        return;
    config->listeners = array(reader, row->name, node, sizeof *config->listeners);
    if (config->listeners == NULL)
        return;
    config_read_enter(reader, row->name);
    reader->label_depth = reader->name_depth;
    CONFIG_YAML_EACH (item, node)
        read_listener(reader, row->section, item, &config->listeners[config->listener_count++]);
    reader->label_depth = 0;
    config_read_leave(reader);
}

/* ---- tiers ---- */

static void read_hosts(struct config_reader *reader, struct config_tier *tier,
                       struct config_node *hosts, struct config_node *standby)
{
    const size_t errors = reader->problems->errors;
    config_hosts_read(reader, tier, hosts, standby);
    if (hosts != NULL)
        hosts->flawed = hosts->flawed || reader->problems->errors != errors;
}

static void read_tier(struct config_reader *reader, const struct config_section *section,
                      struct config_node *node, struct config_tier *tier)
{
    tier->place = node->key_place;
    tier->name = arena_text(reader->arena, node->key);
    if (tier->name == NULL || !config_section_defaults(section, reader->arena, tier)) {
        config_read_report(reader, error_at(node, NULL), "the config does not fit into memory");
        return;
    }
    reader->tier = tier->name;
    config_read_enter(reader, tier->name);
    reader->label_depth = reader->name_depth;
    struct config_complaint complaint;
    if (!config_label_check(node->key, &complaint))
        config_read_report(reader, (struct config_finding){.place = node->key_place},
                           "the name of a tier %s", complaint.text);
    if (config_read_section(reader, section, node, tier)) {
        const struct config_node *update = config_yaml_find(node, "update");
        if (update != NULL)
            tier->update.place = update->key_place;
        read_hosts(reader, tier, config_yaml_find(node, "hosts"),
                   config_yaml_find(node, "standby"));
    }
    reader->label_depth = 0;
    config_read_leave(reader);
    reader->tier = NULL;
}

static void read_tiers(struct config_reader *reader, const struct config_setting *row,
                       const struct config_node *node)
{
    struct config *config = reader->config;
    if (!expect(reader, row->name, node, CONFIG_NODE_MAPPING, "a mapping of names to tiers"))
        return;
    if (!expect_entries(reader, row->name, node, CONFIG_TIERS_MAX))
        return;
    config->tiers = array(reader, row->name, node, sizeof *config->tiers);
    if (config->tiers == NULL)
        return;
    config_read_enter(reader, row->name);
    CONFIG_YAML_EACH (item, node)
        read_tier(reader, row->section, item, &config->tiers[config->tier_count++]);
    config_read_leave(reader);
}

void config_read(struct config *config, const struct config_node *root, struct arena *scratch,
                 struct config_problems *problems)
{
    struct config_reader reader = {.config = config,
                                   .problems = problems,
                                   .arena = &config->arena,
                                   .scratch = scratch,
                                   .root = root};
    if (root->kind != CONFIG_NODE_MAPPING) {
        config_read_report(&reader, error_at(root, NULL),
                           "a config is a mapping of settings ('listen', 'tiers', ...), not %s",
                           kind_name(root));
        return;
    }
    if (!config_section_defaults(&config_schema, reader.arena, config)) {
        config_read_report(&reader, error_at(root, NULL), "the config does not fit into memory");
        return;
    }
    (void)config_read_section(&reader, &config_schema, root, config);
    ASSERT(reader.section_depth == 0 && reader.name_depth == 0);
}
