#include "api/client.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/socket.h"
#include "proto/h1.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

struct client_call {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer deadline;
    struct loop_defer defer;
    struct text output;
    struct text input;
    uint32_t scanned;
    bool connected;
    bool head_done;
    bool over; /* Reported or cancelled. */
    struct h1_response head;
    size_t line_start; /* Streams: where the line not yet reported begins. */
    client_line *on_line;
    client_done *on_done;
    void *context;
    enum h1_method method;
    char address[SOCKET_TEXT_MAX];
};

static void free_call(struct loop_defer *defer)
{
    struct client_call *call = CONTAINER_OF(defer, struct client_call, defer);
    text_done(&call->output);
    text_done(&call->input);
    free(call);
}

static void end_call(struct client_call *call)
{
    ASSERT(!call->over);
    call->over = true;
    loop_timer_clear(call->loop, &call->deadline);
    const int fd = call->watch.fd;
    if (fd >= 0) {
        loop_watch_remove(call->loop, &call->watch);
        close(fd);
    }
    call->defer.on_defer = free_call;
    loop_defer(call->loop, &call->defer);
}

static void fail(struct client_call *call, const struct error *error)
{
    end_call(call);
    call->on_done(call->context, NULL, error);
}

static void fail_errno(struct client_call *call, int cause, const char *what)
{
    struct error error;
    error_set_errno(&error, cause, "cannot %s %s", what, call->address);
    error.kind = ERROR_UNREACHABLE;
    fail(call, &error);
}

static void fail_protocol(struct client_call *call, const char *what)
{
    struct error error;
    error_set(&error, ERROR_PROTOCOL, "%s: %s", call->address, what);
    fail(call, &error);
}

static void succeed(struct client_call *call, struct slice body)
{
    const struct client_answer answer = {.status = call->head.status, .body = body};
    end_call(call);
    call->on_done(call->context, &answer, NULL);
}

static void on_deadline(struct loop_timer *timer)
{
    struct client_call *call = CONTAINER_OF(timer, struct client_call, deadline);
    struct error error;
    error_set(&error, ERROR_TIMEOUT, "no answer from %s within its deadline", call->address);
    fail(call, &error);
}

/* False when the call is over. */
static bool send_request(struct client_call *call)
{
    while (call->output.size > 0) {
        const ssize_t size =
            send(call->watch.fd, call->output.data, call->output.size, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return true;
        if (size < 0) {
            fail_errno(call, errno, "send to");
            return false;
        }
        text_consume(&call->output, (size_t)size);
    }
    return true;
}

/* Interim answers (1xx) are passed over. False when the call is over. */
static bool take_head(struct client_call *call)
{
    const struct h1_limits limits = H1_LIMITS_DEFAULT;
    const struct h1_asked asked = {.method = call->method};
    while (!call->head_done && call->input.size > 0) {
        const enum h1_result result = h1_parse_response(call->input.data, call->input.size, &limits,
                                                        asked, &call->scanned, &call->head);
        if (result == H1_MORE)
            return true;
        if (result == H1_BAD) {
            fail_protocol(call, h1_fault_text(call->head.head.fault));
            return false;
        }
        if (call->head.head.framing == H1_BODY_CHUNKED) {
            fail_protocol(call, "chunked answers are not taken here");
            return false;
        }
        text_consume(&call->input, call->head.head.size);
        call->scanned = 0;
        call->head_done = call->head.status >= 200;
    }
    return true;
}

/* False when the call is over (on_line may cancel it). */
static bool report_lines(struct client_call *call)
{
    if (call->on_line == NULL || call->input.data == NULL || call->head.status >= 300)
        return true;
    while (!call->over) {
        const char *start = call->input.data + call->line_start;
        const char *end = memchr(start, '\n', call->input.size - call->line_start);
        if (end == NULL)
            break;
        call->line_start = (size_t)(end - call->input.data) + 1;
        call->on_line(call->context, (struct slice){.data = start, .size = (size_t)(end - start)});
    }
    if (call->over)
        return false;
    text_consume(&call->input, call->line_start);
    call->line_start = 0;
    return true;
}

/* False when the call is over. */
static bool take_body(struct client_call *call)
{
    if (!call->head_done)
        return true;
    const bool stream = call->head.head.framing == H1_BODY_UNTIL_CLOSE;
    if (stream)
        return report_lines(call);
    const size_t size = (size_t)call->head.head.content_length;
    if (size > CLIENT_BODY_BYTES_MAX) {
        fail_protocol(call, "the answer is too large");
        return false;
    }
    if (call->input.size < size)
        return true;
    succeed(call, (struct slice){.data = call->input.data, .size = size});
    return false;
}

static void take_end(struct client_call *call)
{
    if (call->head_done && call->head.head.framing == H1_BODY_UNTIL_CLOSE)
        succeed(call, text_slice(&call->input));
    else
        fail_protocol(call, "the connection ended before the answer did");
}

static void read_answer(struct client_call *call)
{
    static _Thread_local char chunk[READ_BYTES];
    for (;;) {
        const ssize_t size = recv(call->watch.fd, chunk, sizeof chunk, 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0) {
            fail_errno(call, errno, "read from");
            return;
        }
        if (size == 0) {
            take_end(call);
            return;
        }
        text_append(&call->input, (struct slice){.data = chunk, .size = (size_t)size});
        if (call->input.failed) {
            fail_protocol(call, "the answer is too large");
            return;
        }
        if (!take_head(call) || !take_body(call))
            return;
    }
}

static void on_event(struct loop_watch *watch, uint32_t events)
{
    struct client_call *call = CONTAINER_OF(watch, struct client_call, watch);
    if (!call->connected) {
        const int cause = socket_error(watch->fd);
        if (cause != 0) {
            fail_errno(call, cause, "connect to");
            return;
        }
        if (!(events & LOOP_WRITABLE))
            return;
        call->connected = true;
    }
    if (call->output.size > 0 && !send_request(call))
        return;
    if (events & (LOOP_READABLE | LOOP_PEER_CLOSED | LOOP_ERROR))
        read_answer(call);
}

static int connect_to(const char *address, struct error *error)
{
    if (address[0] == '/' || address[0] == '.')
        return socket_connect_unix(address, error);
    const char *colon = strrchr(address, ':');
    struct socket_address parsed;
    uint64_t port = 0;
    char host[SOCKET_TEXT_MAX];
    if (colon == NULL || (size_t)(colon - address) >= sizeof host ||
        !slice_to_u64(slice_of(colon + 1), &port) || port > UINT16_MAX) {
        error_set(error, ERROR_USAGE, "'%s' is neither a socket path nor ADDRESS:PORT", address);
        return -1;
    }
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (!socket_resolve(host, (uint16_t)port, &parsed, error))
        return -1;
    return socket_connect(&parsed, error);
}

static void write_request(struct client_call *call, const struct client_request *request)
{
    text_init(&call->output, request->body.size + 4096 + strlen(request->path));
    text_format(&call->output, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                request->method, request->path);
    if (request->body.size > 0)
        text_format(&call->output, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                    request->body.size);
    else if (strcmp(request->method, "GET") != 0)
        text_add(&call->output, "Content-Length: 0\r\n");
    text_add(&call->output, "\r\n");
    text_append(&call->output, request->body);
}

struct client_call *client_call(struct loop *loop, const struct client_request *request,
                                client_line *on_line, client_done *on_done, void *context,
                                struct error *error)
{
    ASSERT(request->timeout_ms > 0 && on_done != NULL);
    const int fd = connect_to(request->address, error);
    if (fd < 0) {
        if (error != NULL && error->kind == ERROR_SYSTEM)
            error->kind = ERROR_UNREACHABLE;
        return NULL;
    }
    struct client_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        close(fd);
        error_set_errno(error, ENOMEM, "cannot call %s", request->address);
        return NULL;
    }
    call->loop = loop;
    call->watch = (struct loop_watch){.fd = fd, .on_event = on_event};
    call->deadline.on_time = on_deadline;
    call->on_line = on_line;
    call->on_done = on_done;
    call->context = context;
    call->method = h1_method_of(slice_of(request->method));
    (void)strncpy(call->address, request->address, sizeof call->address - 1);
    text_init(&call->input, CLIENT_BODY_BYTES_MAX + H1_HEAD_BYTES_MAX);
    write_request(call, request);
    if (call->output.failed || !loop_watch_add(loop, &call->watch, error)) {
        close(fd);
        call->watch.fd = -1;
        end_call(call);
        return NULL;
    }
    loop_timer_set_in(loop, &call->deadline, request->timeout_ms);
    return call;
}

