#include "config/config_yaml.h"

#include "base/check.h"

#include <yaml.h>

/* A mapping or sequence that is still open. */
struct level {
    struct config_node *node;
    struct config_node *last;
    struct slice key; /* Data is NULL while a key is awaited. */
    struct config_place key_place;
};

struct builder {
    struct arena *arena;
    struct config_problems *problems;
    struct slice input;
    struct config_node *root;
    size_t nodes;
    uint32_t depth;
    uint32_t documents;
    struct level levels[CONFIG_YAML_DEPTH_MAX];
};

enum verdict { GO_ON, STOP };

static struct config_place place_of(yaml_mark_t mark)
{
    return (struct config_place){.line = (uint32_t)mark.line + 1,
                                 .column = (uint32_t)mark.column + 1};
}

#define COMPLAIN(builder, at, ...)                                                                 \
    config_problem_add((builder)->problems,                                                        \
                       (struct config_about){.severity = CONFIG_ERROR, .place = (at)},             \
                       __VA_ARGS__)

static enum verdict out_of_memory(struct builder *b, struct config_place place)
{
    COMPLAIN(b, place, "the config does not fit into memory");
    return STOP;
}

/* FNV-1a, to compare keys of one mapping quickly. */
static uint32_t hash(struct slice text)
{
    uint32_t value = 2166136261U;
    for (size_t i = 0; i < text.size; i++)
        value = (value ^ (unsigned char)text.data[i]) * 16777619U;
    return value;
}

static struct config_node *find(const struct config_node *mapping, struct slice key)
{
    const uint32_t wanted = hash(key);
    CONFIG_YAML_EACH (child, mapping) {
        if (child->key_hash == wanted && slice_equal(child->key, key))
            return child;
    }
    return NULL;
}

struct config_node *config_yaml_find(const struct config_node *node, const char *key)
{
    if (node == NULL || node->kind != CONFIG_NODE_MAPPING)
        return NULL;
    return find(node, slice_of(key));
}

bool config_yaml_is_null(const struct config_node *node)
{
    return node->kind == CONFIG_NODE_SCALAR && !node->quoted &&
           (node->text.size == 0 || slice_is(node->text, "~") || slice_is(node->text, "null"));
}

/* True when the innermost open mapping waits for a key. */
static bool key_awaited(const struct builder *b)
{
    if (b->depth == 0)
        return false;
    const struct level *level = &b->levels[b->depth - 1];
    return level->node->kind == CONFIG_NODE_MAPPING && level->key.data == NULL;
}

/* Hangs a node into the tree; one under a repeated key is left out. */
static void attach(struct builder *b, struct config_node *node)
{
    if (b->depth == 0) {
        ASSERT(b->root == NULL);
        b->root = node;
        return;
    }
    struct level *level = &b->levels[b->depth - 1];
    if (level->node->kind == CONFIG_NODE_MAPPING) {
        ASSERT(level->key.data != NULL);
        const struct config_node *twin = find(level->node, level->key);
        node->key = level->key;
        node->key_place = level->key_place;
        node->key_hash = hash(level->key);
        level->key = (struct slice){0};
        if (twin != NULL) {
            COMPLAIN(b, node->key_place, "setting '%s' is given twice; the first is at %u:%u",
                     config_quote(node->key).text, twin->key_place.line, twin->key_place.column);
            return;
        }
    }
    if (level->last == NULL)
        level->node->first = node;
    else
        level->last->next = node;
    level->last = node;
    level->node->count++;
}

static struct config_node *node_new(struct builder *b, enum config_node_kind kind,
                                    const yaml_event_t *event)
{
    const struct config_place place = place_of(event->start_mark);
    if (b->nodes == CONFIG_YAML_NODES_MAX) {
        COMPLAIN(b, place, "the file holds more than %d values", CONFIG_YAML_NODES_MAX);
        return NULL;
    }
    struct config_node *node = arena_allocate(b->arena, sizeof *node);
    if (node == NULL) {
        (void)out_of_memory(b, place);
        return NULL;
    }
    b->nodes++;
    node->kind = kind;
    node->place = place;
    return node;
}

/* A value that is refused takes its place in the tree, so that nothing seems to be missing. */
static void break_node(struct builder *b, struct config_node *node)
{
    node->kind = CONFIG_NODE_BROKEN;
    node->flawed = true;
    for (uint32_t i = 0; i < b->depth; i++)
        b->levels[i].node->flawed = true;
}

