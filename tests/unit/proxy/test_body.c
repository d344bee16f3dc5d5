#include "proxy/body.h"

#include "base/check.h"
#include "unit.h"

#include <string.h>

static struct h1_head framing(enum h1_framing kind, uint64_t length)
{
    return (struct h1_head){.framing = (uint8_t)kind, .content_length = length};
}

START_TEST(test_none_takes_nothing)
{
    const struct h1_head head = framing(H1_BODY_NONE, 0);
    struct body body;
    char data[] = "GET / HTTP/1.1";
    size_t consumed = 9;
    size_t payload = 9;
    body_begin(&body, &head, false);
    ck_assert_int_eq(body.mode, BODY_DONE);
    ck_assert(body_take(&body, data, sizeof data, &consumed, &payload));
    ck_assert_uint_eq(consumed + payload, 0);
}
END_TEST

START_TEST(test_length_stops_at_its_end)
{
    const struct h1_head head = framing(H1_BODY_LENGTH, 5);
    struct body body;
    char data[] = "helloGET";
    size_t consumed;
    size_t payload;
    body_begin(&body, &head, false);
    ck_assert(body_take(&body, data, 2, &consumed, &payload));
    ck_assert_uint_eq(consumed, 2);
    ck_assert_int_eq(body.mode, BODY_LENGTH);
    ck_assert(body_take(&body, data + 2, 6, &consumed, &payload));
    ck_assert_uint_eq(consumed, 3);
    ck_assert_uint_eq(payload, 3);
    ck_assert_int_eq(body.mode, BODY_DONE);
}
END_TEST

START_TEST(test_chunked_is_left_as_it_is)
{
    const struct h1_head head = framing(H1_BODY_CHUNKED, 0);
    static const char text[] = "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\nGET";
    const size_t whole = sizeof text - 1 - 3;
    for (size_t split = 0; split <= whole; split++) {
        char data[sizeof text];
        memcpy(data, text, sizeof text);
        struct body body;
        size_t first;
        size_t second = 0;
        size_t payload;
        body_begin(&body, &head, false);
        ck_assert(body_take(&body, data, split, &first, &payload));
        ck_assert_uint_eq(first, payload);
        if (body.mode != BODY_DONE)
            ck_assert(body_take(&body, data + split, sizeof text - 1 - split, &second, &payload));
        ck_assert_uint_eq(first + second, whole);
        ck_assert_int_eq(body.mode, BODY_DONE);
        ck_assert_mem_eq(data, text, sizeof text);
    }
}
END_TEST

START_TEST(test_unchunk_leaves_the_payload)
{
    const struct h1_head head = framing(H1_BODY_CHUNKED, 0);
    static const char text[] = "3\r\nfoo\r\n4;x\r\nbars\r\n1\r\n!\r\n0\r\nX: y\r\n\r\nrest";
    const size_t whole = sizeof text - 1 - 4;
    for (size_t split = 0; split <= whole; split++) {
        char data[sizeof text];
        char got[64];
        size_t got_size = 0;
        memcpy(data, text, sizeof text);
        struct body body;
        size_t consumed;
        size_t payload;
        size_t all = 0;
        body_begin(&body, &head, true);
        ck_assert(body_take(&body, data, split, &consumed, &payload));
        memcpy(got, data, payload);
        got_size += payload;
        all += consumed;
        if (body.mode != BODY_DONE) {
            ck_assert(body_take(&body, data + split, sizeof text - 1 - split, &consumed, &payload));
            memcpy(got + got_size, data + split, payload);
            got_size += payload;
            all += consumed;
        }
        ck_assert_uint_eq(all, whole);
        ck_assert_int_eq(body.mode, BODY_DONE);
        ck_assert_uint_eq(got_size, 8);
        ck_assert_mem_eq(got, "foobars!", 8);
    }
}
END_TEST

START_TEST(test_bad_chunks_are_told)
{
    static const char *const texts[] = {"g\r\n", "5\r\nhelloX\r\n", "\r\n", "1\n",
                                        "0\r\nContent-Length: 3\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (int unchunk = 0; unchunk < 2; unchunk++) {
            const struct h1_head head = framing(H1_BODY_CHUNKED, 0);
            char data[64];
            size_t consumed;
            size_t payload;
            struct body body;
            memcpy(data, texts[i], strlen(texts[i]));
            body_begin(&body, &head, unchunk != 0);
            ck_assert(!body_take(&body, data, strlen(texts[i]), &consumed, &payload));
            ck_assert_int_ne(body.fault, H1_FAULT_NONE);
            ck_assert_int_ne(body.mode, BODY_DONE);
            ck_assert_uint_le(payload, consumed);
        }
    }
}
END_TEST

START_TEST(test_until_close_takes_all)
{
    struct body body;
    char data[] = "anything";
    size_t consumed;
    size_t payload;
    body_begin_raw(&body);
    ck_assert(body_take(&body, data, 8, &consumed, &payload));
    ck_assert_uint_eq(consumed, 8);
    ck_assert_uint_eq(payload, 8);
    ck_assert_int_eq(body.mode, BODY_UNTIL_CLOSE);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_none_takes_nothing);
    tcase_add_test(c, test_length_stops_at_its_end);
    tcase_add_test(c, test_chunked_is_left_as_it_is);
    tcase_add_test(c, test_unchunk_leaves_the_payload);
    tcase_add_test(c, test_bad_chunks_are_told);
    tcase_add_test(c, test_until_close_takes_all);
}

UNIT_MAIN(tests)
