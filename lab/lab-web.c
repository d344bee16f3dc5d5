/*
 * lab-web: the service that the lab's packages install on its hosts.
 *
 * A small HTTP/1.1 server, one thread, epoll. Any GET is answered with who answered it; POST and
 * PUT with the length and SHA-1 of what arrived; /healthz for the balancer; /ws is a WebSocket that
 * echoes (with ?tick=MS it also sends a message each MS). For tests of what is in between,
 * /bytes/N answers N bytes and /slow/MS answers after MS milliseconds.
 *
 * LAB_VERSION is the package's version; LAB_BAD makes the version that its health check does not
 * catch: /healthz says 200, and every other request gets a 500.
 *
 * On SIGTERM it finishes what runs (DRAIN_MS_MAX), closes WebSockets with 1001, and ends.
 */
#include "base/check.h"
#include "failure.h"
#include "sha1.h"
#include "websocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef LAB_BAD
#define LAB_IS_BAD true
#else
#define LAB_IS_BAD false
#endif

enum {
    CONNECTIONS_MAX = 4096,
    IN_MAX = 16384,  /* A request's head must fit. */
    OUT_MAX = 32768, /* Answers wait here; a full buffer stops reading. */
    OUT_ROOM = 4608, /* What one answer or WebSocket frame may take. */
    LINE_MAX = 2048, /* Path, and any header value we keep. */
    ID_MAX = 64,
    EVENTS_MAX = 256,
    IDLE_MS_MAX = 75000,
    DRAIN_MS_MAX = 1000,
    TICK_MS = 10, /* Timers are this coarse. */
    BYTES_MAX = 1 << 30,
    SLOW_MS_MAX = 60000,
    RETRY_AFTER_EMFILE_MS = 50
};

enum state {
    STATE_HEAD,
    STATE_BODY, /* Content-Length. */
    STATE_CHUNK_SIZE,
    STATE_CHUNK_DATA,
    STATE_CHUNK_END,
    STATE_TRAILER,
    STATE_SLOW,  /* The answer waits for wake_ms. */
    STATE_BYTES, /* bytes_left of the answer are still to be made. */
    STATE_WEBSOCKET,
    STATE_CLOSING /* Ends once `out` is sent. */
};

struct request {
    char method[16];
    char path[LINE_MAX];
    char id[ID_MAX + 1];
    char websocket_key[ID_MAX + 1];
    bool keep_alive, upgrade, chunked, expects_continue, bad;
    uint64_t body_left; /* Of the body, or of the current chunk. */
    uint64_t body_size; /* Read so far. */
    struct sha1 sha1;
};

struct connection {
    int fd;
    enum state state;
    bool peer_done;
    uint32_t interest; /* What epoll watches: EPOLLOUT while `out` waits, else EPOLLIN. */
    struct request request;
    uint64_t wake_ms; /* 0: no timer. */
    uint64_t tick_ms; /* Of a WebSocket; 0: none. */
    uint64_t last_ms; /* For the idle limit. */
    uint64_t bytes_left, ticks;
    size_t in_size, out_size, out_sent;
    unsigned char in[IN_MAX];
    unsigned char out[OUT_MAX];
};

struct server {
    int epoll_fd, listen_fd;
    const char *host;
    struct connection *connections[CONNECTIONS_MAX];
    unsigned connection_count;
    uint64_t drain_until_ms; /* 0 until SIGTERM. */
};

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
    (void)number;
    terminated = 1;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t out_free(const struct connection *c)
{
    return OUT_MAX - c->out_size;
}