static void refuse_decoration(struct builder *b, const yaml_event_t *event,
                              const yaml_char_t *anchor, const yaml_char_t *tag)
{
    const struct config_place place = place_of(event->start_mark);
    if (anchor != NULL)
        COMPLAIN(b, place, "anchors (&%s) are not supported; write the value out where it is used",
                 config_quote(slice_of((const char *)anchor)).text);
    if (tag != NULL)
        COMPLAIN(b, place, "tags (%s) are not supported; remove it",
                 config_quote(slice_of((const char *)tag)).text);
}

static enum verdict on_key(struct builder *b, const yaml_event_t *event)
{
    const struct config_place place = place_of(event->start_mark);
    const struct slice text = {.data = (const char *)event->data.scalar.value,
                               .size = event->data.scalar.length};
    struct level *level = &b->levels[b->depth - 1];
    if (level->node->count >= CONFIG_YAML_KEYS_MAX) {
        COMPLAIN(b, place, "more than %d settings in one mapping", CONFIG_YAML_KEYS_MAX);
        return STOP;
    }
    if (slice_is(text, "<<"))
        COMPLAIN(b, place, "merge keys (<<) are not supported; write the settings out");
    level->key.data = arena_text(b->arena, text);
    level->key.size = text.size;
    level->key_place = place;
    return level->key.data == NULL ? out_of_memory(b, place) : GO_ON;
}

static enum verdict on_scalar(struct builder *b, const yaml_event_t *event)
{
    refuse_decoration(b, event, event->data.scalar.anchor, event->data.scalar.tag);
    if (key_awaited(b))
        return on_key(b, event);
    struct config_node *node = node_new(b, CONFIG_NODE_SCALAR, event);
    if (node == NULL)
        return STOP;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text.size = event->data.scalar.length;
    node->text.data =
        arena_text(b->arena, (struct slice){.data = (const char *)event->data.scalar.value,
                                            .size = event->data.scalar.length});
    if (node->text.data == NULL)
        return out_of_memory(b, node->place);
    /* What follows a refused merge key has been reported with it. */
    if (b->depth > 0 && slice_is(b->levels[b->depth - 1].key, "<<"))
        break_node(b, node);
    attach(b, node);
    return GO_ON;
}

static enum verdict on_alias(struct builder *b, const yaml_event_t *event)
{
    const struct config_place place = place_of(event->start_mark);
    COMPLAIN(b, place, "aliases (*%s) are not supported; write the value out",
             config_quote(slice_of((const char *)event->data.alias.anchor)).text);
    if (key_awaited(b))
        return STOP;
    struct config_node *node = node_new(b, CONFIG_NODE_SCALAR, event);
    if (node == NULL)
        return STOP;
    break_node(b, node);
    attach(b, node);
    return GO_ON;
}

static enum verdict on_start(struct builder *b, const yaml_event_t *event,
                             enum config_node_kind kind)
{
    const struct config_place place = place_of(event->start_mark);
    if (kind == CONFIG_NODE_MAPPING)
        refuse_decoration(b, event, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    else
        refuse_decoration(b, event, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    if (key_awaited(b)) {
        COMPLAIN(b, place,
                 "the name of a setting must be text; put a value that starts with '{' or '[' "
                 "in quotes");
        return STOP;
    }
    if (b->depth == CONFIG_YAML_DEPTH_MAX) {
        COMPLAIN(b, place, "nested deeper than %d levels", CONFIG_YAML_DEPTH_MAX);
        return STOP;
    }
    struct config_node *node = node_new(b, kind, event);
    if (node == NULL)
        return STOP;
    attach(b, node);
    b->levels[b->depth++] = (struct level){.node = node};
    return GO_ON;
}

static enum verdict on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++ == 0)
            return GO_ON;
        COMPLAIN(b, place_of(event->start_mark),
                 "a second document starts here; a config is one document");
        return STOP;
    case YAML_ALIAS_EVENT: return on_alias(b, event);
    case YAML_SCALAR_EVENT: return on_scalar(b, event);
    case YAML_MAPPING_START_EVENT: return on_start(b, event, CONFIG_NODE_MAPPING);
    case YAML_SEQUENCE_START_EVENT: return on_start(b, event, CONFIG_NODE_SEQUENCE);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        ASSERT(b->depth > 0);
        b->depth--;
        return GO_ON;
    case YAML_STREAM_END_EVENT: return STOP;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: return GO_ON;
    }
    UNREACHABLE();
}

