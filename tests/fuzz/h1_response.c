/*
 * Any bytes as a response head. The first byte of the input says where to cut it in two, the second
 * what was asked. Promised: the verdict does not depend on the cut, and a rewritten head reads the
 * same way.
 */
#include <stdlib.h>

#include "base/check.h"
#include "proto/h1_rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

static const struct h1_limits limits = {
    .head_bytes_max = 2048, .headers_max = 24, .target_bytes_max = 1};
static const struct h1_limits wide = {
    .head_bytes_max = 8192, .headers_max = 40, .target_bytes_max = 1};

static void check_cut(const char *data, size_t size, size_t cut, struct h1_asked asked,
                      enum h1_result expected, const struct h1_response *whole)
{
    struct h1_response response;
    uint32_t scanned = 0;
    char *part = malloc(cut + 1);
    memcpy(part + 1, data, cut);
    enum h1_result result = h1_parse_response(part + 1, cut, &limits, asked, &scanned, &response);
    free(part);
    if (result == H1_MORE) {
        result = h1_parse_response(data, size, &limits, asked, &scanned, &response);
    }
    if (expected == H1_BAD && result == H1_MORE) {
        ASSERT(memchr(data + cut, '\n', size - cut) == NULL);
        return;
    }
    ASSERT(result == expected);
    if (result == H1_DONE) {
        ASSERT(response.head.size == whole->head.size && response.status == whole->status);
        ASSERT(response.head.framing == whole->head.framing);
        ASSERT(response.head.keep_alive == whole->head.keep_alive);
    }
}

static void check_rewrite(const char *data, struct h1_asked asked,
                          const struct h1_response *response, enum h1_connection connection)
{
    const struct h1_rewrite_response rewrite = {
        .via = SLICE("nines"), .insert = SLICE("X-Inserted: 1\r\n"), .connection = connection};
    const size_t bound = h1_rewrite_response_bound(response, &rewrite);
    char *out = malloc(bound);
    const size_t size = h1_rewrite_response(response, data, &rewrite, out, bound);
    struct h1_response again;
    uint32_t scanned = 0;
    ASSERT(size > 0);
    ASSERT(h1_parse_response(out, size, &wide, asked, &scanned, &again) == H1_DONE);
    ASSERT(again.head.size == size && again.status == response->status && again.head.minor == 1);
    ASSERT(again.head.framing == response->head.framing);
    ASSERT(again.head.content_length == response->head.content_length);
    ASSERT(slice_equal(h1_slice(out, again.reason), h1_slice(data, response->reason)));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
    if (input_size < 3) {
        return 0;
    }
    const char *data = (const char *)input + 2;
    const size_t size = input_size - 2;
    const struct h1_asked asked = {.method = (enum h1_method)(input[1] % H1_METHOD_COUNT),
                                   .upgrade = input[1] >= 128};
    struct h1_response response;
    uint32_t scanned = 0;
    const enum h1_result result =
        h1_parse_response(data, size, &limits, asked, &scanned, &response);
    ASSERT((result == H1_BAD) == (response.head.fault != H1_FAULT_NONE));
    check_cut(data, size, input[0] * size / 256, asked, result, &response);
    if (result == H1_DONE) {
        ASSERT(response.head.size <= size && response.status >= 100 && response.status <= 599);
        ASSERT(response.head.framing != H1_BODY_UNTIL_CLOSE || !response.head.keep_alive);
        check_cut(data, size, response.head.size - 1U, asked, result, &response);
        check_rewrite(data, asked, &response, (enum h1_connection)(input[0] % 3));
    }
    return 0;
}