static void put(struct connection *c, const void *data, size_t size)
{
    ASSERT(size <= out_free(c));
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

__attribute__((format(printf, 2, 3))) static void put_format(struct connection *c,
                                                             const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf((char *)c->out + c->out_size, out_free(c), format, arguments);
    va_end(arguments);
    ASSERT(size >= 0 && (size_t)size < out_free(c));
    c->out_size += (size_t)size;
}

/* The head of an answer whose body of `size` bytes the caller puts next. */
static void put_head(const struct server *s, struct connection *c, const char *status,
                     uint64_t size)
{
    put_format(c,
               "HTTP/1.1 %s\r\nServer: lab-web\r\nX-Lab-Version: %s\r\nX-Lab-Host: %s\r\n"
               "Content-Type: text/plain\r\nContent-Length: %llu\r\n",
               status, LAB_VERSION, s->host, (unsigned long long)size);
    if (c->request.id[0])
        put_format(c, "X-Lab-Request: %s\r\n", c->request.id);
    if (!c->request.keep_alive)
        put_format(c, "Connection: close\r\n");
    put_format(c, "\r\n");
}

static void put_answer(const struct server *s, struct connection *c, const char *status,
                       const char *body)
{
    put_head(s, c, status, strlen(body));
    if (strcmp(c->request.method, "HEAD") != 0)
        put(c, body, strlen(body));
}

static void end_request(struct connection *c)
{
    c->state = c->request.keep_alive ? STATE_HEAD : STATE_CLOSING;
}

static void refuse(const struct server *s, struct connection *c, const char *status)
{
    c->request.keep_alive = false;
    put_answer(s, c, status, "");
    c->state = STATE_CLOSING;
}

/* The number after a prefix of the path, or -1. */
static int64_t path_number(const char *path, const char *prefix, int64_t max)
{
    size_t size = strlen(prefix);
    if (strncmp(path, prefix, size) != 0 || path[size] < '0' || path[size] > '9')
        return -1;
    errno = 0;
    long long value = strtoll(path + size, NULL, 10);
    return errno || value > max ? -1 : value;
}

static void start_websocket(const struct server *s, struct connection *c, uint64_t now)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept(c->request.websocket_key, accept);
    put_format(c,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\nX-Lab-Version: %s\r\nX-Lab-Host: %s\r\n",
               accept, LAB_VERSION, s->host);
    if (c->request.id[0])
        put_format(c, "X-Lab-Request: %s\r\n", c->request.id);
    put_format(c, "\r\n");
    int64_t tick = path_number(c->request.path, "/ws?tick=", SLOW_MS_MAX);
    c->tick_ms = tick > 0 ? (uint64_t)tick : 0;
    c->wake_ms = c->tick_ms ? now + c->tick_ms : 0;
    c->state = STATE_WEBSOCKET;
}

static void answer_plain(const struct server *s, struct connection *c)
{
    char body[512];
    if (strcmp(c->request.method, "POST") == 0 || strcmp(c->request.method, "PUT") == 0) {
        char hex[2 * SHA1_SIZE + 1];
        sha1_finish_hex(&c->request.sha1, hex);
        snprintf(body, sizeof body, "%llu %s\n", (unsigned long long)c->request.body_size, hex);
    } else {
        snprintf(body, sizeof body, "%.256s from %s, lab-web %s\n", c->request.path, s->host,
                 LAB_VERSION);
    }
    put_answer(s, c, "200 OK", body);
    end_request(c);
}

/* The request is whole. */
static void answer(const struct server *s, struct connection *c, uint64_t now)
{
    const char *path = c->request.path;
    int64_t bytes = path_number(path, "/bytes/", BYTES_MAX);
    int64_t slow = path_number(path, "/slow/", SLOW_MS_MAX);
    if (strcmp(path, "/healthz") == 0) {
        put_answer(s, c, "200 OK", "ok\n");
        end_request(c);
    } else if (LAB_IS_BAD) {
        put_answer(s, c, "500 Internal Server Error", "this version is broken\n");
        end_request(c);
    } else if (strcmp(path, "/ws") == 0 || strncmp(path, "/ws?", 4) == 0) {
        if (c->request.upgrade && c->request.websocket_key[0])
            start_websocket(s, c, now);
        else
            refuse(s, c, "426 Upgrade Required");
    } else if (bytes >= 0) {
        put_head(s, c, "200 OK", (uint64_t)bytes);
        c->bytes_left = strcmp(c->request.method, "HEAD") != 0 ? (uint64_t)bytes : 0;
        c->state = STATE_BYTES;
    } else if (slow >= 0 && c->state != STATE_SLOW) {
        c->wake_ms = now + (uint64_t)slow + 1;
        c->state = STATE_SLOW;
    } else {
        answer_plain(s, c);
    }
}

static void keep_value(char *out, size_t capacity, const char *value)
{
    if (strlen(value) < capacity)
        snprintf(out, capacity, "%s", value);
}

