/*
 * Any bytes as a request head. The first byte of the input says where to cut it in two. Promised:
 * the verdict does not depend on the cut; what was accepted is accepted again after rewriting, and
 * means the same.
 */
#include <stdlib.h>

#include "base/check.h"
#include "proto/h1_rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

static const struct h1_limits limits = {
    .head_bytes_max = 2048, .headers_max = 24, .target_bytes_max = 512};
static const struct h1_limits wide = {
    .head_bytes_max = 8192, .headers_max = 40, .target_bytes_max = 512};

static void check_cut(const char *data, size_t size, size_t cut, enum h1_result expected,
                      const struct h1_request *whole)
{
    struct h1_request request;
    uint32_t scanned = 0;
    char *part = malloc(cut + 1);
    memcpy(part + 1, data, cut);
    enum h1_result result = h1_parse_request(part + 1, cut, &limits, &scanned, &request);
    free(part);
    if (result == H1_MORE) {
        result = h1_parse_request(data, size, &limits, &scanned, &request);
    }
    if (expected == H1_BAD && result == H1_MORE) {
        ASSERT(memchr(data + cut, '\n', size - cut) == NULL);
        return;
    }
    ASSERT(result == expected);
    if (result == H1_DONE) {
        ASSERT(request.head.size == whole->head.size && request.head.seen == whole->head.seen);
        ASSERT(request.head.count == whole->head.count);
        ASSERT(request.head.framing == whole->head.framing);
    }
}

static void check_sound(const char *data, size_t size, const struct h1_request *request)
{
    const struct h1_head *head = &request->head;
    ASSERT(head->size <= size && head->size == head->fields_end + 2);
    ASSERT(memcmp(data + head->fields_end, "\r\n", 2) == 0);
    ASSERT((head->framing == H1_BODY_LENGTH) == (head->content_length > 0));
    ASSERT(head->framing != H1_BODY_UNTIL_CLOSE);
    ASSERT(request->host.size == 0 || h1_host_valid(h1_slice(data, request->host)));
    for (size_t i = 0; i < head->count; i++) {
        const struct slice name = h1_name(data, &head->headers[i]);
        const struct slice value = h1_value(data, &head->headers[i]);
        ASSERT(name.size > 0 && h1_id_of(name) == head->headers[i].id);
        ASSERT(slice_equal(slice_trim(value), value));
        ASSERT(memchr(value.data, '\n', value.size) == NULL);
        ASSERT(memchr(value.data, '\r', value.size) == NULL);
    }
}

static void check_rewrite(const char *data, const struct h1_request *request, bool drop)
{
    const struct h1_rewrite_request rewrite = {.via = SLICE("nines"),
                                               .client = SLICE("192.0.2.1"),
                                               .scheme = SLICE("http"),
                                               .host = SLICE("fallback"),
                                               .insert = SLICE("X-Inserted: 1\r\n"),
                                               .forwarded_host = true,
                                               .forwarded_drop = drop};
    const size_t bound = h1_rewrite_request_bound(request, &rewrite);
    char *out = malloc(bound);
    const size_t size = h1_rewrite_request(request, data, &rewrite, out, bound);
    struct h1_request again;
    uint32_t scanned = 0;
    ASSERT(size > 0);
    ASSERT(h1_parse_request(out, size, &wide, &scanned, &again) == H1_DONE);
    ASSERT(again.head.size == size && again.head.minor == 1 && again.head.keep_alive);
    ASSERT(again.method == request->method && again.upgrade == request->upgrade);
    ASSERT(slice_equal(h1_slice(out, again.method_text), h1_slice(data, request->method_text)));
    ASSERT(again.head.framing == request->head.framing);
    ASSERT(again.head.content_length == request->head.content_length);
    ASSERT(again.form != H1_FORM_ABSOLUTE);
    const struct slice host =
        request->host.size > 0 ? h1_slice(data, request->host) : SLICE("fallback");
    ASSERT(slice_equal(h1_slice(out, again.host), host));
    const struct slice path = h1_slice(data, request->path);
    const struct slice sent = h1_slice(out, again.path);
    ASSERT(sent.size >= path.size && sent.size <= path.size + 1);
    ASSERT(slice_equal((struct slice){sent.data + sent.size - path.size, path.size}, path));
    for (size_t i = 0; i < again.head.count; i++) {
        const struct h1_header *header = &again.head.headers[i];
        ASSERT(!(header->flags & H1_DROP) || header->id == H1_ID_CONNECTION ||
               header->id == H1_ID_UPGRADE || header->id == H1_ID_TE ||
               header->id == H1_ID_MAX_FORWARDS || header->id == H1_ID_HOST);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
    if (input_size < 2) {
        return 0;
    }
    const char *data = (const char *)input + 1;
    const size_t size = input_size - 1;
    struct h1_request request;
    uint32_t scanned = 0;
    const enum h1_result result = h1_parse_request(data, size, &limits, &scanned, &request);
    ASSERT((result == H1_BAD) == (request.head.fault != H1_FAULT_NONE));
    check_cut(data, size, input[0] * size / 256, result, &request);
    if (result == H1_DONE) {
        check_sound(data, size, &request);
        check_cut(data, size, request.head.size - 1U, result, &request);
        check_rewrite(data, &request, input[0] & 1);
    }
    return 0;
}
