/*
 * Any bytes as a chunked body. The first byte of the input is the size of the pieces it is fed in.
 * Promised: pieces, the whole, and payload by payload agree on the verdict, its place and the
 * payload.
 */
#include <stdlib.h>

#include "base/check.h"
#include "proto/h1_chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

struct outcome {
    enum h1_result result;
    uint8_t fault;
    size_t consumed;
    size_t payload_size;
    uint64_t payload_sum; /* Of its bytes, in order. */
};

static struct outcome decode(const char *data, size_t size, size_t step)
{
    struct h1_chunked chunked;
    struct outcome outcome = {.result = H1_MORE};
    h1_chunked_init(&chunked);
    while (outcome.result == H1_MORE && outcome.consumed < size) {
        const size_t left = size - outcome.consumed;
        const size_t piece = step < left ? step : left;
        size_t taken;
        struct slice payload = {0};
        outcome.result =
            h1_chunked_decode(&chunked, data + outcome.consumed, piece, &taken, &payload);
        ASSERT(taken <= piece);
        ASSERT(outcome.result != H1_MORE || payload.size > 0 || taken == piece);
        ASSERT(outcome.result == H1_MORE || payload.size == 0);
        for (size_t i = 0; i < payload.size; i++) {
            outcome.payload_sum = outcome.payload_sum * 31 + (uint8_t)payload.data[i];
        }
        outcome.payload_size += payload.size;
        outcome.consumed += taken;
    }
    outcome.fault = chunked.fault;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
    if (input_size < 2) {
        return 0;
    }
    const char *data = (const char *)input + 1;
    const size_t size = input_size - 1;
    const struct outcome whole = decode(data, size, size);
    const struct outcome pieces = decode(data, size, input[0] + 1U);
    ASSERT(whole.result == pieces.result && whole.fault == pieces.fault);
    ASSERT(whole.consumed == pieces.consumed && whole.payload_size == pieces.payload_size);
    ASSERT(whole.payload_sum == pieces.payload_sum);
    ASSERT((whole.result == H1_BAD) == (whole.fault != H1_FAULT_NONE));

    struct h1_chunked chunked;
    size_t consumed;
    h1_chunked_init(&chunked);
    ASSERT(h1_chunked_feed(&chunked, data, size, &consumed) == whole.result);
    ASSERT(consumed == whole.consumed && chunked.fault == whole.fault);
    return 0;
}
