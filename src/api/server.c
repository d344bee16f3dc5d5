#include "api/server.h"

#include "base/check.h"
#include "base/writer.h"
#include "proto/h1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 1024, ACCEPTS_PER_EVENT = 16, READ_BYTES = 16 * 1024 };

/*
 * Life of a connection: READING a request -> HANDLING it (the handler has it) -> its answer is
 * FLUSHING -> READING again, or CLOSING after the flush. STREAMING lasts until either side ends it.
 */
enum state { READING, HANDLING, FLUSHING, STREAMING, CLOSING };

struct server_exchange {
    struct loop_watch watch; /* fd is -1 once the client is gone. */
    struct server *server;
    struct list node;
    struct loop_timer idle;
    struct loop_defer defer;
    struct text input;
    struct text output;
    size_t sent; /* Bytes at the front of the output that are out already. */
    enum state state;
    uint32_t scanned;    /* How far the head was searched. */
    size_t request_size; /* Of the request at hand, head and body. */
    bool head_only;      /* HEAD: the answer's body is not sent. */
    bool keep_alive;
    bool more_input; /* The socket may hold more bytes than we read. */
    bool in_handler;
    bool continued; /* 100 was sent for the request at hand. */
    void (*on_close)(void *);
    void *close_context;
};

struct server {
    struct loop *loop;
    struct loop_watch watch;
    server_handler *handler;
    void *context;
    struct list exchanges;
    uint32_t count;
};

static void serve(struct server_exchange *);

static void free_exchange(struct loop_defer *defer)
{
    struct server_exchange *exchange = CONTAINER_OF(defer, struct server_exchange, defer);
    text_done(&exchange->input);
    text_done(&exchange->output);
    free(exchange);
}

/* Nobody holds the exchange any more: neither a client nor a handler. */
static void discard(struct server_exchange *exchange)
{
    ASSERT(exchange->watch.fd < 0);
    loop_timer_clear(exchange->server->loop, &exchange->idle);
    list_remove(&exchange->node);
    exchange->server->count--;
    exchange->defer.on_defer = free_exchange;
    loop_defer(exchange->server->loop, &exchange->defer);
}

static void hang_up(struct server_exchange *exchange)
{
    const int fd = exchange->watch.fd;
    if (fd >= 0) {
        loop_watch_remove(exchange->server->loop, &exchange->watch);
        close(fd);
    }
    if (exchange->state == STREAMING && exchange->on_close != NULL) {
        void (*on_close)(void *) = exchange->on_close;
        exchange->on_close = NULL;
        on_close(exchange->close_context);
    }
    /* A handler still holds it: server_answer() will discard it. */
    if (exchange->state != HANDLING)
        discard(exchange);
}

