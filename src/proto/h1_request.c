#include "base/check.h"
#include "proto/h1.h"
#include "proto/h1_field.h"
#include "proto/h1_host.h"
#include "proto/h1_scan.h"

enum {
    METHOD_SIZE_MAX = 32,
    VERSION_LINE_SIZE = 10, /* "HTTP/1.1\r\n" */
    MAX_FORWARDS_DIGITS_MAX = 9,
};

/* One request line on its way through the steps below. */
struct line {
    const char *data;
    const char *at;
    const char *end;
    const struct h1_limits *limits;
};

/* H1_FAULT_NONE with `whole` false: the bytes end too early. */
struct step {
    enum h1_fault fault;
    bool whole;
};

static const struct step step_more = {H1_FAULT_NONE, false};
static const struct step step_next = {H1_FAULT_NONE, true};

static struct step step_bad(enum h1_fault fault)
{
    return (struct step){fault, true};
}

static struct h1_span span_of(const char *data, const char *from, const char *to)
{
    return (struct h1_span){.at = (uint16_t)(from - data), .size = (uint16_t)(to - from)};
}

/* RFC 9112 2.2: one empty line before the request line is skipped, for clients that end a body with
 * a CRLF too many. */
static struct step read_empty_line(struct line *line, struct h1_request *request)
{
    if (line->at < line->end && *line->at == '\r') {
        if (line->at + 1 == line->end) {
            return step_more;
        }
        if (line->at[1] != '\n') {
            return step_bad(H1_FAULT_BARE_CR);
        }
        line->at += 2;
        if (line->at < line->end && *line->at == '\r') {
            return step_bad(H1_FAULT_EMPTY_LINES);
        }
    }
    request->head.start = (uint16_t)(line->at - line->data);
    return step_next;
}

/* A known method in the wrong case: "get" is not GET, but some server would take it for one. */
static bool is_miscased(struct slice text)
{
    for (int i = H1_METHOD_OTHER + 1; i < H1_METHOD_COUNT; i++) {
        if (slice_equal_nocase(text, slice_of(h1_method_text((enum h1_method)i)))) {
            return true;
        }
    }
    return false;
}

/* RFC 9112 3.1 */
static struct step read_method(struct line *line, struct h1_request *request)
{
    const char *start = line->at;
    if (line->end - start >= 4 && memcmp(start, "GET ", 4) == 0) {
        request->method = H1_GET;
        request->method_text = span_of(line->data, start, start + 3);
        line->at += 4;
        return step_next;
    }
    const char *stop = h1_skip(start, line->end, H1_CLASS_TOKEN);
    if (stop - start > METHOD_SIZE_MAX) {
        return step_bad(H1_FAULT_METHOD_LONG);
    }
    if (stop == line->end) {
        return step_more;
    }
    if (*stop == '\n') {
        return step_bad(H1_FAULT_BARE_LF);
    }
    if (*stop == '\r') {
        return step_bad(H1_FAULT_REQUEST_LINE);
    }
    if (*stop != ' ' || stop == start) {
        return step_bad(H1_FAULT_METHOD);
    }
    const struct slice text = {start, (size_t)(stop - start)};
    request->method = (uint8_t)h1_method_of(text);
    if (request->method == H1_METHOD_OTHER && is_miscased(text)) {
        return step_bad(H1_FAULT_METHOD);
    }
    request->method_text = span_of(line->data, start, stop);
    line->at = stop + 1;
    return step_next;
}

/*
 * The first byte that ends a path and query: NULL if an escape of the path is malformed. A query
 * may hold a '%' that escapes nothing (browsers send them); in a path, readers disagree about it.
 * An escape cut off by `end` gives end.
 */
static const char *skip_path(const char *at, const char *end)
{
    for (;;) {
        at = h1_skip_target(at, end, H1_CLASS_PATH);
        if (at == end || *at != '%') {
            break;
        }
        for (int digit = 1; digit <= 2; digit++) {
            if (end - at <= digit) {
                return end;
            }
            if (!h1_is(at[digit], H1_CLASS_HEX)) {
                return NULL;
            }
        }
        at += 3;
    }
    return at < end && *at == '?' ? h1_skip_target(at, end, H1_CLASS_QUERY) : at;
}

