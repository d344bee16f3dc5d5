/*
 * origin: the server behind the proxies of the bench. It costs as little as a server can, so that
 * what a round measures is the proxy: one thread, each socket in epoll once, one read and one write
 * a request, answers prepared at the start.
 *
 *     bench_origin PORT      GET /N answers 200 with N bytes, for the sizes in `sizes`; else 404.
 *
 * It reads request heads only (the bench sends no bodies), keeps connections until asked to close
 * them, and answers pipelined requests in order.
 */
#include "base/check.h"
#include "base/slice.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    HEAD_MAX = 8192,
    EVENTS_MAX = 256,
    ANSWER_HEAD_MAX = 256,
};

static const size_t sizes[] = {128, 16384};

struct answer {
    char *bytes;
    size_t length;
};

struct connection {
    int fd;
    size_t got;                   /* Bytes of `head` that are filled. */
    size_t sent;                  /* Of the answer under way. */
    const struct answer *sending; /* NULL when nothing waits for EPOLLOUT. */
    bool close;                   /* After this answer. */
    char head[HEAD_MAX];
};

static struct answer answers[COUNT_OF(sizes)];
static struct answer not_found;
static struct connection *connections[CONNECTIONS_MAX]; /* By fd. */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "origin: %s: %m\n", what);
    exit(1);
}

static void answer_init(struct answer *answer, const char *status, size_t size)
{
    answer->bytes = malloc(ANSWER_HEAD_MAX + size);
    if (answer->bytes == NULL)
        fail("no memory");
    const int head =
        snprintf(answer->bytes, ANSWER_HEAD_MAX,
                 "HTTP/1.1 %s\r\nServer: origin\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                 "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                 status, size);
    ASSERT(head > 0 && head < ANSWER_HEAD_MAX);
    memset(answer->bytes + head, 'x', size);
    answer->length = (size_t)head + size;
}

static int listen_on(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0)
        fail("cannot listen");
    return fd;
}

static void connection_close(struct connection *connection)
{
    ASSERT(connections[connection->fd] == connection);
    connections[connection->fd] = NULL;
    close(connection->fd);
    free(connection);
}

static void on_listener(int epoll, int listener)
{
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection *connection = fd < CONNECTIONS_MAX ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->fd = fd;
    connections[fd] = connection;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

/* The answer to the head at `head`: its target is what stands between the first two spaces. */
static const struct answer *find_answer(const char *head, size_t length)
{
    const char *target = memchr(head, '/', length);
    if (target == NULL)
        return &not_found;
    const char *end = memchr(target, ' ', length - (size_t)(target - head));
    uint64_t size = 0;
    if (end == NULL || !slice_to_u64((struct slice){target + 1, (size_t)(end - target - 1)}, &size))
        return &not_found;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        if (sizes[i] == size)
            return &answers[i];
    }
    return &not_found;
}

/* Writes what is left of the answer. False: the connection is gone. */
static bool flush(struct connection *connection)
{
    const struct answer *answer = connection->sending;
    const ssize_t count = send(connection->fd, answer->bytes + connection->sent,
                               answer->length - connection->sent, MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN;
    connection->sent += (size_t)count;
    if (connection->sent == answer->length)
        connection->sending = NULL;
    return true;
}

/* Answers every whole head that has come. False: the connection is to be closed. */
static bool answer_all(struct connection *connection)
{
    while (connection->sending == NULL && !connection->close) {
        const char *end = memmem(connection->head, connection->got, "\r\n\r\n", 4);
        if (end == NULL)
            return connection->got < HEAD_MAX;
        const size_t length = (size_t)(end - connection->head) + 4;
        connection->sending = find_answer(connection->head, length);
        connection->sent = 0;
        connection->close =
            memmem(connection->head, length, "\r\nConnection: close\r\n", 21) != NULL;
        connection->got -= length;
        memmove(connection->head, connection->head + length, connection->got);
        if (!flush(connection))
            return false;
    }
    return connection->sending != NULL || !connection->close;
}

static bool on_connection(struct connection *connection, uint32_t events)
{
    if (connection->sending != NULL && (!flush(connection) || !answer_all(connection)))
        return false;
    /* While an answer waits for room, nothing more is read: edges for it come when it has gone. */
    while (connection->sending == NULL) {
        const size_t room = HEAD_MAX - connection->got;
        const ssize_t count = recv(connection->fd, connection->head + connection->got, room, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN))
            return false;
        if (count < 0)
            return true;
        connection->got += (size_t)count;
        if (!answer_all(connection))
            return false;
        /* A short read took all there was; with the peer's end seen, the next read says so. */
        if ((size_t)count < room && (events & EPOLLRDHUP) == 0)
            return true;
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t port = 0;
    if (argc != 2 || !slice_to_u64(slice_of(argv[1]), &port) || port == 0 || port > UINT16_MAX) {
        fprintf(stderr, "usage: bench_origin PORT\n");
        return 2;
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        answer_init(&answers[i], "200 OK", sizes[i]);
    answer_init(&not_found, "404 Not Found", 0);

    const int listener = listen_on((uint16_t)port);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        fail("epoll");
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            const int fd = events[i].data.fd;
            if (fd == listener)
                on_listener(epoll, listener);
            else if (!on_connection(connections[fd], events[i].events))
                connection_close(connections[fd]);
        }
    }
}
