/*
 * The heads that go out: compared byte for byte, then read again.
 */
#include "base/check.h"
#include "proto/h1_rewrite.h"
#include "unit.h"

static const struct h1_limits limits = {
    .head_bytes_max = 1024, .headers_max = 16, .target_bytes_max = 256};

#define H     "Host: a\r\n"
#define PLAIN "GET /x HTTP/1.1\r\nHost: a\r\n"

/* Rewrites `text`; what comes out is a head that reads the same way. */
static void check_request(const char *text, const struct h1_rewrite_request *rewrite,
                          const char *expected)
{
    struct h1_request request;
    uint32_t scanned = 0;
    ck_assert_int_eq(h1_parse_request(text, strlen(text), &limits, &scanned, &request), H1_DONE);
    const size_t bound = h1_rewrite_request_bound(&request, rewrite);
    char *out = malloc(bound + 1);
    ck_assert_uint_eq(h1_rewrite_request(&request, text, rewrite, out, bound - 1), 0);
    const size_t size = h1_rewrite_request(&request, text, rewrite, out, bound);
    out[size] = '\0';
    ck_assert_str_eq(out, expected);

    struct h1_request again;
    scanned = 0;
    ck_assert_int_eq(h1_parse_request(out, size, &limits, &scanned, &again), H1_DONE);
    ck_assert_uint_eq(again.head.size, size);
    ck_assert_uint_eq(again.head.minor, 1);
    ck_assert_uint_eq(again.method, request.method);
    ck_assert_uint_eq(again.head.framing, request.head.framing);
    ck_assert_uint_eq(again.head.content_length, request.head.content_length);
    ck_assert_uint_eq(again.upgrade, request.upgrade);
    free(out);
}

static void check_response(const char *text, struct h1_asked asked,
                           const struct h1_rewrite_response *rewrite, const char *expected)
{
    struct h1_response response;
    uint32_t scanned = 0;
    ck_assert_int_eq(h1_parse_response(text, strlen(text), &limits, asked, &scanned, &response),
                     H1_DONE);
    const size_t bound = h1_rewrite_response_bound(&response, rewrite);
    char *out = malloc(bound + 1);
    ck_assert_uint_eq(h1_rewrite_response(&response, text, rewrite, out, bound - 1), 0);
    const size_t size = h1_rewrite_response(&response, text, rewrite, out, bound);
    out[size] = '\0';
    ck_assert_str_eq(out, expected);
    free(out);
}

START_TEST(test_request_untouched)
{
    const struct h1_rewrite_request nothing = {0};
    check_request(PLAIN "\r\n", &nothing, PLAIN "\r\n");
    check_request(PLAIN "X: \t1 \r\nTransfer-Encoding:  Chunked \r\n\r\n0\r\n\r\n", &nothing,
                  PLAIN "X: \t1 \r\nTransfer-Encoding:  Chunked \r\n\r\n");
    check_request(PLAIN "Content-Length: 007\r\n\r\n", &nothing,
                  PLAIN "Content-Length: 007\r\n\r\n");
    check_request("\r\n" PLAIN "\r\n", &nothing, PLAIN "\r\n");
    check_request("GET /x HTTP/1.5\r\n" H "\r\n", &nothing, PLAIN "\r\n");
    check_request("GET /x HTTP/1.0\r\n" H "\r\n", &nothing, PLAIN "\r\n");
}
END_TEST

