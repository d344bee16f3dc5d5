/*
 * h1_parse: nanoseconds to read a request head, and to read it and write the one that goes out.
 * The smallest of several rounds, for two heads: a load generator's and a browser's.
 */
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "proto/h1_rewrite.h"

enum { ROUNDS = 15, TIMES = 100000 };

static const char small[] = "GET /index.html HTTP/1.1\r\n"
                            "Host: 127.0.0.1:8080\r\n"
                            "User-Agent: wrk/4.1.0 (epoll, 64 connections)\r\n"
                            "Accept: */*\r\n"
                            "X-Request: 12345678\r\n"
                            "\r\n";

static const char browser[] =
    "GET /articles/2024/05/how-to-update-a-fleet?utm_source=feed&utm_medium=rss HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cache-Control: max-age=0\r\n"
    "Referer: https://www.example.org/articles/\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "\r\n";

static double now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Reads the head, and writes it if `out` is given; returns ns for each time. */
static double measure(struct slice head, char *out, size_t capacity)
{
    static const struct h1_rewrite_request rewrite = {.via = {"nines", 5},
                                                      .client = {"192.0.2.1", 9},
                                                      .scheme = {"https", 5},
                                                      .forwarded_host = true};
    static struct h1_request request;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now_ns();
        for (int i = 0; i < TIMES; i++) {
            uint32_t scanned = 0;
            const enum h1_result result =
                h1_parse_request(head.data, head.size, &H1_LIMITS_DEFAULT, &scanned, &request);
            ASSERT(result == H1_DONE);
            if (out != NULL) {
                ASSERT(h1_rewrite_request(&request, head.data, &rewrite, out, capacity) > 0);
            }
        }
        const double spent = (now_ns() - start) / TIMES;
        best = spent < best ? spent : best;
    }
    return best;
}

int main(void)
{
    static char out[4096];
    const struct slice heads[] = {{small, sizeof(small) - 1}, {browser, sizeof(browser) - 1}};
    printf("%8s %12s %18s\n", "bytes", "read, ns", "read + write, ns");
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        printf("%8zu %12.0f %18.0f\n", heads[i].size, measure(heads[i], NULL, 0),
               measure(heads[i], out, sizeof(out)));
    }
    return 0;
}
