/*
 * Request heads, section by section: what is refused and why, what is accepted and how it reads.
 * Each text is parsed whole, cut in two at every place, and byte by byte, from memory that ends
 * where the bytes do.
 */
#include <stdio.h>

#include "base/check.h"
#include "proto/h1.h"
#include "unit.h"

static const struct h1_limits limits = {
    .head_bytes_max = 1024, .headers_max = 8, .target_bytes_max = 256};

/* Parses a copy of exactly `size` bytes, so that a sanitizer sees any look past them. */
static enum h1_result parse(const char *data, size_t size, uint32_t *scanned,
                            struct h1_request *request)
{
    char *copy = malloc(size + 1);
    memcpy(copy + 1, data, size); /* And at an odd address. */
    const enum h1_result result = h1_parse_request(copy + 1, size, &limits, scanned, request);
    free(copy);
    return result;
}

static enum h1_result parse_whole(struct slice text, struct h1_request *request)
{
    uint32_t scanned = 0;
    return parse(text.data, text.size, &scanned, request);
}

/* Two requests read alike. */
static void assert_same(const struct h1_request *a, const struct h1_request *b)
{
    ck_assert_uint_eq(a->method, b->method);
    ck_assert_uint_eq(a->form, b->form);
    ck_assert_uint_eq(a->expect_100, b->expect_100);
    ck_assert_uint_eq(a->te_trailers, b->te_trailers);
    ck_assert_uint_eq(a->upgrade, b->upgrade);
    ck_assert_int_eq(a->max_forwards, b->max_forwards);
    ck_assert_mem_eq(&a->path, &b->path, sizeof(a->path));
    ck_assert_mem_eq(&a->host, &b->host, sizeof(a->host));
    ck_assert_uint_eq(a->head.seen, b->head.seen);
    ck_assert_uint_eq(a->head.size, b->head.size);
    ck_assert_uint_eq(a->head.count, b->head.count);
    ck_assert_uint_eq(a->head.framing, b->head.framing);
    ck_assert_uint_eq(a->head.content_length, b->head.content_length);
    ck_assert_uint_eq(a->head.keep_alive, b->head.keep_alive);
    for (size_t i = 0; i < a->head.count; i++) {
        const struct h1_header *one = &a->head.headers[i];
        const struct h1_header *two = &b->head.headers[i];
        ck_assert(one->name_at == two->name_at && one->name_size == two->name_size);
        ck_assert(one->value_at == two->value_at && one->value_size == two->value_size);
        ck_assert(one->id == two->id && one->flags == two->flags);
    }
}

/* Every way of cutting `text` in two, and byte by byte: the verdict stays. */
static void assert_splits(struct slice text, enum h1_result expected,
                          const struct h1_request *whole)
{
    struct h1_request request;
    for (size_t cut = 0; cut <= text.size; cut++) {
        uint32_t scanned = 0;
        enum h1_result result = parse(text.data, cut, &scanned, &request);
        if (result == H1_MORE) {
            const bool line_ends = memchr(text.data + cut, '\n', text.size - cut) != NULL;
            result = parse(text.data, text.size, &scanned, &request);
            if (expected == H1_BAD && result == H1_MORE) {
                ck_assert(cut > 0 && !line_ends);
                continue;
            }
        }
        ck_assert_msg(result == expected, "cut at %zu of: %s", cut, text.data);
        ck_assert_uint_eq(request.head.fault, whole->head.fault);
        if (result == H1_DONE) {
            ck_assert(cut == 0 || cut >= whole->head.size || scanned > 0);
            assert_same(&request, whole);
        }
    }
    uint32_t scanned = 0;
    enum h1_result result = H1_MORE;
    for (size_t size = 0; size <= text.size && result == H1_MORE; size++) {
        result = parse(text.data, size, &scanned, &request);
        ck_assert(result != H1_DONE || size == whole->head.size);
    }
    ck_assert(result == expected || (expected == H1_BAD && text.data[text.size - 1] != '\n'));
}

struct refusal {
    const char *section;
    enum h1_fault fault;
    struct slice text;
};

