/*
 * Chunked bodies, each fed whole, cut in two at every place, and byte by byte.
 */
#include "base/check.h"
#include "proto/h1_chunked.h"
#include "unit.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

struct outcome {
    enum h1_result result;
    enum h1_fault fault;
    size_t consumed;
    size_t payload_size;
    char payload[512];
};

/* Feeds text[from, to), from memory that holds nothing else. */
static void feed(struct h1_chunked *chunked, struct slice text, size_t from, size_t to,
                 struct outcome *outcome)
{
    char *copy = malloc(to - from + 1);
    memcpy(copy + 1, text.data + from, to - from);
    size_t at = 0;
    do {
        size_t taken;
        struct slice payload = {0};
        outcome->result =
            h1_chunked_decode(chunked, copy + 1 + at, to - from - at, &taken, &payload);
        if (outcome->result == H1_MORE) {
            ck_assert(payload.size > 0 || at + taken == to - from);
            memcpy(outcome->payload + outcome->payload_size, payload.data, payload.size);
            outcome->payload_size += payload.size;
        }
        at += taken;
    } while (outcome->result == H1_MORE && at < to - from);
    outcome->consumed += at;
    outcome->fault = chunked->fault;
    free(copy);
}

static struct outcome decode_split(struct slice text, size_t step)
{
    struct h1_chunked chunked;
    struct outcome outcome = {.result = H1_MORE};
    h1_chunked_init(&chunked);
    for (size_t at = 0; at < text.size && outcome.result == H1_MORE; at += step) {
        feed(&chunked, text, at, at + step < text.size ? at + step : text.size, &outcome);
    }
    return outcome;
}

static struct outcome decode_cut(struct slice text, size_t cut)
{
    struct h1_chunked chunked;
    struct outcome outcome = {.result = H1_MORE};
    h1_chunked_init(&chunked);
    feed(&chunked, text, 0, cut, &outcome);
    if (outcome.result == H1_MORE) {
        feed(&chunked, text, cut, text.size, &outcome);
    }
    return outcome;
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    ck_assert_int_eq(a->result, b->result);
    ck_assert_int_eq(a->fault, b->fault);
    ck_assert_uint_eq(a->consumed, b->consumed);
    ck_assert_uint_eq(a->payload_size, b->payload_size);
    ck_assert(memcmp(a->payload, b->payload, a->payload_size) == 0);
}

/* All ways to feed it agree, and so does h1_chunked_feed(). */
static struct outcome decode(struct slice text)
{
    const struct outcome whole = decode_cut(text, text.size);
    for (size_t cut = 0; cut <= text.size; cut++) {
        const struct outcome other = decode_cut(text, cut);
        assert_same(&whole, &other);
    }
    const struct outcome bytes = decode_split(text, 1);
    assert_same(&whole, &bytes);
    struct h1_chunked chunked;
    size_t consumed;
    h1_chunked_init(&chunked);
    ck_assert_int_eq(h1_chunked_feed(&chunked, text.data, text.size, &consumed), whole.result);
    ck_assert_uint_eq(consumed, whole.consumed);
    ck_assert_uint_eq(chunked.fault, whole.fault);
    return whole;
}

