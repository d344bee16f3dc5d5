#include "proto/h1_field.h"

#include "base/check.h"
#include "proto/h1_id.h"
#include "proto/h1_scan.h"

/* Of this hop alone (RFC 9110 7.6.1). HTTP2-Settings belongs to Upgrade: h2c (RFC 7540 3.2.1). */
#define HOP_BY_HOP                                                                                 \
    (H1_SEEN(H1_ID_CONNECTION) | H1_SEEN(H1_ID_KEEP_ALIVE) | H1_SEEN(H1_ID_PROXY_CONNECTION) |     \
     H1_SEEN(H1_ID_TE) | H1_SEEN(H1_ID_UPGRADE) | H1_SEEN(H1_ID_HTTP2_SETTINGS))

/*
 * What Connection must not make a hop drop. RFC 9110 7.6.1 forbids nominating fields meant for all
 * recipients; of those, the ones here change what the next hop believes about framing, routing,
 * content or the user, so that dropping them is an attack ("hop-by-hop header abuse").
 */
#define KEPT_BY_ALL                                                                                \
    (H1_SEEN(H1_ID_HOST) | H1_SEEN(H1_ID_CONTENT_LENGTH) | H1_SEEN(H1_ID_TRANSFER_ENCODING) |      \
     H1_SEEN(H1_ID_CONTENT_TYPE) | H1_SEEN(H1_ID_CONTENT_ENCODING) |                               \
     H1_SEEN(H1_ID_CONTENT_RANGE) | H1_SEEN(H1_ID_AUTHORIZATION) | H1_SEEN(H1_ID_COOKIE) |         \
     H1_SEEN(H1_ID_SET_COOKIE) | H1_SEEN(H1_ID_CACHE_CONTROL) | H1_SEEN(H1_ID_DATE) |              \
     H1_SEEN(H1_ID_EXPECT) | H1_SEEN(H1_ID_RANGE) | H1_SEEN(H1_ID_VIA) |                           \
     H1_SEEN(H1_ID_MAX_FORWARDS) | H1_SEEN(H1_ID_FORWARDED) | H1_SEEN(H1_ID_X_FORWARDED_FOR) |     \
     H1_SEEN(H1_ID_X_FORWARDED_HOST) | H1_SEEN(H1_ID_X_FORWARDED_PROTO))

/* Names that are refused when written with '_', as CGI and its heirs cannot tell the two apart. */
#define IMITATED                                                                                   \
    (H1_SEEN(H1_ID_CONTENT_LENGTH) | H1_SEEN(H1_ID_TRANSFER_ENCODING) |                            \
     H1_SEEN(H1_ID_X_FORWARDED_FOR) | H1_SEEN(H1_ID_X_FORWARDED_HOST) |                            \
     H1_SEEN(H1_ID_X_FORWARDED_PROTO))

enum {
    NOMINATED_MAX = 32, /* Options in all Connection fields: each costs a look at every header. */
    LENGTH_DIGITS_MAX = 19, /* 2^63-1 has so many. */
    IMITATED_SIZE_MIN = 14, /* Of the names in IMITATED. */
    IMITATED_SIZE_MAX = 17,
};

size_t h1_window(size_t size, const struct h1_limits *limits)
{
    ASSERT(limits->head_bytes_max > 0 && limits->head_bytes_max <= H1_HEAD_BYTES_MAX);
    ASSERT(limits->headers_max <= H1_HEADERS_MAX);
    return size < limits->head_bytes_max ? size : limits->head_bytes_max;
}

bool h1_nothing_new(const char *data, size_t window, const uint32_t *scanned)
{
    ASSERT(*scanned <= window);
    return *scanned > 0 && memchr(data + *scanned, '\n', window - *scanned) == NULL;
}

void h1_head_init(struct h1_head *head)
{
    head->seen = 0;
    head->content_length = 0;
    head->count = 0;
    head->fault = H1_FAULT_NONE;
    head->framing = H1_BODY_NONE;
    head->keep_alive = false;
    head->dropping = false;
}

enum h1_result h1_bad(struct h1_head *head, enum h1_fault fault)
{
    ASSERT(fault != H1_FAULT_NONE);
    head->fault = (uint8_t)fault;
    return H1_BAD;
}

/* Content_Length: a name with '_' for '-'. */
static bool is_imitation(const char *name, size_t size)
{
    char plain[IMITATED_SIZE_MAX];
    if (size < IMITATED_SIZE_MIN || size > IMITATED_SIZE_MAX || memchr(name, '_', size) == NULL) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        plain[i] = name[i] == '_' ? '-' : name[i];
    }
    return (H1_SEEN(h1_id_find(plain, size, plain + size)) & IMITATED) != 0;
}