#define H    "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
/* A string's bytes, its zeros included. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

static const struct refusal refusals[] = {
    /* Lines */
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT("GET / HTTP/1.1\n" H "\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT(GET "Host: a\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT(GET H "\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT(GET H "X\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT("\nGET / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT("GET /\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_LF, TEXT("GET / HTTP/1\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_CR, TEXT(GET "Host: a\rX: b\r\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_CR, TEXT(GET H "\rX\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_CR, TEXT(GET "Host: a\r\r\n\r\n")},
    {"RFC 9112 2.2", H1_FAULT_BARE_CR, TEXT("\rGET / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.2", H1_FAULT_EMPTY_LINES, TEXT("\r\n\r\n" GET H "\r\n")},
    {"RFC 9112 2.2", H1_FAULT_FOLDED, TEXT(GET " " H "\r\n")},
    /* Request line */
    {"RFC 9112 3", H1_FAULT_METHOD, TEXT(" GET / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_METHOD, TEXT("G(T / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_METHOD, TEXT("\x16\x03\x01\x02")},
    {"RFC 9112 3.1", H1_FAULT_METHOD, TEXT("get / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.1", H1_FAULT_METHOD, TEXT("Post / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_METHOD_LONG,
     TEXT("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_REQUEST_LINE, TEXT("GET  / HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_REQUEST_LINE, TEXT("GET /  HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_REQUEST_LINE, TEXT("GET / HTTP/1.1 \r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_REQUEST_LINE, TEXT("GET / HTTP/1.1\rX" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_REQUEST_LINE, TEXT("GET /\r\n\r\n")},
    {"RFC 9112 3", H1_FAULT_REQUEST_LINE, TEXT("GET\r\n\r\n")},
    {"RFC 9112 3", H1_FAULT_METHOD, TEXT("GET\t/ HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_TARGET, TEXT("GET /\tHTTP/1.1\r\n" H "\r\n")},
    /* Version */
    {"RFC 9112 2.3", H1_FAULT_VERSION, TEXT("GET / http/1.1\r\n" H "\r\n")},
    {"RFC 9112 2.3", H1_FAULT_VERSION, TEXT("GET / HTTP/1\r\n" H "\r\n")},
    {"RFC 9112 2.3", H1_FAULT_VERSION, TEXT("GET / HTTP/1.10\r\n" H "\r\n")},
    {"RFC 9112 2.3", H1_FAULT_VERSION, TEXT("GET / HTTP/01.1\r\n" H "\r\n")},
    {"RFC 9112 2.3", H1_FAULT_VERSION, TEXT("GET / HTTP/1,1\r\n" H "\r\n")},
    {"RFC 9112 2.3", H1_FAULT_VERSION, TEXT("GET / HTTPS/1.1\r\n" H "\r\n")},
    {"RFC 9112 3", H1_FAULT_VERSION, TEXT("GET / x HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9110 15.6.6", H1_FAULT_VERSION_MAJOR, TEXT("GET / HTTP/2.0\r\n" H "\r\n")},
    {"RFC 9110 15.6.6", H1_FAULT_VERSION_MAJOR, TEXT("GET / HTTP/0.9\r\n" H "\r\n")},
    {"RFC 9113 3.4", H1_FAULT_VERSION_MAJOR, TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    /* Target */
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET a HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET ?a HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /a#b HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /a?b#c HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /a\"b HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /<b> HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /a\\b HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /a\x7f HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /a\0 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET, TEXT("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_TARGET,
     TEXT("GET /0123456789abcdef0123456789\x01"
          "bcdef HTTP/1.1\r\n" H "\r\n")},
    {"RFC 3986 2.1", H1_FAULT_TARGET, TEXT("GET /%zz HTTP/1.1\r\n" H "\r\n")},
    {"RFC 3986 2.1", H1_FAULT_TARGET, TEXT("GET /%4 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.1", H1_FAULT_TARGET, TEXT("GET * HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.4", H1_FAULT_TARGET, TEXT("OPTIONS *a HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.2", H1_FAULT_TARGET, TEXT("GET http:///a HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.2", H1_FAULT_TARGET, TEXT("GET http:/a HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.2", H1_FAULT_TARGET, TEXT("GET ftp://a/ HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.2", H1_FAULT_TARGET, TEXT("GET http://a:b/ HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9110 4.2.4", H1_FAULT_TARGET, TEXT("GET http://u@a/ HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.3", H1_FAULT_TARGET, TEXT("CONNECT a HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.3", H1_FAULT_TARGET, TEXT("CONNECT a:0 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.3", H1_FAULT_TARGET, TEXT("CONNECT a: HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.3", H1_FAULT_TARGET, TEXT("CONNECT a:65536 HTTP/1.1\r\n" H "\r\n")},
    {"RFC 9112 3.2.3", H1_FAULT_TARGET, TEXT("CONNECT /a HTTP/1.1\r\n" H "\r\n")},
    /* Fields */
    {"RFC 9112 5.1", H1_FAULT_NAME_BLANK, TEXT(GET "Host : a\r\n\r\n")},
    {"RFC 9112 5.1", H1_FAULT_NAME_BLANK, TEXT(GET H "X\t: a\r\n\r\n")},
    {"RFC 9112 5.1", H1_FAULT_NAME_BLANK, TEXT(GET H "X Y: a\r\n\r\n")},
    {"RFC 9112 5.2", H1_FAULT_FOLDED, TEXT(GET H "X: a\r\n b\r\n\r\n")},
    {"RFC 9112 5.2", H1_FAULT_FOLDED, TEXT(GET H "X: a\r\n\tb\r\n\r\n")},
    {"RFC 9112 5.2", H1_FAULT_FOLDED, TEXT(GET H " \r\n\r\n")},
    {"RFC 9110 5.1", H1_FAULT_NAME, TEXT(GET H ": a\r\n\r\n")},
    {"RFC 9110 5.1", H1_FAULT_NAME, TEXT(GET H "X(: a\r\n\r\n")},
    {"RFC 9110 5.1", H1_FAULT_NAME, TEXT(GET H "X\0: a\r\n\r\n")},
    {"RFC 9110 5.1", H1_FAULT_NAME, TEXT(GET H "X\xe4: a\r\n\r\n")},
    {"RFC 9110 5.1", H1_FAULT_NAME, TEXT(GET H "Line-without-colon\r\n\r\n")},
    {"RFC 9110 5.5", H1_FAULT_VALUE, TEXT(GET H "X: a\0b\r\n\r\n")},
    {"RFC 9110 5.5", H1_FAULT_VALUE, TEXT(GET H "X: \x01\r\n\r\n")},
    {"RFC 9110 5.5", H1_FAULT_VALUE, TEXT(GET H "X: a\x7f\r\n\r\n")},
    {"RFC 9110 5.5", H1_FAULT_VALUE,
     TEXT(GET H "X: 0123456789abcdef0123456789abcdef\x0b"
                "0123456789abcdef\r\n\r\n")},
    {"CGI", H1_FAULT_NAME_LOOKALIKE, TEXT(POST "Content_Length: 1\r\n\r\n")},
    {"CGI", H1_FAULT_NAME_LOOKALIKE, TEXT(POST "Transfer_Encoding: chunked\r\n\r\n")},
    {"CGI", H1_FAULT_NAME_LOOKALIKE, TEXT(POST "X_Forwarded-For: 1.2.3.4\r\n\r\n")},
    {"RFC 6585 5", H1_FAULT_HEADERS_MANY,
     TEXT(GET H "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8\r\n\r\n")},
    /* Host */
    {"RFC 9112 3.2", H1_FAULT_HOST_MISSING, TEXT(GET "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST_MISSING, TEXT("GET http://a/ HTTP/1.1\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST_TWICE, TEXT(GET H H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST_TWICE, TEXT(GET H "hOST: b\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST_TWICE, TEXT("GET / HTTP/1.0\r\n" H H "\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST, TEXT(GET "Host:\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST, TEXT(GET "Host: a, b\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST, TEXT(GET "Host: a b\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST, TEXT(GET "Host: a/b\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST, TEXT(GET "Host: u@a\r\n\r\n")},
    {"RFC 9112 3.2", H1_FAULT_HOST, TEXT("GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n")},
    /* Framing */
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: +5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: -1\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length:\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 0x5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 5 5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 5, 5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 5,6\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 5;\r\n\r\n")},
    {"RFC 9110 8.6", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 9223372036854775808\r\n\r\n")},
    {"RFC 9110 8.6", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 18446744073709551617\r\n\r\n")},
    {"RFC 9110 8.6", H1_FAULT_LENGTH, TEXT(POST "Content-Length: 00000000000000000005\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH_TWICE,
     TEXT(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_LENGTH_TWICE,
     TEXT(POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_LENGTH_AND_CODING,
     TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_LENGTH_AND_CODING,
     TEXT(POST "Transfer-Encoding: x\r\nContent-Length: 5\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_CODING_VERSION,
     TEXT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_CODING_TWICE,
     TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: identity\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding:\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: chunked;a=b\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: chunked, gzip\r\n\r\n")},
    {"RFC 9112 6.3", H1_FAULT_CODING, TEXT(POST "Transfer-Encoding: , chunked\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_CODING_UNKNOWN,
     TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {"RFC 9112 6.1", H1_FAULT_VALUE,
     TEXT(POST "Transfer-Encoding: \x0b"
               "chunked\r\n\r\n")},
    {"RFC 9110 9.3.8", H1_FAULT_BODY, TEXT("TRACE / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n")},
    {"RFC 9110 9.3.6", H1_FAULT_BODY,
     TEXT("CONNECT a:1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n")},
    /* Connection, Expect, Max-Forwards */
    {"RFC 9110 7.6.1", H1_FAULT_CONNECTION, TEXT(GET H "Connection: a b\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_CONNECTION, TEXT(GET H "Connection: close;x\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_CONNECTION,
     TEXT(GET H "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n"
                "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED, TEXT(GET H "Connection: host\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED,
     TEXT(POST "Connection: close, Content-Length\r\nContent-Length: 3\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED,
     TEXT(POST "Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED, TEXT(GET H "Connection: Authorization\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED, TEXT(GET H "Connection: X-Forwarded-For\r\n\r\n")},
    {"RFC 9110 7.6.1", H1_FAULT_NOMINATED, TEXT(GET H "Connection: cookie\r\n\r\n")},
    {"RFC 9110 10.1.1", H1_FAULT_EXPECT, TEXT(POST "Expect: 200-ok\r\n\r\n")},
    {"RFC 9110 10.1.1", H1_FAULT_EXPECT, TEXT(POST "Expect: 100-continue, x\r\n\r\n")},
    {"RFC 9110 10.1.1", H1_FAULT_EXPECT,
     TEXT(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n")},
    {"RFC 9110 7.6.2", H1_FAULT_MAX_FORWARDS,
     TEXT("TRACE / HTTP/1.1\r\n" H "Max-Forwards: x\r\n\r\n")},
    {"RFC 9110 7.6.2", H1_FAULT_MAX_FORWARDS,
     TEXT("OPTIONS * HTTP/1.1\r\n" H "Max-Forwards: 9999999999\r\n\r\n")},
    {"RFC 9110 7.6.2", H1_FAULT_MAX_FORWARDS,
     TEXT("OPTIONS * HTTP/1.1\r\n" H "Max-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n")},
};

START_TEST(test_refusals)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *row = &refusals[i];
        struct h1_request request;
        ck_assert_msg(parse_whole(row->text, &request) == H1_BAD, "%s: accepted: %s", row->section,
                      row->text.data);
        ck_assert_msg(request.head.fault == row->fault, "%s: %s, not %s: %s", row->section,
                      h1_fault_name(request.head.fault), h1_fault_name(row->fault), row->text.data);
        assert_splits(row->text, H1_BAD, &request);
    }
}
END_TEST

struct acceptance {
    const char *section;
    struct slice text;
    enum h1_method method;
    enum h1_form form;
    const char *path;
    const char *host;
    enum h1_framing framing;
    uint64_t content_length;
    bool keep_alive;
};

static const struct acceptance acceptances[] = {
    {"RFC 9112 3", TEXT(GET H "\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "a", H1_BODY_NONE, 0, true},
    {"RFC 9112 2.2", TEXT("\r\n" GET H "\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "a", H1_BODY_NONE, 0,
     true},
    {"RFC 9110 2.5", TEXT("GET / HTTP/1.7\r\n" H "\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_NONE, 0, true},
    {"RFC 9112 9.3", TEXT(GET H "Connection: close\r\n\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_NONE, 0, false},
    {"RFC 9112 9.3", TEXT(GET H "Connection: keep-alive, CLOSE\r\n\r\n"), H1_GET, H1_FORM_ORIGIN,
     "/", "a", H1_BODY_NONE, 0, false},
    {"RFC 9112 9.3", TEXT("GET / HTTP/1.0\r\n\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "", H1_BODY_NONE,
     0, false},
    {"RFC 9112 9.3", TEXT("GET / HTTP/1.0\r\nConnection: , Keep-Alive ,\r\n\r\n"), H1_GET,
     H1_FORM_ORIGIN, "/", "", H1_BODY_NONE, 0, true},
    {"RFC 9112 5", TEXT(GET "Host:a\r\nX:\r\nY: \t b \t \r\n\r\n"), H1_GET, H1_FORM_ORIGIN, "/",
     "a", H1_BODY_NONE, 0, true},
    {"RFC 9110 5.5", TEXT(GET H "X: \xe4\tb \"c\"\r\n\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_NONE, 0, true},
    {"RFC 9110 5.1", TEXT(GET H "!#$%&'*+-.^_`|~0aZ: 1\r\nA_long_name_with_underscores: 1\r\n\r\n"),
     H1_GET, H1_FORM_ORIGIN, "/", "a", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.1", TEXT("GET /a/%c3%A4;b=c?d=[{|}]&e=%&f=?\\^` HTTP/1.1\r\n" H "\r\n"), H1_GET,
     H1_FORM_ORIGIN, "/a/%c3%A4;b=c?d=[{|}]&e=%&f=?\\^`", "a", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.1", TEXT("GET //a/../b:@!$'()*+,;=~ HTTP/1.1\r\n" H "\r\n"), H1_GET,
     H1_FORM_ORIGIN, "//a/../b:@!$'()*+,;=~", "a", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.2", TEXT("GET http://b:80/c?d HTTP/1.1\r\n" H "\r\n"), H1_GET, H1_FORM_ABSOLUTE,
     "/c?d", "b:80", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.2", TEXT("GET HTTPS://[::1]?d HTTP/1.1\r\n" H "\r\n"), H1_GET, H1_FORM_ABSOLUTE,
     "?d", "[::1]", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.4", TEXT("OPTIONS http://b HTTP/1.1\r\n" H "\r\n"), H1_OPTIONS, H1_FORM_ABSOLUTE,
     "", "b", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.4", TEXT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), H1_OPTIONS, H1_FORM_ASTERISK, "*",
     "a", H1_BODY_NONE, 0, true},
    {"RFC 9112 3.2.3", TEXT("CONNECT b:443 HTTP/1.1\r\n" H "\r\n"), H1_CONNECT, H1_FORM_AUTHORITY,
     "", "b:443", H1_BODY_NONE, 0, true},
    {"RFC 9110 9.1", TEXT("PURGE / HTTP/1.1\r\n" H "\r\n"), H1_METHOD_OTHER, H1_FORM_ORIGIN, "/",
     "a", H1_BODY_NONE, 0, true},
    {"RFC 9112 6.2", TEXT(POST "Content-Length: 5\r\n\r\nhello"), H1_POST, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_LENGTH, 5, true},
    {"RFC 9112 6.2", TEXT(POST "Content-Length: \t005 \r\n\r\n"), H1_POST, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_LENGTH, 5, true},
    {"RFC 9112 6.2", TEXT(POST "Content-Length: 9223372036854775807\r\n\r\n"), H1_POST,
     H1_FORM_ORIGIN, "/", "a", H1_BODY_LENGTH, INT64_MAX, true},
    {"RFC 9112 6.2", TEXT(POST "Content-Length: 0\r\n\r\n"), H1_POST, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_NONE, 0, true},
    {"RFC 9110 9.3.1", TEXT(GET H "Content-Length: 7\r\n\r\n"), H1_GET, H1_FORM_ORIGIN, "/", "a",
     H1_BODY_LENGTH, 7, true},
    {"RFC 9112 7.1", TEXT(POST "transfer-ENCODING:  Chunked\t\r\n\r\n"), H1_POST, H1_FORM_ORIGIN,
     "/", "a", H1_BODY_CHUNKED, 0, true},
    {"RFC 9110 9.3.2", TEXT("HEAD / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     H1_HEAD, H1_FORM_ORIGIN, "/", "a", H1_BODY_CHUNKED, 0, true},
};

START_TEST(test_acceptances)
{
    for (size_t i = 0; i < COUNT_OF(acceptances); i++) {
        const struct acceptance *row = &acceptances[i];
        const char *data = row->text.data;
        struct h1_request request;
        ck_assert_msg(parse_whole(row->text, &request) == H1_DONE, "%s: %s: %s", row->section,
                      h1_fault_name(request.head.fault), data);
        ck_assert_msg(request.method == row->method, "%s", data);
        ck_assert_msg(request.form == row->form, "%s", data);
        ck_assert_msg(slice_is(h1_slice(data, request.path), row->path), "%s", data);
        ck_assert_msg(slice_is(h1_slice(data, request.host), row->host), "%s", data);
        ck_assert_msg(request.head.framing == row->framing, "%s", data);
        ck_assert_msg(request.head.content_length == row->content_length, "%s", data);
        ck_assert_msg(request.head.keep_alive == row->keep_alive, "%s", data);
        ck_assert_msg(memcmp(data + request.head.size - 4, "\r\n\r\n", 4) == 0, "%s", data);
        assert_splits(row->text, H1_DONE, &request);
    }
}
END_TEST

static void parse_done(const char *text, struct h1_request *request)
{
    ck_assert_msg(parse_whole(slice_of(text), request) == H1_DONE, "%s: %s",
                  h1_fault_name(request->head.fault), text);
}

START_TEST(test_headers)
{
    struct h1_request request;
    const char *text = "\r\nPOST /x HTTP/1.1\r\nhost: a\r\nX-Long-Name-Of-Somebody: some words \r\n"
                       "Keep-Alive: 5\r\nContent-Length: 2\r\n\r\nab";
    parse_done(text, &request);
    const struct h1_head *head = &request.head;
    ck_assert_uint_eq(head->start, 2);
    ck_assert_uint_eq(head->minor, 1);
    ck_assert_uint_eq(head->count, 4);
    ck_assert_uint_eq(head->fields_at, head->headers[0].name_at);
    ck_assert_uint_eq(head->fields_end + 2U, head->size);
    ck_assert_str_eq(text + head->size, "ab");
    ck_assert(slice_is(h1_slice(text, request.method_text), "POST"));
    ck_assert(slice_is(h1_slice(text, request.target), "/x"));
    ck_assert(slice_is(h1_name(text, &head->headers[1]), "X-Long-Name-Of-Somebody"));
    ck_assert(slice_is(h1_value(text, &head->headers[1]), "some words"));
    ck_assert_uint_eq(head->headers[1].id, H1_ID_OTHER);
    ck_assert_ptr_eq(h1_find(head, H1_ID_KEEP_ALIVE), &head->headers[2]);
    ck_assert_uint_eq(head->headers[2].flags, H1_DROP);
    ck_assert(head->dropping);
    ck_assert_ptr_null(h1_find(head, H1_ID_VIA));
}
END_TEST

/* RFC 9110 7.6.1: what Connection nominates goes, whether it comes before or after. */
START_TEST(test_nominated)
{
    struct h1_request request;
    parse_done(GET "X-One: 1\r\nConnection: x-TWO, x-one\r\n" H "X-Two: 2\r\nX-Three: 3\r\n\r\n",
               &request);
    const uint8_t flags[] = {H1_DROP, H1_DROP, 0, H1_DROP, 0};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        ck_assert_uint_eq(request.head.headers[i].flags, flags[i]);
    }
    parse_done(GET H "X-One: 1\r\n\r\n", &request);
    ck_assert(!request.head.dropping);
}
END_TEST

/* RFC 9110 7.8 */
START_TEST(test_upgrade)
{
    static const struct {
        const char *text;
        const char *protocol;
    } rows[] = {
        {GET H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "websocket"},
        {GET H "Connection: keep-alive, upgrade\r\nUpgrade: foo/2, bar\r\n\r\n", "foo/2, bar"},
        {GET H "Connection: upgrade\r\n\r\n", NULL},
        {GET H "Upgrade: websocket\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: TLS/1.2\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: h2\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: a b\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: a/\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: /a\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: ,\r\n\r\n", NULL},
        {GET H "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", NULL},
        {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", NULL},
        {POST "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n", NULL},
        {"CONNECT a:1 HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_request request;
        parse_done(rows[i].text, &request);
        ck_assert_msg(request.upgrade == (rows[i].protocol != NULL), "%s", rows[i].text);
        const struct slice protocol = h1_slice(rows[i].text, request.protocol);
        ck_assert(slice_is(protocol, rows[i].protocol == NULL ? "" : rows[i].protocol));
    }
}
END_TEST

/* RFC 9110 10.1.1 */
START_TEST(test_expect)
{
    static const struct {
        const char *text;
        bool expect;
        bool drop;
    } rows[] = {
        {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true, false},
        {POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", true, false},
        {POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", false, true},
        {GET H "Expect: 100-continue\r\n\r\n", false, true},
        {"POST / HTTP/1.0\r\n" H "Expect: anything\r\nContent-Length: 1\r\n\r\n", false, true},
        {POST "Content-Length: 1\r\n\r\n", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct h1_request request;
        parse_done(rows[i].text, &request);
        ck_assert_msg(request.expect_100 == rows[i].expect, "%s", rows[i].text);
        const struct h1_header *header = h1_find(&request.head, H1_ID_EXPECT);
        ck_assert((header != NULL && header->flags == H1_DROP) == rows[i].drop);
    }
}
END_TEST

/* RFC 9110 7.6.2, 10.1.4 */
START_TEST(test_max_forwards_and_te)
{
    struct h1_request request;
    parse_done("TRACE / HTTP/1.1\r\n" H "Max-Forwards: 0\r\n\r\n", &request);
    ck_assert_int_eq(request.max_forwards, 0);
    parse_done("OPTIONS / HTTP/1.1\r\n" H "Max-Forwards: 10\r\n\r\n", &request);
    ck_assert_int_eq(request.max_forwards, 10);
    parse_done(GET H "Max-Forwards: word\r\n\r\n", &request);
    ck_assert_int_eq(request.max_forwards, -1);
    ck_assert(!request.te_trailers);
    parse_done(GET H "TE: gzip;q=0.5, Trailers\r\nConnection: te\r\n\r\n", &request);
    ck_assert(request.te_trailers && request.head.headers[1].flags == H1_DROP);
    parse_done("GET / HTTP/1.0\r\nTE: trailers\r\n\r\n", &request);
    ck_assert(!request.te_trailers);
}
END_TEST

/* Limits: exactly as much as is allowed passes, one byte more does not, however it arrives. */
START_TEST(test_limits)
{
    char text[2048];
    struct h1_request request;
    for (size_t extra = 0; extra <= 1; extra++) {
        const int fill = (int)(limits.head_bytes_max + extra - strlen(GET H "X: \r\n\r\n"));
        int size = snprintf(text, sizeof(text), GET H "X: %0*d\r\n\r\n", fill, 1);
        ck_assert_uint_eq((size_t)size, limits.head_bytes_max + extra);
        const struct slice head = {text, (size_t)size};
        const enum h1_result expected = extra == 0 ? H1_DONE : H1_BAD;
        ck_assert_int_eq(parse_whole(head, &request), expected);
        ck_assert(extra == 0 || request.head.fault == H1_FAULT_HEAD_LONG);
        assert_splits(head, expected, &request);

        size = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n" H "\r\n",
                        (int)(limits.target_bytes_max - 1 + extra), 0);
        const struct slice target = {text, (size_t)size};
        ck_assert_int_eq(parse_whole(target, &request), expected);
        ck_assert(extra == 0 || request.head.fault == H1_FAULT_TARGET_LONG);
        assert_splits(target, expected, &request);

        size = snprintf(text, sizeof(text), GET H "%0*d: 1\r\n\r\n",
                        (int)(H1_NAME_BYTES_MAX + extra), 0);
        const struct slice name = {text, (size_t)size};
        ck_assert_int_eq(parse_whole(name, &request), expected);
        ck_assert(extra == 0 || request.head.fault == H1_FAULT_NAME_LONG);
    }
    /* A head that never ends is refused when the limit is reached, not later. */
    memset(text, 'a', sizeof(text));
    memcpy(text, GET H "X: ", strlen(GET H "X: "));
    uint32_t scanned = 0;
    ck_assert_int_eq(parse(text, limits.head_bytes_max - 1, &scanned, &request), H1_MORE);
    ck_assert_int_eq(parse(text, limits.head_bytes_max, &scanned, &request), H1_BAD);
    ck_assert_uint_eq(request.head.fault, H1_FAULT_HEAD_LONG);
    /* One that fills the limit before its first line ends. */
    const struct h1_limits small = {
        .head_bytes_max = 64, .headers_max = 8, .target_bytes_max = 256};
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    scanned = 0;
    ck_assert_int_eq(h1_parse_request(text, 64, &small, &scanned, &request), H1_BAD);
    ck_assert_uint_eq(request.head.fault, H1_FAULT_TARGET_LONG);
}
END_TEST

/* Every byte at every place of name, value and target: the classes agree with the RFCs. */
START_TEST(test_bytes)
{
    for (int byte = 0; byte < 256; byte++) {
        static const char tchar[] = "!#$%&'*+-.^_`|~";
        const bool alnum = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                           (byte >= 'A' && byte <= 'Z');
        const bool token = alnum || (byte != 0 && strchr(tchar, byte) != NULL);
        const bool value = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        const bool path = byte > ' ' && byte < 0x7f && strchr("\"#<>\\%", byte) == NULL;
        const bool query = byte > ' ' && byte < 0x7f && strchr("\"#<>", byte) == NULL;
        for (size_t at = 0; at < 40; at++) {
            char text[128] = GET H "N0123456789012345678901234567890123456789: "
                                   "0123456789012345678901234567890123456789\r\n\r\n";
            const size_t size = strlen(text);
            const size_t name_at = strlen(GET H) + 1;
            const size_t value_at = name_at + 42;
            struct h1_request request;
            char changed[128];
            memcpy(changed, text, sizeof(text));
            changed[name_at + at] = (char)byte;
            if (byte != ':') {
                ck_assert_int_eq(parse_whole((struct slice){changed, size}, &request),
                                 token ? H1_DONE : H1_BAD);
            }
            memcpy(changed, text, sizeof(text));
            changed[value_at + at] = (char)byte;
            ck_assert_int_eq(parse_whole((struct slice){changed, size}, &request),
                             value ? H1_DONE : H1_BAD);
            char target[128] =
                "GET /0123456789012345678901234567890123456789 HTTP/1.1\r\n" H "\r\n";
            target[5 + at] = (char)byte;
            ck_assert_int_eq(parse_whole((struct slice){target, 67}, &request) == H1_DONE,
                             path || byte == '?' || (byte == '%' && at < 38));
            target[5] = '?';
            target[5 + at] = (char)byte;
            if (at > 0) {
                ck_assert_int_eq(parse_whole((struct slice){target, 67}, &request) == H1_DONE,
                                 query);
            }
        }
    }
}
END_TEST

static const char *const good_hosts[] = {
    "a",
    "a.b-c_d~e",
    "A1.example.",
    "1.2.3.4",
    "1.2.3.4:80",
    "a:",
    "a:0",
    "a:65535",
    "a:00080",
    "[::]",
    "[::1]:443",
    "[1:2:3:4:5:6:7:8]",
    "[1::8]",
    "[1:2:3:4:5:6:7::]",
    "[::2:3:4:5:6:7:8]",
    "[::1.2.3.4]",
    "[1:2:3:4:5:6:1.2.3.4]",
    "[1::1.2.3.4]",
    "[fe80::ABCD:0]:",
};

static const char *const bad_hosts[] = {
    "",
    ":80",
    "a:b",
    "a:65536",
    "a:000080",
    "a:80:80",
    "a b",
    "a/b",
    "a@b",
    "a,b",
    "a%41",
    "a;b",
    "\xc3\xa4",
    "[]",
    "[",
    "[::1",
    "::1",
    "[::1]a",
    "[:1]",
    "[1:]",
    "[1::2::3]",
    "[:::]",
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[12345::]",
    "[g::]",
    "[::1%eth0]",
    "[v1.a]",
    "[1.2.3.4]",
    "[::1.2.3]",
    "[::1.2.3.256]",
    "[::1.2.3.04]",
    "[::1.2.3.4.5]",
    "[1:2:3:4:5:6:7:1.2.3.4]",
    "[1:2:3:4:5:6::1.2.3.4]",
    "[1:2:3:4:5:6:7:8::]",
    "[::1.2.3.]",
    "[::1234.2.3.4]",
    "[::a.2.3.4]",
    "[1 2]",
};

START_TEST(test_host_valid)
{
    for (size_t i = 0; i < COUNT_OF(good_hosts); i++) {
        ck_assert_msg(h1_host_valid(slice_of(good_hosts[i])), "%s", good_hosts[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad_hosts); i++) {
        ck_assert_msg(!h1_host_valid(slice_of(bad_hosts[i])), "%s", bad_hosts[i]);
    }
    char name[257];
    memset(name, 'a', sizeof(name));
    ck_assert(h1_host_valid((struct slice){name, 255}));
    ck_assert(!h1_host_valid((struct slice){name, 256}));
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_refusals);
    tcase_add_test(c, test_acceptances);
    tcase_add_test(c, test_headers);
    tcase_add_test(c, test_nominated);
    tcase_add_test(c, test_upgrade);
    tcase_add_test(c, test_expect);
    tcase_add_test(c, test_max_forwards_and_te);
    tcase_add_test(c, test_limits);
    tcase_add_test(c, test_bytes);
    tcase_add_test(c, test_host_valid);
}

UNIT_MAIN(tests)