/* RFC 9112 3.2.2: http and https URIs; what names a user is refused (RFC 9110 4.2.4). */
static enum h1_fault judge_absolute(struct h1_request *request, struct slice target,
                                    const char *data)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        const struct slice scheme = {target.data, schemes[i].size};
        if (target.size < schemes[i].size || !slice_equal_nocase(scheme, schemes[i])) {
            continue;
        }
        const char *host = target.data + schemes[i].size;
        const char *end = target.data + target.size;
        const char *path = host;
        while (path < end && *path != '/' && *path != '?') {
            path++;
        }
        if (!h1_host_valid((struct slice){host, (size_t)(path - host)})) {
            return H1_FAULT_TARGET;
        }
        request->form = H1_FORM_ABSOLUTE;
        request->host = span_of(data, host, path);
        request->path = span_of(data, path, end);
        return H1_FAULT_NONE;
    }
    return H1_FAULT_TARGET;
}

/* RFC 9112 3.2: which of the four forms it is, and whether the method allows it. */
static enum h1_fault judge_target(struct h1_request *request, const char *data)
{
    const struct slice target = h1_slice(data, request->target);
    if (request->method == H1_CONNECT) {
        request->form = H1_FORM_AUTHORITY;
        request->host = request->target;
        request->path = (struct h1_span){.at = request->target.at};
        return h1_authority_valid(target) ? H1_FAULT_NONE : H1_FAULT_TARGET;
    }
    request->host = (struct h1_span){0};
    request->path = request->target;
    if (target.data[0] == '/') {
        request->form = H1_FORM_ORIGIN;
        return H1_FAULT_NONE;
    }
    if (slice_is(target, "*")) {
        request->form = H1_FORM_ASTERISK;
        return request->method == H1_OPTIONS ? H1_FAULT_NONE : H1_FAULT_TARGET;
    }
    return judge_absolute(request, target, data);
}

static struct step read_target(struct line *line, struct h1_request *request)
{
    const char *start = line->at;
    const char *stop = skip_path(start, line->end);
    if (stop == NULL) {
        return step_bad(H1_FAULT_TARGET);
    }
    if ((size_t)(stop - start) > line->limits->target_bytes_max) {
        return step_bad(H1_FAULT_TARGET_LONG);
    }
    if (stop == line->end) {
        return step_more;
    }
    if (*stop == '\n') {
        return step_bad(H1_FAULT_BARE_LF);
    }
    if (*stop == '\r' || (*stop == ' ' && stop == start)) {
        return step_bad(H1_FAULT_REQUEST_LINE);
    }
    if (*stop != ' ') {
        return step_bad(H1_FAULT_TARGET);
    }
    request->target = span_of(line->data, start, stop);
    line->at = stop + 1;
    return step_next;
}

/* RFC 9112 2.3; the target is judged only once the version says that this is HTTP/1. */
static struct step read_version(struct line *line, struct h1_request *request)
{
    static const char form[] = "HTTP/1.1\r\n";
    const char *at = line->at;
    const bool usual =
        line->end - at >= VERSION_LINE_SIZE && memcmp(at, form, VERSION_LINE_SIZE) == 0;
    for (int i = 0; i < VERSION_LINE_SIZE && !usual; i++) {
        if (at + i == line->end) {
            return step_more;
        }
        if (i == 5 || i == 7 ? h1_is(at[i], H1_CLASS_DIGIT) : at[i] == form[i]) {
            continue;
        }
        if (at[i] == '\n') {
            return step_bad(H1_FAULT_BARE_LF);
        }
        return step_bad(at[i] == ' ' || i == 9 ? H1_FAULT_REQUEST_LINE : H1_FAULT_VERSION);
    }
    if (at[5] != '1') {
        return step_bad(H1_FAULT_VERSION_MAJOR);
    }
    request->head.minor = at[7] != '0';
    line->at += VERSION_LINE_SIZE;
    request->head.fields_at = (uint16_t)(line->at - line->data);
    return step_next;
}

