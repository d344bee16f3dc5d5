#include "control/rows.h"

#include "base/check.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum field_type { FIELD_BOOL, FIELD_U32, FIELD_U64, FIELD_TEXT, FIELD_COUNTS, FIELD_OPEN };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    size_t size; /* Of a text, with its NUL. */
};

struct table {
    const struct field *fields;
    size_t count;
    size_t size; /* Of the struct. */
};

#define FIELD(struct_name, member, kind)                                                           \
    {                                                                                              \
        .name = #member, .type = (kind), .offset = offsetof(struct struct_name, member),           \
        .size = sizeof(((struct struct_name *)0)->member)                                          \
    }
#define TABLE(struct_name, fields_array)                                                           \
    {                                                                                              \
        .fields = (fields_array), .count = COUNT_OF(fields_array),                                 \
        .size = sizeof(struct struct_name)                                                         \
    }

_Static_assert(sizeof(enum rollout_phase) == sizeof(uint32_t), "enums are stored as FIELD_U32");

/* A field that the tables below do not name would be lost at a restart. */
#define ALL_NAMED "the struct was changed: give each new field its line in the table"
_Static_assert(sizeof(struct rollout_host) == 712, ALL_NAMED);
_Static_assert(sizeof(struct rollout_row) == 240, ALL_NAMED);
_Static_assert(sizeof(struct rollout_open) == 40, ALL_NAMED);
_Static_assert(sizeof(struct rollout_counts) == 16, ALL_NAMED);

#define OPEN(member, kind) FIELD(rollout_open, member, kind)
static const struct field open_fields[] = {
    OPEN(id, FIELD_U64),         OPEN(kind, FIELD_U32),        OPEN(sent, FIELD_U32),
    OPEN(ordered_ms, FIELD_U64), OPEN(deadline_ms, FIELD_U64), OPEN(resend_ms, FIELD_U64),
};

#define COUNTS(member, kind) FIELD(rollout_counts, member, kind)
static const struct field counts_fields[] = {COUNTS(requests, FIELD_U64),
                                             COUNTS(failures, FIELD_U64)};

#define HOST(member, kind) FIELD(rollout_host, member, kind)
static const struct field host_fields[] = {
    HOST(phase, FIELD_U32),
    HOST(goal, FIELD_U32),
    HOST(batch, FIELD_U32),
    HOST(was_ill, FIELD_BOOL),
    HOST(weight_zero, FIELD_BOOL),
    HOST(long_lived, FIELD_BOOL),
    HOST(drain_late, FIELD_BOOL),
    HOST(install_begun, FIELD_BOOL),
    HOST(rebooted, FIELD_BOOL),
    HOST(reboot_due, FIELD_BOOL),
    HOST(ill_said, FIELD_BOOL),
    HOST(drain_wanted, FIELD_BOOL),
    HOST(install_due, FIELD_BOOL),
    HOST(put_back, FIELD_BOOL),
    HOST(acked_ms, FIELD_U64),
    HOST(rebooted_ms, FIELD_U64),
    HOST(failures_looked, FIELD_U64),
    HOST(since_ms, FIELD_U64),
    HOST(taken_ms, FIELD_U64),
    HOST(ended_ms, FIELD_U64),
    HOST(drained_ms, FIELD_U64),
    HOST(deadline_ms, FIELD_U64),
    HOST(healthy_since_ms, FIELD_U64),
    HOST(open, FIELD_OPEN),
    HOST(install_id, FIELD_U64),
    HOST(window, FIELD_COUNTS),
    HOST(compare, FIELD_COUNTS),
    HOST(peers, FIELD_COUNTS),
    HOST(before, FIELD_COUNTS),
    HOST(looks, FIELD_U32),
    HOST(version_before, FIELD_TEXT),
    HOST(version_wanted, FIELD_TEXT),
    HOST(version_after, FIELD_TEXT),
    HOST(boot_id_before, FIELD_TEXT),
    HOST(boot_id_after, FIELD_TEXT),
    HOST(kernel, FIELD_TEXT),
    HOST(reason, FIELD_TEXT),
};