static void take_header(struct request *r, const char *name, const char *value)
{
    if (strcasecmp(name, "content-length") == 0) {
        char *end;
        errno = 0;
        r->body_left = strtoull(value, &end, 10);
        r->bad |= errno || *end || value[0] < '0' || value[0] > '9';
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        r->chunked = strcasecmp(value, "chunked") == 0;
        r->bad |= !r->chunked;
    } else if (strcasecmp(name, "connection") == 0) {
        r->keep_alive = r->keep_alive && !strcasestr(value, "close");
        r->upgrade = strcasestr(value, "upgrade") != NULL;
    } else if (strcasecmp(name, "expect") == 0) {
        r->expects_continue = strcasecmp(value, "100-continue") == 0;
    } else if (strcasecmp(name, "sec-websocket-key") == 0) {
        keep_value(r->websocket_key, sizeof r->websocket_key, value);
    } else if (strcasecmp(name, "x-lab-request") == 0) {
        keep_value(r->id, sizeof r->id, value);
    }
}

/* `line` is NUL-terminated. */
static bool take_request_line(struct request *r, char *line)
{
    char *path = strchr(line, ' ');
    char *version = path ? strchr(path + 1, ' ') : NULL;
    if (!version)
        return false;
    *path++ = '\0';
    *version++ = '\0';
    if (strncmp(version, "HTTP/1.", 7) != 0 || strlen(line) >= sizeof r->method ||
        strlen(path) >= sizeof r->path)
        return false;
    keep_value(r->method, sizeof r->method, line);
    keep_value(r->path, sizeof r->path, path);
    r->keep_alive = strcmp(version, "HTTP/1.0") != 0;
    return true;
}

static void consume(struct connection *c, size_t size)
{
    ASSERT(size <= c->in_size);
    memmove(c->in, c->in + size, c->in_size - size);
    c->in_size -= size;
}

/* The next line of `in`, its end replaced by a NUL; its whole size, or 0 if it has not arrived. */
static size_t next_line(struct connection *c, size_t from)
{
    unsigned char *end = memchr(c->in + from, '\n', c->in_size - from);
    if (!end)
        return 0;
    *end = '\0';
    if (end > c->in + from && end[-1] == '\r')
        end[-1] = '\0';
    return (size_t)(end - (c->in + from)) + 1;
}

static bool read_head(struct connection *c)
{
    struct request *r = &c->request;
    *r = (struct request){0};
    sha1_init(&r->sha1);
    size_t at = next_line(c, 0);
    if (!take_request_line(r, (char *)c->in))
        return false;
    for (;;) {
        char *line = (char *)c->in + at;
        at += next_line(c, at);
        if (!*line)
            break;
        char *value = strchr(line, ':');
        if (!value)
            return false;
        *value++ = '\0';
        value += strspn(value, " \t");
        take_header(r, line, value);
    }
    consume(c, at);
    return !r->bad;
}

/* True if something was done, and the rest of `in` is worth another look. */
static bool step_head(struct server *s, struct connection *c, uint64_t now)
{
    if (!memmem(c->in, c->in_size, "\r\n\r\n", 4)) {
        if (c->in_size == IN_MAX)
            refuse(s, c, "431 Request Header Fields Too Large");
        return false;
    }
    if (out_free(c) < OUT_ROOM)
        return false;
    if (!read_head(c)) {
        refuse(s, c, "400 Bad Request");
        return false;
    }
    struct request *r = &c->request;
    if (r->expects_continue)
        put_format(c, "HTTP/1.1 100 Continue\r\n\r\n");
    if (r->chunked)
        c->state = STATE_CHUNK_SIZE;
    else if (r->body_left)
        c->state = STATE_BODY;
    else
        answer(s, c, now);
    return true;
}

static bool step_data(struct server *s, struct connection *c, uint64_t now)
{
    struct request *r = &c->request;
    size_t take = r->body_left < c->in_size ? (size_t)r->body_left : c->in_size;
    sha1_feed(&r->sha1, c->in, take);
    consume(c, take);
    r->body_left -= take;
    r->body_size += take;
    if (r->body_left > 0 || out_free(c) < OUT_ROOM)
        return false;
    if (c->state == STATE_CHUNK_DATA)
        c->state = STATE_CHUNK_END;
    else
        answer(s, c, now);
    return true;
}

