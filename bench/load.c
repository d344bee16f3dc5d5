/*
 * load: the clients of the bench, a closed loop: each connection has one request under way, and
 * sends the next when its answer has come whole.
 *
 *     bench_load PORT SIZE CONNECTIONS SECONDS [close]
 *
 * Asks 127.0.0.1:PORT for /SIZE. Every answer must be a 200 whose Content-Length is SIZE and whose
 * body has that many bytes; anything else is counted and makes the exit code 1. With `close` each
 * request opens a connection of its own, from one of many source addresses, so that ports in
 * TIME_WAIT do not run out. Prints one line: requests, failed, seconds, and p50 and p99 in us.
 */
#include "base/check.h"
#include "base/histogram.h"
#include "base/slice.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    SOURCES = 32, /* 127.0.0.2 and on. */
    HEAD_MAX = 2048,
    EVENTS_MAX = 256,
    BUFFER_SIZE = 65536,
    CONNECTION_FAILURES_MAX = 100, /* In a row, over all connections: then nobody listens. */
};

struct connection {
    int fd;
    size_t head_length; /* Bytes of `head` that are filled. */
    bool in_body;
    size_t body_left;
    uint64_t begin_ns;
    char head[HEAD_MAX];
};

static struct {
    int epoll;
    uint16_t port;
    size_t size;
    bool close_each;
    char request[256];
    size_t request_length;
    uint64_t opened;
    uint64_t requests;
    uint64_t failed;
    uint64_t failed_in_a_row;
} load;

static struct connection connections[CONNECTIONS_MAX];
static struct histogram latency;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000ULL + (uint64_t)time.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "load: %s: %m\n", what);
    exit(1);
}

static void connection_open(struct connection *connection)
{
    const int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load.port)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(load.opened++ % SOURCES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        fail("socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
    connection->fd = fd;
    connection->begin_ns = 0; /* The request goes out when the connection is there. */
}

static void connection_reopen(struct connection *connection)
{
    close(connection->fd);
    connection_open(connection);
}

/* A request is a few hundred bytes on an idle connection: the socket takes it whole, or is dead. */
static bool send_request(struct connection *connection)
{
    connection->begin_ns = now_ns();
    connection->head_length = 0;
    connection->in_body = false;
    return send(connection->fd, load.request, load.request_length, MSG_NOSIGNAL) ==
           (ssize_t)load.request_length;
}

static void on_failure(struct connection *connection)
{
    load.failed++;
    load.failed_in_a_row++;
    if (load.failed_in_a_row >= CONNECTION_FAILURES_MAX) {
        fprintf(stderr, "load: %d failures in a row\n", CONNECTION_FAILURES_MAX);
        exit(1);
    }
    connection_reopen(connection);
}

/* True when the head is a 200 of the size that was asked for. */
static bool head_is_right(const char *head, size_t length)
{
    static const char name[] = "\r\nContent-Length:";
    if (length < 12 || memcmp(head, "HTTP/1.1 200", 12) != 0)
        return false;
    for (const char *at = head; (at = memchr(at, '\r', length - (size_t)(at - head))) != NULL;
         at++) {
        const size_t left = length - (size_t)(at - head);
        if (left < sizeof name || strncasecmp(at, name, sizeof name - 1) != 0)
            continue;
        const char *value = at + sizeof name - 1;
        const char *end = memchr(value, '\r', length - (size_t)(value - head));
        uint64_t size = 0;
        return end != NULL &&
               slice_to_u64(slice_trim((struct slice){value, (size_t)(end - value)}), &size) &&
               size == load.size;
    }
    return false;
}

/* Takes the bytes of an answer. Returns false when they are wrong; *whole when it is complete. */
static bool take(struct connection *connection, const char *bytes, size_t count, bool *whole)
{
    *whole = false;
    if (!connection->in_body) {
        const size_t room = HEAD_MAX - connection->head_length;
        const size_t taken = count < room ? count : room;
        memcpy(connection->head + connection->head_length, bytes, taken);
        const size_t before = connection->head_length;
        connection->head_length += taken;
        const char *end = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
        if (end == NULL)
            return connection->head_length < HEAD_MAX;
        const size_t head = (size_t)(end - connection->head) + 4;
        if (!head_is_right(connection->head, head))
            return false;
        connection->in_body = true;
        connection->body_left = load.size;
        ASSERT(head > before);
        count -= head - before;
    }
    if (count > connection->body_left)
        return false; /* More than was asked for. */
    connection->body_left -= count;
    *whole = connection->body_left == 0;
    return true;
}

static void on_event(struct connection *connection, uint32_t events)
{
    static char buffer[BUFFER_SIZE];
    if (connection->begin_ns == 0) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0 || !send_request(connection))
            on_failure(connection);
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) == 0)
        return;
    for (;;) {
        const ssize_t count = recv(connection->fd, buffer, sizeof buffer, 0);
        if (count < 0 && errno == EAGAIN)
            return;
        bool whole = false;
        if (count <= 0 || !take(connection, buffer, (size_t)count, &whole)) {
            on_failure(connection);
            return;
        }
        if (!whole) {
            if ((size_t)count < sizeof buffer && (events & EPOLLRDHUP) == 0)
                return;
            continue;
        }
        load.requests++;
        load.failed_in_a_row = 0;
        histogram_record(&latency, now_ns() - connection->begin_ns);
        if (load.close_each)
            connection_reopen(connection);
        else if (!send_request(connection))
            on_failure(connection);
        return;
    }
}

static bool parse(int argc, char **argv, uint64_t values[4])
{
    static const uint64_t limits[4] = {UINT16_MAX, 1 << 30, CONNECTIONS_MAX, 3600};
    if (argc != 5 && !(argc == 6 && strcmp(argv[5], "close") == 0))
        return false;
    for (int i = 0; i < 4; i++) {
        if (!slice_to_u64(slice_of(argv[i + 1]), &values[i]) || values[i] > limits[i] ||
            values[i] == 0)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t values[4];
    if (!parse(argc, argv, values)) {
        fprintf(stderr, "usage: bench_load PORT SIZE CONNECTIONS SECONDS [close]\n");
        return 2;
    }
    load.port = (uint16_t)values[0];
    load.size = values[1];
    load.close_each = argc == 6;
    const int length = snprintf(load.request, sizeof load.request,
                                "GET /%zu HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\n"
                                "Accept: */*\r\nAccept-Language: en\r\n%s\r\n",
                                load.size, load.close_each ? "Connection: close\r\n" : "");
    ASSERT(length > 0 && (size_t)length < sizeof load.request);
    load.request_length = (size_t)length;
    histogram_init(&latency);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0)
        fail("epoll");

    const uint64_t begin = now_ns();
    const uint64_t end = begin + values[3] * 1000000000ULL;
    for (uint64_t i = 0; i < values[2]; i++)
        connection_open(&connections[i]);
    while (now_ns() < end) {
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_wait(load.epoll, events, EVENTS_MAX, 100);
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    printf("%lu %lu %.3f %.1f %.1f\n", load.requests, load.failed, (double)(now_ns() - begin) / 1e9,
           (double)histogram_quantile(&latency, 0.5) / 1e3,
           (double)histogram_quantile(&latency, 0.99) / 1e3);
    return load.failed == 0 && load.requests > 0 ? 0 : 1;
}
