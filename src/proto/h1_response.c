#include "base/check.h"
#include "proto/h1.h"
#include "proto/h1_field.h"
#include "proto/h1_scan.h"

enum {
    PREFIX_SIZE = 13, /* "HTTP/1.1 200 " */
    MINOR_AT = 7,
    STATUS_AT = 9,
    REASON_AT = PREFIX_SIZE,
};

/* The status line's fixed part; `more` tells that the bytes end too early. RFC 9112 4. */
static enum h1_fault prefix_read(const char *at, const char *end, bool *more)
{
    static const char form[] = "HTTP/1.1 200 ";
    *more = false;
    for (int i = 0; i < PREFIX_SIZE; i++) {
        if (at + i == end) {
            *more = true;
            return H1_FAULT_NONE;
        }
        const bool digit = i == MINOR_AT || (i >= STATUS_AT && i < STATUS_AT + 3);
        if (digit ? h1_is(at[i], H1_CLASS_DIGIT) : at[i] == form[i]) {
            continue;
        }
        if (at[i] == '\n') {
            return H1_FAULT_BARE_LF;
        }
        return i < STATUS_AT - 1 ? H1_FAULT_VERSION : H1_FAULT_STATUS;
    }
    return H1_FAULT_NONE;
}

static enum h1_fault line_read(struct h1_response *response, const char *data, const char *end,
                               bool *more)
{
    const enum h1_fault fault = prefix_read(data, end, more);
    if (fault != H1_FAULT_NONE || *more) {
        return fault;
    }
    response->head.minor = data[MINOR_AT] != '0';
    response->status = (uint16_t)((data[STATUS_AT] - '0') * 100 + (data[STATUS_AT + 1] - '0') * 10 +
                                  (data[STATUS_AT + 2] - '0'));
    if (response->status < 100 || response->status > 599) {
        return H1_FAULT_STATUS;
    }
    const char *stop = h1_skip_text(data + REASON_AT, end);
    if (stop == end || (*stop == '\r' && stop + 1 == end)) {
        *more = true;
        return H1_FAULT_NONE;
    }
    if (*stop != '\r') {
        return *stop == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_REASON;
    }
    if (stop[1] != '\n') {
        return H1_FAULT_BARE_CR;
    }
    response->reason = (struct h1_span){REASON_AT, (uint16_t)(stop - data - REASON_AT)};
    response->head.start = 0;
    response->head.fields_at = (uint16_t)(stop + 2 - data);
    return H1_FAULT_NONE;
}

/* RFC 9112 6.3, the rules in their order. */
static enum h1_fault judge_framing(struct h1_response *response, const char *data,
                                   struct h1_asked asked, uint64_t twice)
{
    struct h1_head *head = &response->head;
    const enum h1_fault fault = h1_fields_framing(head, data, twice);
    if (fault != H1_FAULT_NONE) {
        return fault;
    }
    const bool tunnel =
        response->status == 101 || (asked.method == H1_CONNECT && response->status / 100 == 2);
    const bool bare = response->status / 100 == 1 || response->status == 204;
    const bool claims = head->framing != H1_BODY_NONE;
    if (bare || tunnel) {
        h1_fields_drop(head, H1_ID_CONTENT_LENGTH);
        h1_fields_drop(head, H1_ID_TRANSFER_ENCODING);
        head->framing = tunnel ? H1_BODY_UNTIL_CLOSE : H1_BODY_NONE;
        head->content_length = 0;
        head->keep_alive = head->keep_alive && !tunnel && !claims;
    } else if (asked.method == H1_HEAD || response->status == 304) {
        head->framing = H1_BODY_NONE;
        head->content_length = 0;
    } else if (!claims && !h1_seen(head, H1_ID_CONTENT_LENGTH)) {
        head->framing = H1_BODY_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return H1_FAULT_NONE;
}

/* RFC 9110 7.8, 15.2.2: only what was asked for, named, and in HTTP/1.1. */
static enum h1_fault judge_switch(const struct h1_response *response, struct h1_asked asked,
                                  const struct h1_options *options)
{
    const struct h1_head *head = &response->head;
    const bool sound =
        asked.upgrade && head->minor > 0 && options->upgrade && h1_seen(head, H1_ID_UPGRADE);
    return response->status != 101 || sound ? H1_FAULT_NONE : H1_FAULT_UPGRADE;
}

static enum h1_fault judge_fields(struct h1_response *response, const char *data,
                                  struct h1_asked asked, uint64_t twice)
{
    struct h1_head *head = &response->head;
    struct h1_options options;
    enum h1_fault fault = h1_fields_connection(head, data, &options);
    if (fault != H1_FAULT_NONE) {
        return fault;
    }
    head->keep_alive = !options.close && (head->minor > 0 || options.keep_alive);
    fault = judge_framing(response, data, asked, twice);
    return fault != H1_FAULT_NONE ? fault : judge_switch(response, asked, &options);
}

enum h1_result h1_parse_response(const char *data, size_t size, const struct h1_limits *limits,
                                 struct h1_asked asked, uint32_t *scanned,
                                 struct h1_response *response)
{
    const size_t window = h1_window(size, limits);
    const bool full = window == limits->head_bytes_max;
    struct h1_head *head = &response->head;
    h1_head_init(head);
    if (!full && h1_nothing_new(data, window, scanned)) {
        *scanned = (uint32_t)window;
        return H1_MORE;
    }
    const char *end = data + window;
    bool more;
    const enum h1_fault fault = line_read(response, data, end, &more);
    if (fault != H1_FAULT_NONE) {
        return h1_bad(head, fault);
    }
    uint64_t twice = 0;
    const enum h1_result result = more ? H1_MORE : h1_fields_read(head, data, end, limits, &twice);
    if (result == H1_MORE) {
        *scanned = (uint32_t)window;
        return full ? h1_bad(head, H1_FAULT_HEAD_LONG) : H1_MORE;
    }
    if (result == H1_BAD) {
        return H1_BAD;
    }
    const enum h1_fault judged = judge_fields(response, data, asked, twice);
    return judged == H1_FAULT_NONE ? H1_DONE : h1_bad(head, judged);
}