static bool step_chunk_line(struct server *s, struct connection *c, uint64_t now)
{
    if (out_free(c) < OUT_ROOM)
        return false;
    size_t size = next_line(c, 0);
    if (size == 0) {
        if (c->in_size == IN_MAX)
            refuse(s, c, "400 Bad Request");
        return false;
    }
    char *line = (char *)c->in, *end;
    if (c->state == STATE_CHUNK_SIZE) {
        c->request.body_left = strtoull(line, &end, 16);
        if (end == line) {
            refuse(s, c, "400 Bad Request");
            return false;
        }
        c->state = c->request.body_left ? STATE_CHUNK_DATA : STATE_TRAILER;
    } else if (c->state == STATE_CHUNK_END) {
        c->state = STATE_CHUNK_SIZE;
    } else if (!*line) {
        consume(c, size);
        answer(s, c, now);
        return true;
    }
    consume(c, size);
    return true;
}

static void put_frame(struct connection *c, unsigned opcode, const void *payload, size_t size)
{
    unsigned char frame[WEBSOCKET_FRAME_MAX];
    put(c, frame, websocket_write(frame, opcode, payload, size, NULL));
}

/* Close with a status code (RFC 6455, section 7.4.1). */
static void close_websocket(struct connection *c, unsigned code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    put_frame(c, WEBSOCKET_CLOSE, payload, sizeof payload);
    c->state = STATE_CLOSING;
}

static bool step_websocket(struct connection *c)
{
    struct websocket_frame frame;
    if (out_free(c) < OUT_ROOM)
        return false;
    int got = websocket_read(c->in, c->in_size, &frame);
    if (got == 0)
        return false;
    if (got < 0 || !frame.masked) {
        close_websocket(c, 1002);
        return false;
    }
    if (frame.opcode == WEBSOCKET_CLOSE)
        c->state = STATE_CLOSING;
    if (frame.opcode != WEBSOCKET_PONG)
        put_frame(c, frame.opcode == WEBSOCKET_PING ? WEBSOCKET_PONG : frame.opcode, frame.payload,
                  frame.size);
    consume(c, frame.frame_size);
    return true;
}

static bool step_bytes(struct connection *c)
{
    while (c->bytes_left > 0 && out_free(c) > 0) {
        c->out[c->out_size++] = (unsigned char)('a' + c->bytes_left % 26);
        c->bytes_left--;
    }
    if (c->bytes_left > 0)
        return false;
    end_request(c);
    return true;
}

static bool step(struct server *s, struct connection *c, uint64_t now)
{
    switch (c->state) {
    case STATE_HEAD: return step_head(s, c, now);
    case STATE_BODY:
    case STATE_CHUNK_DATA: return step_data(s, c, now);
    case STATE_CHUNK_SIZE:
    case STATE_CHUNK_END:
    case STATE_TRAILER: return step_chunk_line(s, c, now);
    case STATE_BYTES: return step_bytes(c);
    case STATE_WEBSOCKET: return step_websocket(c);
    case STATE_SLOW:
    case STATE_CLOSING: return false;
    }
    UNREACHABLE();
}

static bool send_out(struct connection *c)
{
    while (c->out_sent < c->out_size) {
        ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        c->out_sent += (size_t)sent;
    }
    c->out_sent = c->out_size = 0;
    return true;
}

/* Works on what is there; false when the connection is over. */
static bool run(struct server *s, struct connection *c, uint64_t now)
{
    for (;;) {
        while (step(s, c, now))
            ;
        size_t waiting = c->out_size;
        if (!send_out(c))
            return false;
        if (c->out_size > 0 || waiting == 0)
            break;
    }
    if (c->state == STATE_CLOSING && c->out_size == 0)
        return false;
    if (c->peer_done && c->out_size == 0 && c->state != STATE_SLOW)
        return false;
    uint32_t interest = EPOLLOUT;
    if (c->out_size == 0)
        interest = c->peer_done || c->in_size == IN_MAX ? 0 : EPOLLIN;
    if (interest != c->interest) {
        struct epoll_event event = {.events = interest, .data.ptr = c};
        epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
        c->interest = interest;
    }
    return true;
}

