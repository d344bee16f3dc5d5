#include "proto/h1_rewrite.h"

#include "base/check.h"
#include "proto/h1_field.h"

enum {
    FIXED_BYTES_MAX = 256, /* The names and CRLFs of all lines that can be added. */
    MAX_FORWARDS_DIGITS_MAX = 10,
};

/* The head that is being written. */
struct out {
    char *at;
    const char *source;
    size_t run; /* Where in the source the bytes begin that are kept, but not yet copied. */
};

static inline void put(struct out *out, struct slice text)
{
    if (text.size > 0) {
        memcpy(out->at, text.data, text.size);
        out->at += text.size;
    }
}

/* Copies what was kept up to `end`, and goes on keeping at `next`. */
static inline void cut(struct out *out, size_t end, size_t next)
{
    put(out, (struct slice){out->source + out->run, end - out->run});
    out->run = next;
}

static size_t line_end(const struct h1_head *head, size_t i)
{
    return i + 1 < head->count ? head->headers[i + 1].name_at : head->fields_end;
}

/* The last field with this id, which is there. */
static size_t last_of(const struct h1_head *head, enum h1_id id)
{
    size_t i = head->count;
    while (i-- > 0) {
        if (head->headers[i].id == id) {
            return i;
        }
    }
    UNREACHABLE();
}

/* Cuts out the fields that are dropped by themselves or are in `ids`. */
static void cut_dropped(struct out *out, const struct h1_head *head, size_t from, size_t to,
                        uint64_t ids)
{
    for (size_t i = from; i < to; i++) {
        const struct h1_header *header = &head->headers[i];
        if (header->flags & H1_DROP || ids & H1_SEEN(header->id)) {
            cut(out, header->name_at, line_end(head, i));
        }
    }
}

static void put_line(struct out *out, struct slice name, struct slice value)
{
    put(out, name);
    put(out, value);
    put(out, SLICE("\r\n"));
}

static void put_via(struct out *out, const struct h1_head *head, struct slice via)
{
    if (via.size > 0) {
        put_line(out, head->minor > 0 ? SLICE("Via: 1.1 ") : SLICE("Via: 1.0 "), via);
    }
}

static void put_max_forwards(struct out *out, int32_t value)
{
    char digits[MAX_FORWARDS_DIGITS_MAX];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put_line(out, SLICE("Max-Forwards: "), (struct slice){digits + at, sizeof(digits) - at});
}

/* The request line when the target was a whole URI (RFC 9112 3.2.1, 3.2.4). */
static void put_absolute(struct out *out, const struct h1_request *request)
{
    const struct slice path = h1_slice(out->source, request->path);
    put(out, h1_slice(out->source, request->method_text));
    put(out, SLICE(" "));
    if (path.size == 0 && request->method == H1_OPTIONS) {
        put(out, SLICE("*"));
    } else if (path.size == 0 || path.data[0] == '?') {
        put(out, SLICE("/"));
    }
    put(out, path);
    put(out, SLICE(" HTTP/1.1\r\n"));
    put_line(out, SLICE("Host: "), h1_slice(out->source, request->host));
    out->run = request->head.fields_at;
}

/* The request line, which is kept unless it holds a whole URI, and the Host that it gives. */
static void begin_request(struct out *out, const struct h1_request *request)
{
    const struct h1_head *head = &request->head;
    out->run = head->start;
    if (request->form == H1_FORM_ABSOLUTE) {
        put_absolute(out, request);
        return;
    }
    if (request->form == H1_FORM_AUTHORITY) {
        cut(out, head->fields_at, head->fields_at);
        put_line(out, SLICE("Host: "), h1_slice(out->source, request->host));
    }
}

/* Connection and the fields it protects: all of them were dropped from the source. */
static void put_connection(struct out *out, const struct h1_request *request, bool close)
{
    if (request->upgrade) {
        put(out, SLICE("Connection: upgrade\r\n"));
        put_line(out, SLICE("Upgrade: "), h1_slice(out->source, request->protocol));
        return;
    }
    if (request->te_trailers) {
        put(out, close ? SLICE("Connection: close, te\r\nTE: trailers\r\n")
                       : SLICE("Connection: te\r\nTE: trailers\r\n"));
    } else if (close) {
        put(out, SLICE("Connection: close\r\n"));
    }
}

