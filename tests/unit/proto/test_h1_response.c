/*
 * Response heads: a back end's bytes are as hostile as a client's. Each text is also cut in two at
 * every place.
 */
#include "base/check.h"
#include "proto/h1.h"
#include "unit.h"

static const struct h1_limits limits = {
    .head_bytes_max = 512, .headers_max = 8, .target_bytes_max = 1};

static enum h1_result parse(struct slice text, size_t size, struct h1_asked asked,
                            uint32_t *scanned, struct h1_response *response)
{
    char *copy = malloc(size + 1);
    memcpy(copy + 1, text.data, size);
    const enum h1_result result =
        h1_parse_response(copy + 1, size, &limits, asked, scanned, response);
    free(copy);
    return result;
}

static void assert_splits(struct slice text, struct h1_asked asked, enum h1_result expected,
                          const struct h1_response *whole)
{
    for (size_t cut = 0; cut <= text.size; cut++) {
        struct h1_response response;
        uint32_t scanned = 0;
        enum h1_result result = parse(text, cut, asked, &scanned, &response);
        if (result == H1_MORE) {
            const bool line_ends = memchr(text.data + cut, '\n', text.size - cut) != NULL;
            result = parse(text, text.size, asked, &scanned, &response);
            if (expected == H1_BAD && result == H1_MORE) {
                ck_assert(cut > 0 && !line_ends);
                continue;
            }
        }
        ck_assert_msg(result == expected, "cut at %zu of: %s", cut, text.data);
        ck_assert_uint_eq(response.head.fault, whole->head.fault);
        if (result == H1_DONE) {
            ck_assert_uint_eq(response.status, whole->status);
            ck_assert_uint_eq(response.head.size, whole->head.size);
            ck_assert_uint_eq(response.head.count, whole->head.count);
            ck_assert_uint_eq(response.head.framing, whole->head.framing);
            ck_assert_uint_eq(response.head.keep_alive, whole->head.keep_alive);
        }
    }
    /* Byte by byte: done exactly when the head is. */
    struct h1_response response;
    uint32_t scanned = 0;
    enum h1_result result = H1_MORE;
    for (size_t size = 0; size <= text.size && result == H1_MORE; size++) {
        result = parse(text, size, asked, &scanned, &response);
        ck_assert(result != H1_DONE || size == whole->head.size);
    }
    ck_assert(result == expected || (expected == H1_BAD && text.data[text.size - 1] != '\n'));
}