static struct step read_line(struct line *line, struct h1_request *request)
{
    static struct step (*const steps[])(struct line *, struct h1_request *) = {
        read_empty_line,
        read_method,
        read_target,
        read_version,
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        const struct step step = steps[i](line, request);
        if (!step.whole || step.fault != H1_FAULT_NONE) {
            return step;
        }
    }
    const enum h1_fault fault = judge_target(request, line->data);
    return fault == H1_FAULT_NONE ? step_next : step_bad(fault);
}

/* RFC 9112 3.2: exactly one valid Host in HTTP/1.1; what the target says goes before it. */
static enum h1_fault judge_host(struct h1_request *request, const char *data, uint64_t twice)
{
    struct h1_head *head = &request->head;
    const struct h1_header *host = h1_find(head, H1_ID_HOST);
    if (host == NULL) {
        return head->minor > 0 ? H1_FAULT_HOST_MISSING : H1_FAULT_NONE;
    }
    if (twice & H1_SEEN(H1_ID_HOST)) {
        return H1_FAULT_HOST_TWICE;
    }
    if (!h1_host_valid(h1_value(data, host))) {
        return H1_FAULT_HOST;
    }
    if (request->form == H1_FORM_ABSOLUTE || request->form == H1_FORM_AUTHORITY) {
        h1_fields_drop(head, H1_ID_HOST);
    } else {
        request->host = (struct h1_span){.at = host->value_at, .size = host->value_size};
    }
    return H1_FAULT_NONE;
}

/* RFC 9110 10.1.1. A request without a body has nothing to hold back. */
static enum h1_fault judge_expect(struct h1_request *request, const char *data, uint64_t twice)
{
    struct h1_head *head = &request->head;
    const struct h1_header *expect = h1_find(head, H1_ID_EXPECT);
    if (expect == NULL) {
        return H1_FAULT_NONE;
    }
    if (head->minor > 0 && ((twice & H1_SEEN(H1_ID_EXPECT)) ||
                            !slice_equal_nocase(h1_value(data, expect), SLICE("100-continue")))) {
        return H1_FAULT_EXPECT;
    }
    request->expect_100 = head->minor > 0 && head->framing != H1_BODY_NONE;
    if (!request->expect_100) {
        h1_fields_drop(head, H1_ID_EXPECT);
    }
    return H1_FAULT_NONE;
}

/* A list of protocols (RFC 9110 7.8), none of which would change what this connection speaks. */
static bool may_upgrade(struct slice list)
{
    struct slice protocol;
    bool any = false;
    while (h1_list_next(&list, &protocol)) {
        const char *slash = memchr(protocol.data, '/', protocol.size);
        const size_t size = slash == NULL ? protocol.size : (size_t)(slash - protocol.data);
        const struct slice name = {protocol.data, size};
        const struct slice version = {protocol.data + size + 1, protocol.size - size - 1};
        if (!h1_is_token(name) || (slash != NULL && !h1_is_token(version)) ||
            slice_equal_nocase(name, SLICE("h2c")) || slice_equal_nocase(name, SLICE("h2")) ||
            slice_equal_nocase(name, SLICE("http")) || slice_equal_nocase(name, SLICE("tls"))) {
            return false;
        }
        any = true;
    }
    return any;
}

static void judge_upgrade(struct h1_request *request, const char *data, uint64_t twice,
                          const struct h1_options *options)
{
    const struct h1_head *head = &request->head;
    const struct h1_header *upgrade = h1_find(head, H1_ID_UPGRADE);
    if (upgrade == NULL || !options->upgrade || head->minor == 0 || head->framing != H1_BODY_NONE ||
        request->method == H1_CONNECT || (twice & H1_SEEN(H1_ID_UPGRADE)) ||
        !may_upgrade(h1_value(data, upgrade))) {
        return;
    }
    request->upgrade = true;
    request->protocol = (struct h1_span){.at = upgrade->value_at, .size = upgrade->value_size};
}