#define ROW(member, kind) FIELD(rollout_row, member, kind)
static const struct field row_fields[] = {
    ROW(phase, FIELD_U32),
    ROW(stop, FIELD_U32),
    ROW(pause, FIELD_U32),
    ROW(batch, FIELD_U32),
    ROW(proven, FIELD_BOOL),
    ROW(blocked_said, FIELD_U32),
    ROW(blocked_ms, FIELD_U64),
    ROW(started_ms, FIELD_U64),
    ROW(ended_ms, FIELD_U64),
    ROW(now_ms, FIELD_U64),
    ROW(next_action_id, FIELD_U64),
    ROW(next_decision, FIELD_U64),
    ROW(capacity_least_ppm, FIELD_U32),
    ROW(reason, FIELD_TEXT),
};

#define HEAD(member, kind) FIELD(rows_head, member, kind)
static const struct field head_fields[] = {
    HEAD(id, FIELD_U64),          HEAD(created_ms, FIELD_U64), HEAD(tier, FIELD_TEXT),
    HEAD(to_version, FIELD_TEXT), HEAD(strategy, FIELD_TEXT),  HEAD(who, FIELD_TEXT),
    HEAD(only, FIELD_TEXT),       HEAD(cordoned, FIELD_TEXT),
};

#define TRAFFIC(member, kind) FIELD(rows_traffic, member, kind)
static const struct field traffic_fields[] = {
    TRAFFIC(requests, FIELD_U64),    TRAFFIC(failed, FIELD_U64),  TRAFFIC(last_requests, FIELD_U64),
    TRAFFIC(last_failed, FIELD_U64), TRAFFIC(process, FIELD_U64),
};

static const struct table host_table = TABLE(rollout_host, host_fields);
static const struct table row_table = TABLE(rollout_row, row_fields);
static const struct table head_table = TABLE(rows_head, head_fields);
static const struct table traffic_table = TABLE(rows_traffic, traffic_fields);
static const struct table open_table = TABLE(rollout_open, open_fields);
static const struct table counts_table = TABLE(rollout_counts, counts_fields);

static const struct table *table_of(enum field_type type)
{
    ASSERT(type == FIELD_OPEN || type == FIELD_COUNTS);
    return type == FIELD_OPEN ? &open_table : &counts_table;
}

/* Numbers that a signed 64-bit reader cannot hold are written as text. */
static void put_u64(struct writer *json, const char *name, uint64_t value)
{
    char digits[24];
    if (value <= INT64_MAX) {
        writer_u64(json, name, value);
        return;
    }
    (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    writer_string(json, name, digits);
}

/* Zero is left out: most fields of most rows are. */
static void put_fields(struct writer *json, const struct table *table, const void *from)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        const char *at = (const char *)from + field->offset;
        uint64_t number = 0;
        switch (field->type) {
        case FIELD_BOOL:
            if (*(const bool *)at)
                writer_bool(json, field->name, true);
            break;
        case FIELD_U32:
        case FIELD_U64:
            number = field->type == FIELD_U32 ? *(const uint32_t *)(const void *)at
                                              : *(const uint64_t *)(const void *)at;
            if (number != 0)
                put_u64(json, field->name, number);
            break;
        case FIELD_TEXT:
            if (at[0] != '\0')
                writer_string(json, field->name, at);
            break;
        case FIELD_COUNTS:
        case FIELD_OPEN:
            writer_object(json, field->name);
            put_fields(json, table_of(field->type), at);
            writer_end(json);
            break;
        default: UNREACHABLE();
        }
    }
}

static void put(struct text *text, const struct table *table, const void *from)
{
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    writer_u64(&json, "v", ROWS_VERSION);
    put_fields(&json, table, from);
    writer_end(&json);
}

static bool wrong(struct error *error, const struct field *field)
{
    return error_set(error, ERROR_FAILED, "field '%s' of a stored row is of the wrong type",
                     field->name);
}

static bool get_number(const json_t *value, uint64_t *number)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *number = (uint64_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) && slice_to_u64(slice_of(json_string_value(value)), number);
}