/* The fields that came, and after them those that say who the client is. */
static void put_forwarded(struct out *out, const struct h1_request *request,
                          const struct h1_rewrite_request *rewrite)
{
    const struct h1_head *head = &request->head;
    const uint64_t lies = rewrite->forwarded_drop
                              ? H1_SEEN(H1_ID_FORWARDED) | H1_SEEN(H1_ID_X_FORWARDED_FOR) |
                                    H1_SEEN(H1_ID_X_FORWARDED_HOST) |
                                    H1_SEEN(H1_ID_X_FORWARDED_PROTO)
                              : 0;
    const uint64_t believed = head->seen & ~lies;
    const bool append = rewrite->client.size > 0 && (believed & H1_SEEN(H1_ID_X_FORWARDED_FOR));
    size_t from = 0;
    if (append) {
        const size_t i = last_of(head, H1_ID_X_FORWARDED_FOR);
        const struct h1_header *header = &head->headers[i];
        cut_dropped(out, head, 0, i, lies);
        cut(out, (size_t)header->value_at + header->value_size, line_end(head, i));
        put_line(out, header->value_size > 0 ? SLICE(", ") : SLICE(""), rewrite->client);
        from = i + 1;
    }
    if (head->dropping || (head->seen & lies)) {
        cut_dropped(out, head, from, head->count, lies);
    }
    cut(out, head->fields_end, head->size);
    if (request->host.size == 0 && rewrite->host.size > 0) {
        put_line(out, SLICE("Host: "), rewrite->host);
    }
    if (rewrite->client.size > 0 && !append) {
        put_line(out, SLICE("X-Forwarded-For: "), rewrite->client);
    }
    if (rewrite->scheme.size > 0 && !(believed & H1_SEEN(H1_ID_X_FORWARDED_PROTO))) {
        put_line(out, SLICE("X-Forwarded-Proto: "), rewrite->scheme);
    }
    if (rewrite->forwarded_host && request->host.size > 0 &&
        !(believed & H1_SEEN(H1_ID_X_FORWARDED_HOST))) {
        put_line(out, SLICE("X-Forwarded-Host: "), h1_slice(out->source, request->host));
    }
}

size_t h1_rewrite_request_bound(const struct h1_request *request,
                                const struct h1_rewrite_request *rewrite)
{
    return (size_t)request->head.size + 2U * request->host.size + rewrite->via.size +
           rewrite->client.size + rewrite->scheme.size + rewrite->host.size + rewrite->insert.size +
           FIXED_BYTES_MAX;
}

size_t h1_rewrite_request(const struct h1_request *request, const char *source,
                          const struct h1_rewrite_request *rewrite, char *to, size_t capacity)
{
    const struct h1_head *head = &request->head;
    ASSERT(head->fault == H1_FAULT_NONE && head->size > head->fields_end);
    const size_t bound = h1_rewrite_request_bound(request, rewrite);
    if (capacity < bound) {
        return 0;
    }
    struct out out = {.at = to, .source = source};
    begin_request(&out, request);
    put_forwarded(&out, request, rewrite);
    if (request->form != H1_FORM_ABSOLUTE) {
        to[head->fields_at - head->start - 3] = '1'; /* HTTP/1.x CRLF */
    }
    put_via(&out, head, rewrite->via);
    put_connection(&out, request, rewrite->close);
    if (request->max_forwards >= 0) {
        put_max_forwards(&out, request->max_forwards > 0 ? request->max_forwards - 1 : 0);
    }
    put(&out, rewrite->insert);
    put(&out, SLICE("\r\n"));
    ASSERT((size_t)(out.at - to) <= bound);
    return (size_t)(out.at - to);
}

static void put_response_connection(struct out *out, const struct h1_response *response,
                                    enum h1_connection connection)
{
    if (response->status == 101) {
        const struct h1_header *upgrade = h1_find(&response->head, H1_ID_UPGRADE);
        ASSERT(upgrade != NULL);
        put(out, SLICE("Connection: upgrade\r\n"));
        put_line(out, SLICE("Upgrade: "), h1_value(out->source, upgrade));
    } else if (connection == H1_CONNECTION_CLOSE) {
        put(out, SLICE("Connection: close\r\n"));
    } else if (connection == H1_CONNECTION_KEEP_ALIVE) {
        put(out, SLICE("Connection: keep-alive\r\n"));
    }
}

size_t h1_rewrite_response_bound(const struct h1_response *response,
                                 const struct h1_rewrite_response *rewrite)
{
    return (size_t)response->head.size + rewrite->via.size + rewrite->insert.size + FIXED_BYTES_MAX;
}

size_t h1_rewrite_response(const struct h1_response *response, const char *source,
                           const struct h1_rewrite_response *rewrite, char *to, size_t capacity)
{
    const struct h1_head *head = &response->head;
    ASSERT(head->fault == H1_FAULT_NONE && head->size > head->fields_end);
    const size_t bound = h1_rewrite_response_bound(response, rewrite);
    if (capacity < bound) {
        return 0;
    }
    const uint64_t unchunked =
        rewrite->unchunk ? H1_SEEN(H1_ID_TRANSFER_ENCODING) | H1_SEEN(H1_ID_TRAILER) : 0;
    struct out out = {.at = to, .source = source};
    if (head->dropping || (head->seen & unchunked)) {
        cut_dropped(&out, head, 0, head->count, unchunked);
    }
    cut(&out, head->fields_end, head->size);
    to[7] = '1'; /* HTTP/1.x */
    put_via(&out, head, rewrite->via);
    put_response_connection(&out, response, rewrite->connection);
    put(&out, rewrite->insert);
    put(&out, SLICE("\r\n"));
    ASSERT((size_t)(out.at - to) <= bound);
    return (size_t)(out.at - to);
}