#define OK     "HTTP/1.1 200 OK\r\n"
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define TEXT(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

static const struct {
    const char *section;
    enum h1_fault fault;
    struct slice text;
} refusals[] = {
    {"RFC 9112 4", H1_FAULT_VERSION, TEXT("http/1.1 200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_VERSION, TEXT("HTTP/2.0 200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_VERSION, TEXT("HTTP/1 200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_VERSION, TEXT("ICY 200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_VERSION, TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_VERSION, TEXT("<html>hello")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1  200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1\t200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.10 200 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1 20 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1 2000 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1 200\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1 -20 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_STATUS, TEXT("HTTP/1.1 2x0 OK\r\n\r\n")},
    {"RFC 9110 15", H1_FAULT_STATUS, TEXT("HTTP/1.1 099 OK\r\n\r\n")},
    {"RFC 9110 15", H1_FAULT_STATUS, TEXT("HTTP/1.1 600 OK\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_REASON, TEXT("HTTP/1.1 200 O\0K\r\n\r\n")},
    {"RFC 9112 4", H1_FAULT_REASON, TEXT("HTTP/1.1 200 O\x1bK\r\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT("HTTP/1.1 200 OK\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT("HTTP/1.1\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT(OK "X: a\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_CR, TEXT("HTTP/1.1 200 O\rK\r\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_CR, TEXT(OK "X: a\rb\r\n\r\n")},
    {"RFC 9112 5.2", H1_FAULT_FOLDED, TEXT(OK "X: a\r\n b\r\n\r\n")},
    {"RFC 9112 5.1", H1_FAULT_NAME_BLANK, TEXT(OK "Content-Length : 5\r\n\r\n")},
    {"RFC 9110 5.5", H1_FAULT_VALUE, TEXT(OK "X: \0\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(OK "Content-Length: 5, 5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(OK "Content-Length: -5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH_TWICE,
     TEXT(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH_AND_CODING,
     TEXT(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_CODING_UNKNOWN, TEXT(OK "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(OK "Transfer-Encoding: gzip\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_CODING_VERSION,
     TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED, TEXT(OK "Connection: content-length\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_CONNECTION, TEXT(OK "Connection: a b\r\n\r\n")},
    {"RFC 9110 7.8", H1_FAULT_UPGRADE,
     TEXT(SWITCH "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")},
    {"RFC 6585 5", H1_FAULT_HEADERS_MANY,
     TEXT(OK "A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n")},
};

START_TEST(test_refusals)
{
    const struct h1_asked asked = {.method = H1_GET};
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct h1_response response;
        uint32_t scanned = 0;
        const struct slice text = refusals[i].text;
        ck_assert_msg(parse(text, text.size, asked, &scanned, &response) == H1_BAD,
                      "%s: accepted: %s", refusals[i].section, text.data);
        ck_assert_msg(response.head.fault == refusals[i].fault, "%s: %s: %s", refusals[i].section,
                      h1_fault_name(response.head.fault), text.data);
        assert_splits(text, asked, H1_BAD, &response);
    }
}
END_TEST

static const struct {
    const char *section;
    struct slice text;
    enum h1_method method;
    int status;
    const char *reason;
    enum h1_framing framing;
    uint64_t content_length;
    bool keep_alive;
} acceptances[] = {
    {"RFC 9112 6.3", TEXT(OK "Content-Length: 5\r\n\r\nhello"), H1_GET, 200, "OK", H1_BODY_LENGTH,
     5, true},
    {"RFC 9112 6.3", TEXT(OK "Content-Length: 0\r\n\r\n"), H1_GET, 200, "OK", H1_BODY_NONE, 0,
     true},
    {"RFC 9112 6.3", TEXT(OK "Transfer-Encoding: chunked\r\n\r\n"), H1_GET, 200, "OK",
     H1_BODY_CHUNKED, 0, true},
    {"RFC 9112 6.3", TEXT(OK "\r\n"), H1_GET, 200, "OK", H1_BODY_UNTIL_CLOSE, 0, false},
    {"RFC 9112 6.3", TEXT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), H1_GET, 304,
     "Not Modified", H1_BODY_NONE, 0, true},
    {"RFC 9112 6.3", TEXT("HTTP/1.1 304 \r\n\r\n"), H1_GET, 304, "", H1_BODY_NONE, 0, true},
    {"RFC 9112 6.3", TEXT(OK "Content-Length: 5\r\n\r\n"), H1_HEAD, 200, "OK", H1_BODY_NONE, 0,
     true},
    {"RFC 9112 6.3", TEXT(OK "Transfer-Encoding: chunked\r\n\r\n"), H1_HEAD, 200, "OK",
     H1_BODY_NONE, 0, true},
    {"RFC 9112 6.3", TEXT(OK "\r\n"), H1_HEAD, 200, "OK", H1_BODY_NONE, 0, true},
    {"RFC 9110 15.3.5", TEXT("HTTP/1.1 204 No Content\r\n\r\n"), H1_GET, 204, "No Content",
     H1_BODY_NONE, 0, true},
    {"RFC 9110 8.6", TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), H1_GET, 204,
     "No Content", H1_BODY_NONE, 0, true},
    {"RFC 9110 8.6", TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), H1_GET, 204,
     "No Content", H1_BODY_NONE, 0, false},
    {"RFC 9112 6.1", TEXT("HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n"), H1_GET, 103,
     "Early", H1_BODY_NONE, 0, false},
    {"RFC 9110 15.2", TEXT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), H1_POST, 100,
     "Continue", H1_BODY_NONE, 0, true},
    {"RFC 9110 9.3.6", TEXT(OK "Content-Length: 5\r\n\r\n"), H1_CONNECT, 200, "OK",
     H1_BODY_UNTIL_CLOSE, 0, false},
    {"RFC 9110 9.3.6", TEXT("HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n"), H1_CONNECT, 403, "No",
     H1_BODY_LENGTH, 5, true},
    {"RFC 9112 9.3", TEXT(OK "Content-Length: 5\r\nConnection: close\r\n\r\n"), H1_GET, 200, "OK",
     H1_BODY_LENGTH, 5, false},
    {"RFC 9112 9.3", TEXT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"), H1_GET, 200, "OK",
     H1_BODY_LENGTH, 5, false},
    {"RFC 9112 9.3", TEXT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"),
     H1_GET, 200, "OK", H1_BODY_LENGTH, 5, true},
    {"RFC 9112 9.3", TEXT("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"), H1_GET, 200, "OK",
     H1_BODY_UNTIL_CLOSE, 0, false},
    {"RFC 9110 2.5", TEXT("HTTP/1.2 599 \xe4\t b\r\nContent-Length: 1\r\n\r\n"), H1_GET, 599,
     "\xe4\t b", H1_BODY_LENGTH, 1, true},
};

START_TEST(test_acceptances)
{
    for (size_t i = 0; i < COUNT_OF(acceptances); i++) {
        struct h1_response response;
        uint32_t scanned = 0;
        const struct slice text = acceptances[i].text;
        const struct h1_asked asked = {.method = acceptances[i].method};
        ck_assert_msg(parse(text, text.size, asked, &scanned, &response) == H1_DONE, "%s: %s: %s",
                      acceptances[i].section, h1_fault_name(response.head.fault), text.data);
        ck_assert_int_eq(response.status, acceptances[i].status);
        ck_assert(slice_is(h1_slice(text.data, response.reason), acceptances[i].reason));
        ck_assert_msg(response.head.framing == acceptances[i].framing, "%s", text.data);
        ck_assert_msg(response.head.content_length == acceptances[i].content_length, "%s",
                      text.data);
        ck_assert_msg(response.head.keep_alive == acceptances[i].keep_alive, "%s", text.data);
        assert_splits(text, asked, H1_DONE, &response);
    }
}
END_TEST

/* RFC 9110 8.6: a length that must not be there is not passed on; one that may be, is. */
START_TEST(test_claims_dropped)
{
    static const struct {
        struct slice text;
        uint8_t flags;
    } rows[] = {
        {TEXT("HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n"), H1_DROP},
        {TEXT("HTTP/1.1 103 E\r\nTransfer-Encoding: chunked\r\n\r\n"), H1_DROP},
        {TEXT("HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n"), 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_response response;
        uint32_t scanned = 0;
        ck_assert_int_eq(parse(rows[i].text, rows[i].text.size, (struct h1_asked){.method = H1_GET},
                               &scanned, &response),
                         H1_DONE);
        ck_assert_uint_eq(response.head.headers[0].flags, rows[i].flags);
        ck_assert_uint_eq(response.head.dropping, rows[i].flags != 0);
    }
}
END_TEST

/* RFC 9110 7.8: a switch of protocols needs the question, the version, and both fields. */
START_TEST(test_switch)
{
    static const struct {
        struct slice text;
        enum h1_result result;
    } rows[] = {
        {TEXT(SWITCH "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"), H1_DONE},
        {TEXT(SWITCH "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n"),
         H1_DONE},
        {TEXT(SWITCH "Upgrade: websocket\r\n\r\n"), H1_BAD},
        {TEXT(SWITCH "Connection: upgrade\r\n\r\n"), H1_BAD},
        {TEXT("HTTP/1.0 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"), H1_BAD},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct h1_asked asked = {.method = H1_GET, .upgrade = true};
        struct h1_response response;
        uint32_t scanned = 0;
        ck_assert_int_eq(parse(rows[i].text, rows[i].text.size, asked, &scanned, &response),
                         rows[i].result);
        if (rows[i].result == H1_DONE) {
            ck_assert_uint_eq(response.head.framing, H1_BODY_UNTIL_CLOSE);
            ck_assert(!response.head.keep_alive);
        }
        assert_splits(rows[i].text, asked, rows[i].result, &response);
    }
}
END_TEST

START_TEST(test_limit)
{
    char text[1024];
    memset(text, 'a', sizeof(text));
    memcpy(text, OK "X: ", strlen(OK "X: "));
    const struct slice endless = {text, sizeof(text)};
    const struct h1_asked asked = {.method = H1_GET};
    struct h1_response response;
    uint32_t scanned = 0;
    ck_assert_int_eq(parse(endless, limits.head_bytes_max - 1, asked, &scanned, &response),
                     H1_MORE);
    ck_assert_uint_eq(scanned, limits.head_bytes_max - 1);
    ck_assert_int_eq(parse(endless, limits.head_bytes_max, asked, &scanned, &response), H1_BAD);
    ck_assert_uint_eq(response.head.fault, H1_FAULT_HEAD_LONG);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_refusals);
    tcase_add_test(c, test_acceptances);
    tcase_add_test(c, test_claims_dropped);
    tcase_add_test(c, test_switch);
    tcase_add_test(c, test_limit);
}

UNIT_MAIN(tests)