/* Line and column (in characters) of a byte, for errors that libyaml gives only an offset for. */
static struct config_place place_at(struct slice input, size_t offset)
{
    struct config_place place = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < input.size; i++) {
        const unsigned char c = (unsigned char)input.data[i];
        if (c == '\n') {
            place.line++;
            place.column = 1;
        } else if ((c & 0xc0U) != 0x80U) {
            place.column++;
        }
    }
    return place;
}

/* The byte at a place; '\0' past the end. */
static char byte_at(struct slice input, struct config_place place)
{
    struct config_place here = {.line = 1, .column = 1};
    for (size_t i = 0; i < input.size; i++) {
        const unsigned char c = (unsigned char)input.data[i];
        if ((c & 0xc0U) == 0x80U)
            continue; /* Not the first byte of a character. */
        if (here.line == place.line && here.column == place.column)
            return (char)c;
        here.column++;
        if (c == '\n')
            here = (struct config_place){.line = here.line + 1, .column = 1};
    }
    return '\0';
}

/* What libyaml says, in words that help whoever made the mistake. */
static const char *translate(const char *problem)
{
    static const struct {
        const char *said;
        const char *meant;
    } table[] = {
        {"mapping values are not allowed in this context",
         "a ':' is not expected here; check the indentation, or put the value in quotes"},
        {"did not find expected key",
         "a setting is expected here; check the indentation and the commas"},
        {"did not find expected '-' indicator",
         "a '- ' is expected here; check the indentation of the list"},
        {"did not find expected ',' or '}'", "a ',' or '}' is expected here"},
        {"did not find expected ',' or ']'", "a ',' or ']' is expected here"},
        {"could not find expected ':'", "a ':' is expected after the name of a setting"},
        {"block sequence entries are not allowed in this context",
         "a list entry '- ' is not allowed here; check the indentation"},
        {"did not find expected node content", "a value is expected here"},
        {"did not find expected <document start>",
         "this does not belong to what is above; check the indentation"},
    };
    if (problem == NULL)
        return "this is not valid YAML";
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(problem, table[i].said) == 0)
            return table[i].meant;
    }
    return problem;
}

static void on_syntax_error(struct builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem;
    const struct config_place place = place_of(parser->problem_mark);
    if (problem != NULL &&
        (strcmp(problem, "found character that cannot start any token") == 0 ||
         strcmp(problem, "found a tab character that violates indentation") == 0)) {
        const char c = byte_at(b->input, place);
        if (c == '\t')
            COMPLAIN(b, place, "a tab cannot indent YAML; use spaces");
        else
            COMPLAIN(b, place, "a value cannot start with '%s'; put it in quotes",
                     config_quote((struct slice){.data = &c, .size = 1}).text);
        return;
    }
    /* Where the list or mapping that is never closed began. */
    const struct config_place began = place_of(parser->context_mark);
    const bool flow = parser->context != NULL && began.line != place.line &&
                      strncmp(parser->context, "while parsing a flow", 20) == 0;
    if (flow)
        COMPLAIN(b, place, "%s, in what began at %u:%u", translate(problem), began.line,
                 began.column);
    else
        COMPLAIN(b, place, "%s", translate(problem));
}

static void on_parser_error(struct builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem;
    if (parser->error == YAML_MEMORY_ERROR) {
        (void)out_of_memory(b, (struct config_place){0});
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        COMPLAIN(b, place_at(b->input, parser->problem_offset),
                 "the file is not UTF-8 text (%s at byte %zu)",
                 problem == NULL ? "bad byte" : problem, parser->problem_offset);
        return;
    }
    if (parser->context != NULL && strcmp(parser->context, "while scanning a quoted scalar") == 0 &&
        problem != NULL && strncmp(problem, "found unexpected", 16) == 0) {
        COMPLAIN(b, place_of(parser->context_mark), "this quote is never closed");
        return;
    }
    on_syntax_error(b, parser);
}

struct config_node *config_yaml_parse(struct arena *arena, struct slice text,
                                      struct config_problems *problems)
{
    struct builder b = {.arena = arena, .problems = problems, .input = text};
    const size_t errors = problems->errors;
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        (void)out_of_memory(&b, (struct config_place){0});
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.size);

    enum verdict verdict = GO_ON;
    bool whole = false;
    while (verdict == GO_ON) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            on_parser_error(&b, &parser);
            break;
        }
        verdict = on_event(&b, &event);
        whole = event.type == YAML_STREAM_END_EVENT || b.documents > 1;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    ASSERT(whole || problems->errors > errors);
    if (!whole)
        return NULL;
    if (b.root == NULL)
        COMPLAIN(&b, (struct config_place){0},
                 "the file is empty; a config needs 'listen' and 'tiers'");
    return b.root;
}