void client_cancel(struct client_call *call)
{
    end_call(call);
}

/* What client_fetch() waits for. */
struct fetch {
    struct loop *loop;
    struct text *body;
    int status;
    struct error *error;
    bool done;
};

static void on_fetched(void *context, const struct client_answer *answer, const struct error *error)
{
    struct fetch *fetch = context;
    loop_stop(fetch->loop);
    if (error != NULL) {
        if (fetch->error != NULL)
            *fetch->error = *error;
        return;
    }
    fetch->status = answer->status;
    text_append(fetch->body, answer->body);
    fetch->done = !fetch->body->failed;
    if (!fetch->done)
        error_set(fetch->error, ERROR_LIMIT, "the answer is larger than %zu bytes",
                  fetch->body->limit);
}

bool client_answer_error(const struct client_answer *answer, struct error *error)
{
    static const struct {
        int status;
        enum error_kind kind;
    } kinds[] = {{400, ERROR_USAGE},  {404, ERROR_NOT_FOUND}, {409, ERROR_REFUSED},
                 {429, ERROR_LIMIT},  {502, ERROR_PROTOCOL},  {503, ERROR_UNREACHABLE},
                 {504, ERROR_TIMEOUT}};
    enum error_kind kind = ERROR_FAILED;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].status == answer->status)
            kind = kinds[i].kind;
    }
    json_t *root = json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.size,
                              JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(root, "error"));
    error_set(error, kind, "%s", text != NULL ? text : "the daemon refused without a reason");
    json_decref(root);
    return false;
}

bool client_fetch(const struct client_request *request, struct text *body, int *status,
                  struct error *error)
{
    struct fetch fetch = {.loop = loop_open(error), .body = body, .error = error};
    if (fetch.loop == NULL)
        return false;
    if (client_call(fetch.loop, request, NULL, on_fetched, &fetch, error) != NULL)
        loop_run(fetch.loop);
    loop_close(fetch.loop);
    if (!fetch.done)
        return false;
    if (status != NULL)
        *status = fetch.status;
    const struct client_answer answer = {.status = fetch.status, .body = text_slice(body)};
    return fetch.status < 400 ? true : client_answer_error(&answer, error);
}