START_TEST(test_accepted)
{
    static const struct {
        struct slice text;
        const char *payload;
        size_t after; /* Bytes that belong to the next message. */
    } rows[] = {
        {TEXT("0\r\n\r\n"), "", 0},
        {TEXT("0000000000000000\r\n\r\nGET"), "", 3},
        {TEXT("5\r\nhello\r\n0\r\n\r\n"), "hello", 0},
        {TEXT("5\r\nhello\r\n006\r\n world\r\n0\r\n\r\nX"), "hello world", 1},
        {TEXT("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"), "01234567890123456789a", 0},
        {TEXT("2\r\n\r\n\r\n0\r\n\r\n\r\n"), "\r\n", 2},
        {TEXT("1;a\r\nx\r\n0;b=c;d=\"e;\\\" f\"\r\n\r\n"), "x", 0},
        {TEXT("1 ; a = b\t;\tc =\t\"d\" ;e\r\nx\r\n0\r\n\r\n"), "x", 0},
        {TEXT("1;a;b ;c\r\nx\r\n0\r\n\r\n"), "x", 0},
        {TEXT("0\r\nX-Sum: 1\r\nY:\r\nServer-Timing: a;dur=\"1\"\t\xe4\r\n\r\n"), "", 0},
        {TEXT("0\r\nHostess: a\r\nHos: b\r\nContent-Lengths: 3\r\n\r\n"), "", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct outcome outcome = decode(rows[i].text);
        ck_assert_msg(outcome.result == H1_DONE, "%s: %s", rows[i].text.data,
                      h1_fault_name(outcome.fault));
        ck_assert_uint_eq(outcome.consumed, rows[i].text.size - rows[i].after);
        const struct slice payload = {outcome.payload, outcome.payload_size};
        ck_assert_msg(slice_is(payload, rows[i].payload), "%s", rows[i].text.data);
    }
}
END_TEST

static const struct {
    enum h1_fault fault;
    size_t at; /* Of the byte that is wrong. */
    struct slice text;
} refusals[] = {
    {H1_FAULT_CHUNK_SIZE, 0, TEXT("\r\n")},
    {H1_FAULT_CHUNK_SIZE, 0, TEXT(";a\r\n")},
    {H1_FAULT_CHUNK_SIZE, 0, TEXT(" 5\r\n")},
    {H1_FAULT_CHUNK_SIZE, 0, TEXT("+5\r\n")},
    {H1_FAULT_CHUNK_SIZE, 0, TEXT("-5\r\n")},
    {H1_FAULT_CHUNK_SIZE, 1, TEXT("0x5\r\n")},
    {H1_FAULT_CHUNK_SIZE, 1, TEXT("5_0\r\n")},
    {H1_FAULT_CHUNK_SIZE, 1, TEXT("5\0\r\n")},
    {H1_FAULT_CHUNK_SIZE, 16, TEXT("00000000000000005\r\n")},
    {H1_FAULT_CHUNK_SIZE, 15, TEXT("8000000000000000\r\n")},
    {H1_FAULT_CHUNK_SIZE, 15, TEXT("ffffffffffffffff\r\n")},
    {H1_FAULT_BARE_LF, 1, TEXT("5\nhello\r\n")},
    {H1_FAULT_BARE_CR, 2, TEXT("5\rhello\r\n")},
    {H1_FAULT_CHUNK_EXTENSION, 2, TEXT("5 \r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 2, TEXT("5;\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 2, TEXT("5;;a\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 2, TEXT("5;=a\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 3, TEXT("5;a,b\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 4, TEXT("5;a b\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 4, TEXT("5;a \r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 4, TEXT("5;a=\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 4, TEXT("5;a=;b\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 5, TEXT("5;a=b=c\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 5, TEXT("5;a=b\"c\"\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 7, TEXT("5;a=\"b\"c\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 6, TEXT("5;a=\"b\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 6, TEXT("5;a=\"\\\r\nhello")},
    {H1_FAULT_CHUNK_EXTENSION, 5, TEXT("5;a=\"\0\"\r\nhello")},
    {H1_FAULT_BARE_LF, 3, TEXT("5;a\nhello")},
    {H1_FAULT_BARE_LF, 2, TEXT("5;\nhello")},
    {H1_FAULT_BARE_LF, 6, TEXT("5;a=\"b\nhello")},
    {H1_FAULT_BARE_CR, 4, TEXT("5;a\rX")},
    {H1_FAULT_CHUNK_END, 4, TEXT("1\r\nxy\r\n")},
    {H1_FAULT_CHUNK_END, 4, TEXT("1\r\nx\n0\r\n\r\n")},
    {H1_FAULT_CHUNK_END, 5, TEXT("1\r\nx\rX")},
    {H1_FAULT_CHUNK_END, 4, TEXT("1\r\nx0\r\n\r\n")},
    {H1_FAULT_BARE_LF, 3, TEXT("0\r\n\n")},
    {H1_FAULT_BARE_CR, 4, TEXT("0\r\n\rX")},
    {H1_FAULT_FOLDED, 3, TEXT("0\r\n X: a\r\n\r\n")},
    {H1_FAULT_FOLDED, 9, TEXT("0\r\nX: a\r\n\tb\r\n\r\n")},
    {H1_FAULT_NAME, 3, TEXT("0\r\n: a\r\n\r\n")},
    {H1_FAULT_NAME, 4, TEXT("0\r\nX\r\n\r\n")},
    {H1_FAULT_NAME, 3, TEXT("0\r\n\0: a\r\n\r\n")},
    {H1_FAULT_NAME_BLANK, 4, TEXT("0\r\nX : a\r\n\r\n")},
    {H1_FAULT_BARE_LF, 4, TEXT("0\r\nX\n\r\n")},
    {H1_FAULT_BARE_LF, 5, TEXT("0\r\nX:\n\r\n")},
    {H1_FAULT_BARE_CR, 6, TEXT("0\r\nX:\rY\r\n")},
    {H1_FAULT_VALUE, 6, TEXT("0\r\nX:a\0\r\n")},
    {H1_FAULT_TRAILER_FORBIDDEN, 7, TEXT("0\r\nHost: a\r\n\r\n")},
    {H1_FAULT_TRAILER_FORBIDDEN, 17, TEXT("0\r\nCONTENT-length: 3\r\n\r\n")},
    {H1_FAULT_TRAILER_FORBIDDEN, 17, TEXT("0\r\nContent_Length: 3\r\n\r\n")},
    {H1_FAULT_TRAILER_FORBIDDEN, 20, TEXT("0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {H1_FAULT_TRAILER_FORBIDDEN, 22, TEXT("0\r\nX: 1\r\nAuthorization: x\r\n\r\n")},
    {H1_FAULT_TRAILER_FORBIDDEN, 18, TEXT("0\r\nX-Forwarded-For: x\r\n\r\n")},
};

START_TEST(test_refused)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct outcome outcome = decode(refusals[i].text);
        ck_assert_msg(outcome.result == H1_BAD, "accepted: %s", refusals[i].text.data);
        ck_assert_msg(outcome.fault == refusals[i].fault, "%s: %s", h1_fault_name(outcome.fault),
                      refusals[i].text.data);
        ck_assert_msg(outcome.consumed == refusals[i].at, "%zu: %s", outcome.consumed,
                      refusals[i].text.data);
    }
}
END_TEST

/* The largest chunk is taken without overflow, and its data counted without being there. */
START_TEST(test_largest)
{
    struct h1_chunked chunked;
    size_t consumed;
    h1_chunked_init(&chunked);
    ck_assert_int_eq(h1_chunked_feed(&chunked, "7fffffffffffffff\r\nabc", 21, &consumed), H1_MORE);
    ck_assert_uint_eq(consumed, 21);
    ck_assert_uint_eq(chunked.left, (uint64_t)INT64_MAX - 3);
}
END_TEST

static enum h1_result feed_many(const char *before, char byte, size_t count, const char *after,
                                enum h1_fault *fault)
{
    struct h1_chunked chunked;
    size_t consumed;
    h1_chunked_init(&chunked);
    enum h1_result result = h1_chunked_feed(&chunked, before, strlen(before), &consumed);
    for (size_t i = 0; i < count && result == H1_MORE; i++) {
        result = h1_chunked_feed(&chunked, &byte, 1, &consumed);
    }
    if (result == H1_MORE) {
        result = h1_chunked_feed(&chunked, after, strlen(after), &consumed);
    }
    *fault = chunked.fault;
    return result;
}

START_TEST(test_limits)
{
    enum h1_fault fault;
    /* ';' and the CR count, too. */
    const size_t extension = H1_CHUNK_EXTENSION_BYTES_MAX - 2;
    ck_assert_int_eq(feed_many("0;", 'a', extension, "\r\n\r\n", &fault), H1_DONE);
    ck_assert_int_eq(feed_many("0;", 'a', extension + 1, "\r\n\r\n", &fault), H1_BAD);
    ck_assert_int_eq(fault, H1_FAULT_CHUNK_EXTENSION);
    ck_assert_int_eq(feed_many("1;", 'a', extension, "\r\nx\r\n0;aaaa\r\n\r\n", &fault), H1_DONE);
    /* Also the CRLFs of the line and of the empty line. */
    const size_t trailer = H1_TRAILER_BYTES_MAX - 6;
    ck_assert_int_eq(feed_many("0\r\nX:", 'a', trailer, "\r\n\r\n", &fault), H1_DONE);
    ck_assert_int_eq(feed_many("0\r\nX:", 'a', trailer + 1, "\r\n\r\n", &fault), H1_BAD);
    ck_assert_int_eq(fault, H1_FAULT_TRAILER_LONG);
    ck_assert_int_eq(feed_many("0\r\n", 'a', H1_NAME_BYTES_MAX, ":\r\n\r\n", &fault), H1_DONE);
    ck_assert_int_eq(feed_many("0\r\n", 'a', H1_NAME_BYTES_MAX + 1, ":\r\n\r\n", &fault), H1_BAD);
    ck_assert_int_eq(fault, H1_FAULT_NAME_LONG);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_accepted);
    tcase_add_test(c, test_refused);
    tcase_add_test(c, test_largest);
    tcase_add_test(c, test_limits);
}

UNIT_MAIN(tests)