static bool get_fields(const json_t *object, const struct table *table, void *into,
                       struct error *error)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        const json_t *value = json_object_get(object, field->name);
        char *at = (char *)into + field->offset;
        uint64_t number = 0;
        if (value == NULL)
            continue;
        switch (field->type) {
        case FIELD_BOOL: *(bool *)at = json_is_true(value); break;
        case FIELD_U32:
            if (!get_number(value, &number) || number > UINT32_MAX)
                return wrong(error, field);
            *(uint32_t *)(void *)at = (uint32_t)number;
            break;
        case FIELD_U64:
            if (!get_number(value, &number))
                return wrong(error, field);
            *(uint64_t *)(void *)at = number;
            break;
        case FIELD_TEXT:
            if (!json_is_string(value) || json_string_length(value) >= field->size)
                return wrong(error, field);
            memcpy(at, json_string_value(value), json_string_length(value) + 1);
            break;
        case FIELD_COUNTS:
        case FIELD_OPEN:
            if (!json_is_object(value) || !get_fields(value, table_of(field->type), at, error))
                return wrong(error, field);
            break;
        default: UNREACHABLE();
        }
    }
    return true;
}

static bool get(struct slice from, const struct table *table, void *into, struct error *error)
{
    json_error_t problem;
    memset(into, 0, table->size);
    json_t *root = json_loadb(from.data, from.size, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL)
        return error_set(error, ERROR_FAILED, "a stored row is not JSON: %s", problem.text);
    const json_int_t version = json_integer_value(json_object_get(root, "v"));
    bool done = false;
    if (version != ROWS_VERSION)
        error_set(error, ERROR_CONFLICT, "a stored row has version %lld, this program knows %d",
                  (long long)version, ROWS_VERSION);
    else
        done = get_fields(root, table, into, error);
    json_decref(root);
    return done;
}

void rows_put_head(struct text *text, const struct rows_head *head)
{
    put(text, &head_table, head);
}

void rows_put_row(struct text *text, const struct rollout_row *row)
{
    put(text, &row_table, row);
}

void rows_put_host(struct text *text, const struct rollout_host *host)
{
    put(text, &host_table, host);
}

void rows_put_traffic(struct text *text, const struct rows_traffic *traffic)
{
    put(text, &traffic_table, traffic);
}

void rows_put_decision(struct text *text, const struct rollout_decision *decision, const char *host,
                       const char *sentence)
{
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    writer_u64(&json, "v", ROWS_VERSION);
    writer_u64(&json, "n", decision->number);
    writer_u64(&json, "time_ms", decision->time_ms);
    writer_u64(&json, "code", decision->code);
    writer_string(&json, "host", host);
    writer_string(&json, "sentence", sentence);
    writer_end(&json);
}

void rows_put_event(struct text *text, const struct rollout_event *event)
{
    struct writer json;
    writer_init(&json, text);
    writer_object(&json, NULL);
    writer_u64(&json, "v", ROWS_VERSION);
    writer_u64(&json, "kind", event->kind);
    writer_u64(&json, "time_ms", event->time_ms);
    if (event->kind == ROLLOUT_ACTION_DONE) {
        writer_u64(&json, "host", event->host);
        writer_u64(&json, "action", event->action_id);
        writer_u64(&json, "code", event->result.code);
        writer_string(&json, "version", event->result.facts.version);
        writer_string(&json, "boot_id", event->result.facts.boot_id);
        writer_string(&json, "text", event->result.text);
    } else if (event->text != NULL) {
        writer_string(&json, "text", event->text);
    }
    writer_end(&json);
}

bool rows_get_head(struct slice from, struct rows_head *head, struct error *error)
{
    return get(from, &head_table, head, error);
}

bool rows_get_row(struct slice from, struct rollout_row *row, struct error *error)
{
    return get(from, &row_table, row, error);
}

bool rows_get_host(struct slice from, struct rollout_host *host, struct error *error)
{
    return get(from, &host_table, host, error);
}

bool rows_get_traffic(struct slice from, struct rows_traffic *traffic, struct error *error)
{
    return get(from, &traffic_table, traffic, error);
}