static void close_connection(struct server *s, struct connection *c)
{
    unsigned slot = 0;
    while (s->connections[slot] != c)
        slot++;
    s->connections[slot] = s->connections[--s->connection_count];
    close(c->fd);
    free(c);
}

static void on_ready(struct server *s, struct connection *c, uint64_t now)
{
    bool alive = true;
    if (c->interest == EPOLLIN) {
        ssize_t got = recv(c->fd, c->in + c->in_size, IN_MAX - c->in_size, 0);
        if (got > 0)
            c->in_size += (size_t)got;
        else if (got == 0)
            c->peer_done = true;
        else
            alive = errno == EAGAIN;
    }
    c->last_ms = now;
    if (!alive || !run(s, c, now))
        close_connection(s, c);
}

static void on_connect(struct server *s, uint64_t now)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            usleep(RETRY_AFTER_EMFILE_MS * 1000);
        return;
    }
    struct connection *c = s->connection_count < CONNECTIONS_MAX ? malloc(sizeof *c) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    memset(c, 0, offsetof(struct connection, in));
    c->fd = fd;
    c->last_ms = now;
    c->interest = EPOLLIN;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    s->connections[s->connection_count++] = c;
}

/* False when the connection is over. */
static bool on_time(struct server *s, struct connection *c, uint64_t now)
{
    if (c->wake_ms && now >= c->wake_ms) {
        if (c->state == STATE_SLOW) {
            c->wake_ms = 0;
            answer_plain(s, c);
        } else if (c->state == STATE_WEBSOCKET && out_free(c) >= OUT_ROOM) {
            char text[32];
            snprintf(text, sizeof text, "tick %llu", (unsigned long long)++c->ticks);
            put_frame(c, WEBSOCKET_TEXT, text, strlen(text));
            c->wake_ms = now + c->tick_ms;
        }
        c->last_ms = now;
        return run(s, c, now);
    }
    return c->state == STATE_SLOW || now - c->last_ms < IDLE_MS_MAX;
}

/* False once everything has ended. */
static bool drain(struct server *s, uint64_t now)
{
    if (!s->drain_until_ms) {
        s->drain_until_ms = now + DRAIN_MS_MAX;
        close(s->listen_fd);
    }
    for (unsigned i = s->connection_count; i-- > 0;) {
        struct connection *c = s->connections[i];
        if (c->state == STATE_WEBSOCKET && out_free(c) >= OUT_ROOM)
            close_websocket(c, 1001);
        bool idle = c->state == STATE_HEAD && c->in_size == 0 && c->out_size == 0;
        if (idle || !run(s, c, now))
            close_connection(s, c);
    }
    return s->connection_count > 0 && now < s->drain_until_ms;
}

static void serve(struct server *s)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t swept_ms = 0;
    for (;;) {
        int count = epoll_wait(s->epoll_fd, events, EVENTS_MAX, TICK_MS);
        uint64_t now = now_ms();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_ready(s, events[i].data.ptr, now);
            else
                on_connect(s, now);
        }
        if (terminated && !drain(s, now))
            return;
        if (now - swept_ms < TICK_MS)
            continue;
        swept_ms = now;
        for (unsigned i = s->connection_count; i-- > 0;)
            if (!on_time(s, s->connections[i], now))
                close_connection(s, s->connections[i]);
    }
}

static int listen_on(const char *address, const char *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    if (*end || number == 0 || number > 65535 || inet_pton(AF_INET, address, &name.sin_addr) != 1) {
        fprintf(stderr, "lab-web: %s:%s is no address to listen on\n", address, port);
        return -1;
    }
    name.sin_port = htons((uint16_t)number);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, 1024) != 0) {
        fprintf(stderr, "lab-web: cannot listen on %s:%s: %s\n", address, port, strerror(errno));
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    failure_print();
    if (argc != 4) {
        fprintf(stderr, "usage: lab-web ADDRESS PORT HOST_NAME   (lab-web %s)\n", LAB_VERSION);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    struct server server = {.host = argv[3], .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    server.listen_fd = listen_on(argv[1], argv[2]);
    if (server.epoll_fd < 0 || server.listen_fd < 0)
        return 1;
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, server.listen_fd, &event);
    serve(&server);
    return 0;
}