/* RFC 9110 7.6.1 */
START_TEST(test_request_hop_by_hop)
{
    const struct h1_rewrite_request nothing = {0};
    check_request("GET /x HTTP/1.1\r\nConnection: x-a, keep-alive\r\n" H "X-A: 1\r\nX-B: 2\r\n"
                  "Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: gzip\r\nX-C: 3\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
                  &nothing, PLAIN "X-B: 2\r\nX-C: 3\r\n\r\n");
    check_request(PLAIN "Connection: upgrade\r\nX: 1\r\nUpgrade: websocket\r\n\r\n", &nothing,
                  PLAIN "X: 1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    check_request(PLAIN "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", &nothing, PLAIN "\r\n");
    check_request(PLAIN "TE: trailers\r\nConnection: te\r\n\r\n", &nothing,
                  PLAIN "Connection: te\r\nTE: trailers\r\n\r\n");
    const struct h1_rewrite_request close = {.close = true};
    check_request(PLAIN "\r\n", &close, PLAIN "Connection: close\r\n\r\n");
    check_request(PLAIN "TE: trailers\r\n\r\n", &close,
                  PLAIN "Connection: close, te\r\nTE: trailers\r\n\r\n");
    check_request(PLAIN "Connection: upgrade\r\nUpgrade: a/1\r\n\r\n", &close,
                  PLAIN "Connection: upgrade\r\nUpgrade: a/1\r\n\r\n");
    check_request("POST /x HTTP/1.0\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
                  &nothing, "POST /x HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n");
}
END_TEST

/* RFC 9112 3.2 */
START_TEST(test_request_target)
{
    const struct h1_rewrite_request rewrite = {.host = SLICE("fallback:80")};
    check_request("GET http://b:8/c?d HTTP/1.1\r\nX: 1\r\n" H "Y: 2\r\n\r\n", &rewrite,
                  "GET /c?d HTTP/1.1\r\nHost: b:8\r\nX: 1\r\nY: 2\r\n\r\n");
    check_request("GET http://b HTTP/1.1\r\n" H "\r\n", &rewrite,
                  "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    check_request("GET http://b?q HTTP/1.0\r\n\r\n", &rewrite,
                  "GET /?q HTTP/1.1\r\nHost: b\r\n\r\n");
    check_request("OPTIONS http://b HTTP/1.1\r\n" H "\r\n", &rewrite,
                  "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n");
    check_request("CONNECT b:443 HTTP/1.1\r\n" H "X: 1\r\n\r\n", &rewrite,
                  "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\nX: 1\r\n\r\n");
    check_request("GET / HTTP/1.0\r\n\r\n", &rewrite,
                  "GET / HTTP/1.1\r\nHost: fallback:80\r\n\r\n");
    check_request("OPTIONS * HTTP/1.1\r\n" H "Max-Forwards: 100\r\n\r\n", &rewrite,
                  "OPTIONS * HTTP/1.1\r\n" H "Max-Forwards: 99\r\n\r\n");
    check_request("TRACE / HTTP/1.1\r\n" H "Max-Forwards: 0\r\n\r\n", &rewrite,
                  "TRACE / HTTP/1.1\r\n" H "Max-Forwards: 0\r\n\r\n");
    check_request("GET / HTTP/1.1\r\n" H "Max-Forwards: 3\r\n\r\n", &rewrite,
                  "GET / HTTP/1.1\r\n" H "Max-Forwards: 3\r\n\r\n");
}
END_TEST

START_TEST(test_request_forwarded)
{
    const struct h1_rewrite_request trusting = {.via = SLICE("nines"),
                                                .client = SLICE("192.0.2.1"),
                                                .scheme = SLICE("https"),
                                                .insert = SLICE("X-Request-Id: 7\r\n"),
                                                .forwarded_host = true};
    check_request(PLAIN "\r\n", &trusting,
                  PLAIN "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
                        "X-Forwarded-Host: a\r\nVia: 1.1 nines\r\nX-Request-Id: 7\r\n\r\n");
    check_request(PLAIN "X-Forwarded-For: 1.1.1.1 \r\nX-Forwarded-Proto: http\r\nVia: 1.0 b\r\n"
                        "Keep-Alive: 1\r\nx-forwarded-for: 2.2.2.2\r\nX-Forwarded-Host: b\r\n\r\n",
                  &trusting,
                  PLAIN "X-Forwarded-For: 1.1.1.1 \r\nX-Forwarded-Proto: http\r\nVia: 1.0 b\r\n"
                        "x-forwarded-for: 2.2.2.2, 192.0.2.1\r\nX-Forwarded-Host: b\r\n"
                        "Via: 1.1 nines\r\nX-Request-Id: 7\r\n\r\n");
    check_request(PLAIN "Keep-Alive: 1\r\nX-Forwarded-For:\r\nKeep-Alive: 1\r\n\r\n",
                  &(struct h1_rewrite_request){.client = SLICE("::1")},
                  PLAIN "X-Forwarded-For:::1\r\n\r\n");
    struct h1_rewrite_request doubting = trusting;
    doubting.forwarded_drop = true;
    doubting.host = SLICE("z");
    check_request("GET /x HTTP/1.0\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1\r\n"
                  "X-Forwarded-Proto: http\r\nX-Forwarded-Host: b\r\n\r\n",
                  &doubting,
                  "GET /x HTTP/1.1\r\nHost: z\r\nX-Forwarded-For: 192.0.2.1\r\n"
                  "X-Forwarded-Proto: https\r\nVia: 1.0 nines\r\nX-Request-Id: 7\r\n\r\n");
}
END_TEST

START_TEST(test_response)
{
    const struct h1_asked get = {.method = H1_GET};
    const struct h1_rewrite_response nothing = {0};
    check_response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", get, &nothing,
                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    check_response("HTTP/1.0 404 \r\n\r\n", get, &nothing, "HTTP/1.1 404 \r\n\r\n");
    check_response("HTTP/1.1 204 N\r\nContent-Length: 0\r\nX: 1\r\n\r\n", get, &nothing,
                   "HTTP/1.1 204 N\r\nX: 1\r\n\r\n");
    const struct h1_rewrite_response close = {
        .via = SLICE("nines"), .insert = SLICE("Date: x\r\n"), .connection = H1_CONNECTION_CLOSE};
    check_response("HTTP/1.0 200 OK\r\nConnection: keep-alive, X-Y\r\nX-Y: 1\r\nX-Z: 1\r\n"
                   "Keep-Alive: 1\r\nContent-Length: 3\r\n\r\n",
                   get, &close,
                   "HTTP/1.1 200 OK\r\nX-Z: 1\r\nContent-Length: 3\r\nVia: 1.0 nines\r\n"
                   "Connection: close\r\nDate: x\r\n\r\n");
    const struct h1_rewrite_response old = {.connection = H1_CONNECTION_KEEP_ALIVE};
    check_response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", get, &old,
                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n");
    const struct h1_rewrite_response unchunk = {.unchunk = true, .connection = H1_CONNECTION_CLOSE};
    check_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nA: 1\r\n\r\n",
                   get, &unchunk, "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\n\r\n");
    check_response("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nA: 1\r\nConnection: Upgrade\r\n\r\n",
                   (struct h1_asked){.method = H1_GET, .upgrade = true}, &close,
                   "HTTP/1.1 101 S\r\nA: 1\r\nVia: 1.1 nines\r\nConnection: upgrade\r\n"
                   "Upgrade: websocket\r\nDate: x\r\n\r\n");
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_request_untouched);
    tcase_add_test(c, test_request_hop_by_hop);
    tcase_add_test(c, test_request_target);
    tcase_add_test(c, test_request_forwarded);
    tcase_add_test(c, test_response);
}

UNIT_MAIN(tests)