/* Why the byte at `stop` cannot end a name that began at `line`. */
static enum h1_fault name_fault(const char *line, const char *stop)
{
    if (*stop == ' ' || *stop == '\t') {
        return stop == line ? H1_FAULT_FOLDED : H1_FAULT_NAME_BLANK;
    }
    return *stop == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_NAME;
}

/* Notes a field line whose bytes are known to be sound. */
static void note(struct h1_head *head, struct h1_header header, uint64_t *twice)
{
    const uint64_t bit = header.id == H1_ID_OTHER ? 0 : H1_SEEN(header.id);
    if (bit & head->seen) {
        *twice |= bit;
    } else {
        head->first[header.id] = (uint8_t)head->count;
    }
    head->seen |= bit;
    if (bit & HOP_BY_HOP) {
        header.flags = H1_DROP;
        head->dropping = true;
    }
    head->headers[head->count++] = header;
}

/* Reads the line at `line` (which is not the empty one); NULL in *next means that it is not whole.
 */
static enum h1_fault line_read(struct h1_head *head, const char *data, const char *line,
                               const char *end, uint64_t *twice, const char **next)
{
    *next = NULL;
    const char *colon = h1_skip_token(line, end);
    const size_t name_size = (size_t)(colon - line);
    if (name_size > H1_NAME_BYTES_MAX) {
        return H1_FAULT_NAME_LONG;
    }
    if (colon == end) {
        return H1_FAULT_NONE;
    }
    if (*colon != ':') {
        return name_fault(line, colon);
    }
    if (name_size == 0) {
        return H1_FAULT_NAME;
    }
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    const char *stop = h1_skip_text(value, end);
    if (stop == end) {
        return H1_FAULT_NONE;
    }
    if (*stop != '\r') {
        return *stop == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_VALUE;
    }
    if (stop + 1 == end) {
        return H1_FAULT_NONE;
    }
    if (stop[1] != '\n') {
        return H1_FAULT_BARE_CR;
    }
    *next = stop + 2;
    while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t')) {
        stop--;
    }
    const enum h1_id id = h1_id_find(line, name_size, end);
    if (id == H1_ID_OTHER && is_imitation(line, name_size)) {
        return H1_FAULT_NAME_LOOKALIKE;
    }
    note(head,
         (struct h1_header){.name_at = (uint16_t)(line - data),
                            .value_at = (uint16_t)(value - data),
                            .value_size = (uint16_t)(stop - value),
                            .name_size = (uint8_t)name_size,
                            .id = (uint8_t)id},
         twice);
    return H1_FAULT_NONE;
}

enum h1_result h1_fields_read(struct h1_head *head, const char *data, const char *end,
                              const struct h1_limits *limits, uint64_t *twice)
{
    const char *line = data + head->fields_at;
    ASSERT(line <= end);
    *twice = 0;
    while (line < end) {
        if (*line == '\r') {
            if (line + 1 == end) {
                return H1_MORE;
            }
            if (line[1] != '\n') {
                return h1_bad(head, H1_FAULT_BARE_CR);
            }
            head->fields_end = (uint16_t)(line - data);
            head->size = (uint16_t)(line + 2 - data);
            return H1_DONE;
        }
        if (head->count == limits->headers_max) {
            return h1_bad(head, H1_FAULT_HEADERS_MANY);
        }
        const char *next;
        const enum h1_fault fault = line_read(head, data, line, end, twice, &next);
        if (fault != H1_FAULT_NONE) {
            return h1_bad(head, fault);
        }
        if (next == NULL) {
            return H1_MORE;
        }
        line = next;
    }
    return H1_MORE;
}

bool h1_is_token(struct slice text)
{
    const char *end = text.data + text.size;
    return text.size > 0 && h1_skip(text.data, end, H1_CLASS_TOKEN) == end;
}

bool h1_list_next(struct slice *rest, struct slice *item)
{
    while (rest->size > 0) {
        const char *comma = memchr(rest->data, ',', rest->size);
        const size_t size = comma == NULL ? rest->size : (size_t)(comma - rest->data);
        *item = slice_trim((struct slice){rest->data, size});
        const size_t taken = comma == NULL ? size : size + 1;
        rest->data += taken;
        rest->size -= taken;
        if (item->size > 0) {
            return true;
        }
    }
    return false;
}

bool h1_list_has(struct slice list, const char *wanted)
{
    struct slice item;
    while (h1_list_next(&list, &item)) {
        if (slice_equal_nocase(item, slice_of(wanted))) {
            return true;
        }
    }
    return false;
}