/* RFC 9110 7.6.2: it counts for TRACE and OPTIONS alone, and is written anew, one lower. */
static enum h1_fault judge_max_forwards(struct h1_request *request, const char *data,
                                        uint64_t twice)
{
    const struct h1_header *header = h1_find(&request->head, H1_ID_MAX_FORWARDS);
    if (header == NULL || (request->method != H1_TRACE && request->method != H1_OPTIONS)) {
        return H1_FAULT_NONE;
    }
    uint64_t value;
    if ((twice & H1_SEEN(H1_ID_MAX_FORWARDS)) || header->value_size > MAX_FORWARDS_DIGITS_MAX ||
        !slice_to_u64(h1_value(data, header), &value)) {
        return H1_FAULT_MAX_FORWARDS;
    }
    request->max_forwards = (int32_t)value;
    h1_fields_drop(&request->head, H1_ID_MAX_FORWARDS);
    return H1_FAULT_NONE;
}

/* Like every TE, this one is dropped, and told anew (RFC 9110 10.1.4). */
static void judge_te(struct h1_request *request, const char *data)
{
    const struct h1_head *head = &request->head;
    const struct h1_header *te = h1_find(head, H1_ID_TE);
    if (te != NULL && head->minor > 0) {
        request->te_trailers = h1_list_has(h1_value(data, te), "trailers");
    }
}

/* What the fields say, now that all are there. */
static enum h1_fault judge_fields(struct h1_request *request, const char *data, uint64_t twice)
{
    struct h1_head *head = &request->head;
    struct h1_options options;
    enum h1_fault fault = h1_fields_framing(head, data, twice);
    if (fault != H1_FAULT_NONE) {
        return fault;
    }
    if (head->framing != H1_BODY_NONE &&
        (request->method == H1_TRACE || request->method == H1_CONNECT)) {
        return H1_FAULT_BODY;
    }
    if ((fault = judge_host(request, data, twice)) != H1_FAULT_NONE ||
        (fault = h1_fields_connection(head, data, &options)) != H1_FAULT_NONE ||
        (fault = judge_expect(request, data, twice)) != H1_FAULT_NONE ||
        (fault = judge_max_forwards(request, data, twice)) != H1_FAULT_NONE) {
        return fault;
    }
    judge_upgrade(request, data, twice, &options);
    judge_te(request, data);
    head->keep_alive = !options.close && (head->minor > 0 || options.keep_alive);
    return H1_FAULT_NONE;
}

static void request_init(struct h1_request *request)
{
    h1_head_init(&request->head);
    request->expect_100 = false;
    request->te_trailers = false;
    request->upgrade = false;
    request->max_forwards = -1;
    request->protocol = (struct h1_span){0};
}

enum h1_result h1_parse_request(const char *data, size_t size, const struct h1_limits *limits,
                                uint32_t *scanned, struct h1_request *request)
{
    const size_t window = h1_window(size, limits);
    const bool full = window == limits->head_bytes_max;
    request_init(request);
    if (!full && h1_nothing_new(data, window, scanned)) {
        *scanned = (uint32_t)window;
        return H1_MORE;
    }
    struct line line = {.data = data, .at = data, .end = data + window, .limits = limits};
    const struct step step = read_line(&line, request);
    if (step.fault != H1_FAULT_NONE) {
        return h1_bad(&request->head, step.fault);
    }
    if (!step.whole) {
        *scanned = (uint32_t)window;
        return full ? h1_bad(&request->head, H1_FAULT_TARGET_LONG) : H1_MORE;
    }
    uint64_t twice;
    const enum h1_result result = h1_fields_read(&request->head, data, line.end, limits, &twice);
    if (result == H1_MORE) {
        *scanned = (uint32_t)window;
        return full ? h1_bad(&request->head, H1_FAULT_HEAD_LONG) : H1_MORE;
    }
    if (result == H1_BAD) {
        return H1_BAD;
    }
    const enum h1_fault fault = judge_fields(request, data, twice);
    return fault == H1_FAULT_NONE ? H1_DONE : h1_bad(&request->head, fault);
}