/* False when the connection is gone. */
static bool flush(struct server_exchange *exchange)
{
    struct text *output = &exchange->output;
    while (output->size > 0) {
        const ssize_t size = send(exchange->watch.fd, output->data + exchange->sent,
                                  output->size - exchange->sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return true;
        if (size < 0) {
            hang_up(exchange);
            return false;
        }
        exchange->sent += (size_t)size;
        ASSERT(exchange->sent <= output->size);
        /* Half at a time: to move the rest after each piece would be quadratic in the answer. */
        if (exchange->sent > output->size / 2) {
            text_consume(output, exchange->sent);
            exchange->sent = 0;
        }
    }
    if (exchange->state == CLOSING) {
        hang_up(exchange);
        return false;
    }
    return true;
}

static void add_head(struct server_exchange *exchange, int status, const char *type)
{
    text_format(&exchange->output, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", status,
                h1_status_reason(status), type);
    text_add(&exchange->output, "Cache-Control: no-store\r\n");
}

/* Queues a whole answer; the request's bytes are dropped. */
static void queue_answer(struct server_exchange *exchange, int status, const char *type,
                         struct slice body)
{
    add_head(exchange, status, type);
    text_format(&exchange->output, "Content-Length: %zu\r\nConnection: %s\r\n\r\n", body.size,
                exchange->keep_alive ? "keep-alive" : "close");
    if (!exchange->head_only)
        text_append(&exchange->output, body);
    text_consume(&exchange->input, exchange->request_size);
    exchange->request_size = 0;
    exchange->scanned = 0;
    exchange->continued = false;
    /* An answer that does not fit is cut off visibly: the connection ends before its length. */
    exchange->state = exchange->keep_alive && !exchange->output.failed ? FLUSHING : CLOSING;
    /* A client that does not read its answer is given up, too. */
    loop_timer_set_in(exchange->server->loop, &exchange->idle, SERVER_IDLE_MS);
}

void server_answer(struct server_exchange *exchange, int status, const char *type,
                   struct slice body)
{
    ASSERT(exchange->state == HANDLING);
    ASSERT(status >= 200 && status <= 599);
    if (exchange->watch.fd < 0) {
        exchange->state = CLOSING;
        discard(exchange);
        return;
    }
    queue_answer(exchange, status, type, body);
    if (!exchange->in_handler)
        serve(exchange);
}

void server_answer_error(struct server_exchange *exchange, const struct error *error)
{
    struct text text;
    struct writer json;
    text_init(&text, 4 * ERROR_TEXT_MAX);
    writer_init(&json, &text);
    writer_object(&json, NULL);
    writer_string(&json, "error", error->text);
    writer_end(&json);
    text_add_char(&text, '\n');
    server_answer(exchange, error_http_status(error->kind), "application/json", text_slice(&text));
    text_done(&text);
}

void server_answer_json(struct server_exchange *exchange, const struct text *text)
{
    if (text->failed) {
        struct error error;
        error_set(&error, ERROR_SYSTEM, "the answer is larger than %zu bytes", text->limit);
        server_answer_error(exchange, &error);
        return;
    }
    server_answer(exchange, 200, "application/json", text_slice(text));
}

/* A request that cannot be served: answered here, then the connection ends. */
static void refuse(struct server_exchange *exchange, int status, const char *reason)
{
    char body[256];
    const int size = snprintf(body, sizeof body, "{\"error\":\"%s\"}\n", reason);
    ASSERT(size > 0 && (size_t)size < sizeof body);
    exchange->keep_alive = false;
    exchange->head_only = false;
    exchange->request_size = exchange->input.size;
    queue_answer(exchange, status, "application/json",
                 (struct slice){.data = body, .size = (size_t)size});
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decodes (RFC 3986 section 2.1); NUL and malformed escapes are refused. */
static bool decode(struct slice in, char *out, size_t size, size_t *out_size)
{
    size_t used = 0;
    for (size_t i = 0; i < in.size; i++) {
        int c = (unsigned char)in.data[i];
        if (c == '%') {
            const int high = i + 2 < in.size ? hex_digit(in.data[i + 1]) : -1;
            const int low = i + 2 < in.size ? hex_digit(in.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || used + 1 >= size)
            return false;
        out[used++] = (char)c;
    }
    out[used] = '\0';
    *out_size = used;
    return true;
}

static void handle(struct server_exchange *exchange, const struct h1_request *head)
{
    const char *data = exchange->input.data;
    const struct slice target = h1_slice(data, head->path);
    const char *mark = memchr(target.data, '?', target.size);
    const size_t path_size = mark == NULL ? target.size : (size_t)(mark - target.data);
    char path[PATH_BYTES_MAX];
    size_t decoded_size = 0;
    if (!decode((struct slice){.data = target.data, .size = path_size}, path, sizeof path,
                &decoded_size)) {
        refuse(exchange, 400, "the path is too long or badly encoded");
        return;
    }
    const struct server_request request = {
        .method = h1_slice(data, head->method_text),
        .path = {.data = path, .size = decoded_size},
        .query = mark == NULL
                     ? SLICE("")
                     : (struct slice){.data = mark + 1, .size = target.size - path_size - 1},
        .body = {.data = data + head->head.size, .size = exchange->request_size - head->head.size},
        .head = head->method == H1_HEAD,
    };
    exchange->head_only = request.head;
    exchange->keep_alive = head->head.keep_alive;
    exchange->state = HANDLING;
    exchange->in_handler = true;
    loop_timer_clear(exchange->server->loop, &exchange->idle);
    exchange->server->handler(exchange->server->context, exchange, &request);
    exchange->in_handler = false;
}

/* One step with the bytes at hand. False: more bytes are needed, or nothing more is to be done. */
static bool take_request(struct server_exchange *exchange)
{
    struct h1_request head;
    const struct h1_limits limits = H1_LIMITS_DEFAULT;
    const struct text *input = &exchange->input;
    if (input->size == 0)
        return false;
    switch (h1_parse_request(input->data, input->size, &limits, &exchange->scanned, &head)) {
    case H1_MORE: return false;
    case H1_BAD:
        refuse(exchange, h1_fault_status(head.head.fault), h1_fault_text(head.head.fault));
        return true;
    case H1_DONE: break;
    default: UNREACHABLE();
    }
    if (head.head.framing == H1_BODY_CHUNKED) {
        refuse(exchange, 411, "a body needs Content-Length here");
        return true;
    }
    if (head.head.content_length > SERVER_BODY_BYTES_MAX) {
        refuse(exchange, 413, "the body is too large");
        return true;
    }
    exchange->request_size = head.head.size + (size_t)head.head.content_length;
    if (input->size < exchange->request_size) {
        exchange->scanned = 0;
        if (head.expect_100 && !exchange->continued) {
            exchange->continued = true;
            text_add(&exchange->output, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        return false;
    }
    handle(exchange, &head);
    return true;
}

/* Reads what the socket has. False when the client is gone. */
static bool fill(struct server_exchange *exchange)
{
    char chunk[READ_BYTES];
    while (exchange->more_input && exchange->input.limit - exchange->input.size >= sizeof chunk) {
        const ssize_t size = recv(exchange->watch.fd, chunk, sizeof chunk, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN) {
            exchange->more_input = false;
            break;
        }
        if (size <= 0) {
            hang_up(exchange);
            return false;
        }
        text_append(&exchange->input, (struct slice){.data = chunk, .size = (size_t)size});
        ASSERT(!exchange->input.failed);
        if (exchange->request_size > 0 && exchange->input.size >= exchange->request_size)
            break;
    }
    return true;
}

/* Moves the connection as far as it goes. */
static void serve(struct server_exchange *exchange)
{
    for (;;) {
        if (exchange->watch.fd < 0)
            return;
        if (exchange->output.size > 0 && !flush(exchange))
            return;
        if (exchange->state == FLUSHING && exchange->output.size == 0) {
            exchange->state = READING;
            loop_timer_set_in(exchange->server->loop, &exchange->idle, SERVER_IDLE_MS);
        }
        if (exchange->state != READING)
            return;
        if (take_request(exchange))
            continue;
        if (!exchange->more_input)
            break;
        if (!fill(exchange))
            return;
    }
    if (exchange->output.size > 0)
        (void)flush(exchange);
}

static void on_event(struct loop_watch *watch, uint32_t events)
{
    struct server_exchange *exchange = CONTAINER_OF(watch, struct server_exchange, watch);
    if (events & (LOOP_READABLE | LOOP_PEER_CLOSED | LOOP_ERROR))
        exchange->more_input = true;
    if (exchange->state == STREAMING && (events & (LOOP_PEER_CLOSED | LOOP_ERROR))) {
        hang_up(exchange);
        return;
    }
    serve(exchange);
}

static void on_idle(struct loop_timer *timer)
{
    struct server_exchange *exchange = CONTAINER_OF(timer, struct server_exchange, idle);
    ASSERT(exchange->state != HANDLING);
    hang_up(exchange);
}

static void welcome(struct server *server, int fd)
{
    struct server_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        close(fd);
        return;
    }
    exchange->server = server;
    exchange->watch = (struct loop_watch){.fd = fd, .on_event = on_event};
    exchange->idle.on_time = on_idle;
    exchange->state = READING;
    text_init(&exchange->input, SERVER_HEAD_BYTES_MAX + SERVER_BODY_BYTES_MAX + READ_BYTES);
    text_init(&exchange->output, SERVER_ANSWER_BYTES_MAX + SERVER_HEAD_BYTES_MAX);
    if (!loop_watch_add(server->loop, &exchange->watch, NULL)) {
        close(fd);
        free(exchange);
        return;
    }
    list_push_back(&server->exchanges, &exchange->node);
    server->count++;
    loop_timer_set_in(server->loop, &exchange->idle, SERVER_IDLE_MS);
}

static void on_connection(struct loop_watch *watch, uint32_t events)
{
    struct server *server = CONTAINER_OF(watch, struct server, watch);
    ASSERT(events != 0);
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        const int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (server->count >= SERVER_CONNECTIONS_MAX)
            close(fd);
        else
            welcome(server, fd);
    }
}

struct server *server_open(struct loop *loop, int listen_fd, server_handler *handler, void *context,
                           struct error *error)
{
    ASSERT(listen_fd >= 0 && handler != NULL);
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set_errno(error, ENOMEM, "cannot open an API server");
        return NULL;
    }
    server->loop = loop;
    server->handler = handler;
    server->context = context;
    server->watch = (struct loop_watch){.fd = listen_fd, .on_event = on_connection};
    list_init(&server->exchanges);
    if (!loop_watch_add_level(loop, &server->watch, error)) {
        free(server);
        return NULL;
    }
    return server;
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    const int fd = server->watch.fd;
    loop_watch_remove(server->loop, &server->watch);
    close(fd);
    LIST_EACH_SAFE (node, &server->exchanges) {
        struct server_exchange *exchange = CONTAINER_OF(node, struct server_exchange, node);
        if (exchange->state == HANDLING)
            exchange->state = CLOSING;
        hang_up(exchange);
    }
    ASSERT(server->count == 0);
    free(server);
}

void server_stream_begin(struct server_exchange *exchange, void (*on_close)(void *), void *context)
{
    ASSERT(exchange->state == HANDLING);
    exchange->keep_alive = false;
    add_head(exchange, 200, "application/x-ndjson");
    text_add(&exchange->output, "Connection: close\r\n\r\n");
    exchange->state = STREAMING;
    exchange->on_close = on_close;
    exchange->close_context = context;
    text_consume(&exchange->input, exchange->input.size);
}

void server_stream_send(struct server_exchange *exchange, struct slice line)
{
    ASSERT(exchange->state == STREAMING);
    if (exchange->output.size - exchange->sent + line.size + 1 > SERVER_STREAM_BYTES_MAX) {
        hang_up(exchange);
        return;
    }
    text_append(&exchange->output, line);
    text_add_char(&exchange->output, '\n');
    (void)flush(exchange);
}

void server_stream_end(struct server_exchange *exchange)
{
    ASSERT(exchange->state == STREAMING);
    exchange->on_close = NULL;
    exchange->state = CLOSING;
    (void)flush(exchange);
}

bool server_query(const struct server_request *request, const char *name, char *out, size_t size)
{
    struct slice rest = request->query;
    const size_t name_size = strlen(name);
    while (rest.size > 0) {
        const char *end = memchr(rest.data, '&', rest.size);
        const size_t pair = end == NULL ? rest.size : (size_t)(end - rest.data);
        if (pair > name_size && memcmp(rest.data, name, name_size) == 0 &&
            rest.data[name_size] == '=') {
            const struct slice value = {.data = rest.data + name_size + 1,
                                        .size = pair - name_size - 1};
            size_t value_size = 0;
            return decode(value, out, size, &value_size);
        }
        const size_t step = pair < rest.size ? pair + 1 : pair;
        rest.data += step;
        rest.size -= step;
    }
    return false;
}

size_t server_path_split(struct slice path, struct slice *parts, size_t max)
{
    size_t count = 0;
    size_t at = 0;
    while (at < path.size) {
        if (path.data[at] == '/') {
            at++;
            continue;
        }
        const char *end = memchr(path.data + at, '/', path.size - at);
        const size_t size = end == NULL ? path.size - at : (size_t)(end - path.data) - at;
        if (count == max)
            return max + 1;
        parts[count++] = (struct slice){.data = path.data + at, .size = size};
        at += size;
    }
    return count;
}