void h1_fields_drop(struct h1_head *head, enum h1_id id)
{
    if (!h1_seen(head, id)) {
        return;
    }
    for (size_t i = head->first[id]; i < head->count; i++) {
        if (head->headers[i].id == id) {
            head->headers[i].flags = H1_DROP;
        }
    }
    head->dropping = true;
}

/* Drops the fields with the name that Connection gave. */
static void nominate(struct h1_head *head, const char *data, struct slice name)
{
    for (size_t i = 0; i < head->count; i++) {
        struct h1_header *header = &head->headers[i];
        if (slice_equal_nocase(h1_name(data, header), name)) {
            header->flags = H1_DROP;
            head->dropping = true;
        }
    }
}

static enum h1_fault option_read(struct h1_head *head, const char *data, struct slice option,
                                 struct h1_options *options)
{
    if (!h1_is_token(option)) {
        return H1_FAULT_CONNECTION;
    }
    if (slice_equal_nocase(option, SLICE("close"))) {
        options->close = true;
    } else if (slice_equal_nocase(option, SLICE("keep-alive"))) {
        options->keep_alive = true;
    } else if (slice_equal_nocase(option, SLICE("upgrade"))) {
        options->upgrade = true;
    } else {
        if (H1_SEEN(h1_id_of(option)) & KEPT_BY_ALL) {
            return H1_FAULT_NOMINATED;
        }
        nominate(head, data, option);
    }
    return H1_FAULT_NONE;
}

enum h1_fault h1_fields_connection(struct h1_head *head, const char *data,
                                   struct h1_options *options)
{
    *options = (struct h1_options){0};
    if (!h1_seen(head, H1_ID_CONNECTION)) {
        return H1_FAULT_NONE;
    }
    unsigned count = 0;
    for (size_t i = head->first[H1_ID_CONNECTION]; i < head->count; i++) {
        if (head->headers[i].id != H1_ID_CONNECTION) {
            continue;
        }
        struct slice rest = h1_value(data, &head->headers[i]);
        struct slice option;
        while (h1_list_next(&rest, &option)) {
            if (++count > NOMINATED_MAX) {
                return H1_FAULT_CONNECTION;
            }
            const enum h1_fault fault = option_read(head, data, option, options);
            if (fault != H1_FAULT_NONE) {
                return fault;
            }
        }
    }
    return H1_FAULT_NONE;
}

/* RFC 9112 6.1, 6.3: what Transfer-Encoding must be is one `chunked`. */
static enum h1_fault coding_judge(struct slice value)
{
    if (slice_equal_nocase(value, SLICE("chunked"))) {
        return H1_FAULT_NONE;
    }
    struct slice item;
    bool chunked = false;
    bool others = false;
    while (h1_list_next(&value, &item)) {
        if (chunked || !h1_is_token(item)) {
            return H1_FAULT_CODING;
        }
        chunked = slice_equal_nocase(item, SLICE("chunked"));
        others = others || !chunked;
    }
    return chunked && others ? H1_FAULT_CODING_UNKNOWN : H1_FAULT_CODING;
}

static enum h1_fault length_read(struct slice value, uint64_t *length)
{
    if (value.size > LENGTH_DIGITS_MAX || !slice_to_u64(value, length) || *length > INT64_MAX) {
        return H1_FAULT_LENGTH;
    }
    return H1_FAULT_NONE;
}

enum h1_fault h1_fields_framing(struct h1_head *head, const char *data, uint64_t twice)
{
    const struct h1_header *coding = h1_find(head, H1_ID_TRANSFER_ENCODING);
    const struct h1_header *length = h1_find(head, H1_ID_CONTENT_LENGTH);
    if (twice & H1_SEEN(H1_ID_TRANSFER_ENCODING)) {
        return H1_FAULT_CODING_TWICE;
    }
    if (twice & H1_SEEN(H1_ID_CONTENT_LENGTH)) {
        return H1_FAULT_LENGTH_TWICE;
    }
    if (coding != NULL && length != NULL) {
        return H1_FAULT_LENGTH_AND_CODING;
    }
    if (coding != NULL) {
        if (head->minor == 0) {
            return H1_FAULT_CODING_VERSION;
        }
        head->framing = H1_BODY_CHUNKED;
        return coding_judge(h1_value(data, coding));
    }
    if (length != NULL) {
        const enum h1_fault fault = length_read(h1_value(data, length), &head->content_length);
        head->framing = head->content_length > 0 ? H1_BODY_LENGTH : H1_BODY_NONE;
        return fault;
    }
    return H1_FAULT_NONE;
}
