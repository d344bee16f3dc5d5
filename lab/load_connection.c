#include "load_connection.h"

#include "base/check.h"
#include "sha1.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The load's WebSocket key is always this one; what counts is that the answer fits it. */
static const char websocket_key[] = "bmluZXMgbmluZXMgbmluZQ==";
static const unsigned char websocket_mask[4] = {0x6e, 0x69, 0x6e, 0x65};
static const unsigned char close_normal[2] = {1000 >> 8, 1000 & 255};

void connection_init(struct connection *c)
{
    memset(c, 0, offsetof(struct connection, frames));
    c->fd = -1;
}

static void write_row(struct connection *c, struct connection_context *context)
{
    if (c->row_due)
        record_row(context->record, &c->request);
    c->row_due = false;
}

/* The request's end; the connection lives on only after a good one, and if nobody closes it. */
static enum connection_state end(struct connection *c, struct connection_context *context,
                                 enum load_outcome outcome, uint64_t now)
{
    struct load_request *request = &c->request;
    ASSERT(c->phase != PHASE_IDLE);
    bool handshaken = c->phase == PHASE_WEBSOCKET || c->phase == PHASE_CLOSE;
    request->outcome = outcome;
    request->lasted_us = now - request->intended_us;
    if (!handshaken)
        request->latency_us = request->lasted_us;
    request->status = c->answer.status;
    snprintf(request->host, sizeof request->host, "%s", c->answer.host);
    snprintf(request->version, sizeof request->version, "%s", c->answer.version);
    record_ended(context->record, request);
    c->row_due = true;
    c->phase = PHASE_IDLE;
    bool keep = outcome == OUTCOME_OK && !handshaken && !request->fresh && !c->answer.close &&
                c->requests < REQUESTS_KEPT_MAX;
    return keep ? CONNECTION_IDLE : CONNECTION_OVER;
}

/* The socket failed or ended: what that means depends on how far the answer had come. */
static enum connection_state end_early(struct connection *c, struct connection_context *context,
                                       uint64_t now)
{
    switch (c->phase) {
    case PHASE_CONNECT: return end(c, context, OUTCOME_CONNECT_ERROR, now);
    case PHASE_ANSWER:
        return end(c, context, c->answer.any ? OUTCOME_TRUNCATED : OUTCOME_RESET, now);
    default: return end(c, context, OUTCOME_CUT, now);
    }
}

static void write_get(struct connection *c, const struct connection_context *context)
{
    c->out_size = (size_t)snprintf(c->out, sizeof c->out,
                                   "GET /r/%llu HTTP/1.1\r\nHost: %s\r\nX-Lab-Request: %llu\r\n"
                                   "%s\r\n",
                                   (unsigned long long)c->request.id, context->host,
                                   (unsigned long long)c->request.id,
                                   c->request.fresh ? "Connection: close\r\n" : "");
    snprintf(c->expected, sizeof c->expected, "/r/%llu from ", (unsigned long long)c->request.id);
}

static void write_post(struct connection *c, const struct connection_context *context)
{
    static const char letters[] = "etaoinshrdlucmfw";
    size_t size = 1 + random_below(context->random, POST_MAX);
    c->out_size = (size_t)snprintf(c->out, sizeof c->out,
                                   "POST /r/%llu HTTP/1.1\r\nHost: %s\r\nX-Lab-Request: %llu\r\n"
                                   "Content-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n",
                                   (unsigned long long)c->request.id, context->host,
                                   (unsigned long long)c->request.id, size,
                                   c->request.fresh ? "Connection: close\r\n" : "");
    char *body = c->out + c->out_size;
    for (size_t i = 0; i < size; i += 16) {
        uint64_t bits = random_u64(context->random);
        for (size_t j = i; j < i + 16 && j < size; j++, bits >>= 4)
            body[j] = letters[bits & 15];
    }
    struct sha1 sha1;
    char hex[2 * SHA1_SIZE + 1];
    sha1_init(&sha1);
    sha1_feed(&sha1, body, size);
    sha1_finish_hex(&sha1, hex);
    c->out_size += size;
    snprintf(c->expected, sizeof c->expected, "%zu %s\n", size, hex);
}

static void write_websocket(struct connection *c, const struct connection_context *context)
{
    c->out_size = (size_t)snprintf(
        c->out, sizeof c->out,
        "GET /ws HTTP/1.1\r\nHost: %s\r\nX-Lab-Request: %llu\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
        context->host, (unsigned long long)c->request.id, websocket_key);
}

/* False if there is no way to a connection; it may still fail later. */
static bool open_socket(struct connection *c, struct connection_context *context)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, (struct sockaddr *)&context->target, sizeof context->target) != 0 &&
        errno != EINPROGRESS)
        return false;
    c->interest = EPOLLOUT;
    struct epoll_event event = {.events = c->interest, .data.ptr = c};
    return epoll_ctl(context->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

static void watch(struct connection *c, struct connection_context *context)
{
    uint32_t interest = EPOLLIN | (c->out_sent < c->out_size ? EPOLLOUT : 0);
    if (interest == c->interest)
        return;
    struct epoll_event event = {.events = interest, .data.ptr = c};
    epoll_ctl(context->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->interest = interest;
}

/* What cannot be sent is no verdict: an answer may have come before. Reading tells. */
static void send_out(struct connection *c, struct connection_context *context)
{
    while (c->out_sent < c->out_size) {
        ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            break;
        c->out_sent = sent < 0 ? c->out_size : c->out_sent + (size_t)sent;
    }
    watch(c, context);
}

enum connection_state connection_start(struct connection *c, struct connection_context *context,
                                       const struct load_request *request, uint64_t now)
{
    ASSERT(c->phase == PHASE_IDLE);
    write_row(c, context);
    c->request = *request;
    c->requests++;
    c->deadline_us = now + context->timeout_us;
    c->out_sent = 0;
    answer_init(&c->answer);
    record_sent(context->record);
    switch (request->kind) {
    case KIND_GET: write_get(c, context); break;
    case KIND_POST: write_post(c, context); break;
    case KIND_WEBSOCKET: write_websocket(c, context); break;
    case KIND_COUNT: UNREACHABLE();
    }
    if (c->fd < 0) {
        c->phase = PHASE_CONNECT;
        if (!open_socket(c, context))
            return end_early(c, context, now);
        return CONNECTION_BUSY;
    }
    c->phase = PHASE_ANSWER;
    send_out(c, context);
    return CONNECTION_BUSY;
}

static void send_frame(struct connection *c, struct connection_context *context, unsigned opcode,
                       const void *payload, size_t size)
{
    unsigned char frame[WEBSOCKET_FRAME_MAX];
    if (c->out_sent == c->out_size)
        c->out_sent = c->out_size = 0;
    size_t frame_size = websocket_write(frame, opcode, payload, size, websocket_mask);
    /* Never full: a handful of small messages in the two seconds that a WebSocket lasts. */
    ASSERT(c->out_size + frame_size <= sizeof c->out);
    memcpy(c->out + c->out_size, frame, frame_size);
    c->out_size += frame_size;
    send_out(c, context);
}

static size_t message_text(const struct connection *c, uint64_t number, char text[PATH_MAX_SIZE])
{
    return (size_t)snprintf(text, PATH_MAX_SIZE, "message %llu of %llu", (unsigned long long)number,
                            (unsigned long long)c->request.id);
}

static enum connection_state start_websocket(struct connection *c,
                                             struct connection_context *context, uint64_t now)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept(websocket_key, accept);
    if (strcmp(c->answer.websocket_accept, accept) != 0)
        return end(c, context, OUTCOME_CORRUPT, now);
    c->request.latency_us = now - c->request.intended_us;
    c->phase = PHASE_WEBSOCKET;
    uint32_t share = 1 + random_below(context->random, 1000);
    c->end_us = now + context->websocket_us_max * share / 1000;
    c->deadline_us = c->end_us + context->timeout_us;
    c->wake_us = now;
    c->messages = c->echoes = 0;
    c->frames_size = 0;
    return connection_tick(c, context, now);
}

static enum connection_state judge(struct connection *c, struct connection_context *context,
                                   uint64_t now)
{
    const struct answer *answer = &c->answer;
    char id[ANSWER_VALUE_MAX];
    snprintf(id, sizeof id, "%llu", (unsigned long long)c->request.id);
    if (answer->id[0] && strcmp(answer->id, id) != 0)
        return end(c, context, OUTCOME_ANSWERED_TWICE, now);
    if (answer->status != (c->request.kind == KIND_WEBSOCKET ? 101 : 200))
        return end(c, context, OUTCOME_NON_200, now);
    if (c->request.kind == KIND_WEBSOCKET)
        return start_websocket(c, context, now);
    bool right = strncmp(answer->body, c->expected, strlen(c->expected)) == 0 && answer->id[0];
    return end(c, context, right ? OUTCOME_OK : OUTCOME_CORRUPT, now);
}

static enum connection_state take_frame(struct connection *c, struct connection_context *context,
                                        const struct websocket_frame *frame, uint64_t now)
{
    char text[PATH_MAX_SIZE];
    size_t size = message_text(c, c->echoes + 1, text);
    switch (frame->opcode) {
    case WEBSOCKET_CLOSE:
        /* In answer to ours all must have come back; theirs is polite, whenever it comes. */
        if (c->phase == PHASE_CLOSE && c->echoes < c->messages)
            return end(c, context, OUTCOME_CORRUPT, now);
        if (c->phase == PHASE_WEBSOCKET)
            send_frame(c, context, WEBSOCKET_CLOSE, frame->payload, frame->size < 2 ? 0 : 2);
        return end(c, context, OUTCOME_OK, now);
    case WEBSOCKET_TEXT:
        if (c->echoes == c->messages || frame->size != size ||
            memcmp(frame->payload, text, size) != 0)
            return end(c, context, OUTCOME_CORRUPT, now);
        c->echoes++;
        return CONNECTION_BUSY;
    case WEBSOCKET_PING:
        send_frame(c, context, WEBSOCKET_PONG, frame->payload, frame->size);
        return CONNECTION_BUSY;
    default: return end(c, context, OUTCOME_CORRUPT, now);
    }
}

static enum connection_state take_frames(struct connection *c, struct connection_context *context,
                                         const unsigned char *data, size_t size, uint64_t now)
{
    while (size > 0) {
        size_t room = sizeof c->frames - c->frames_size, take = size < room ? size : room;
        memcpy(c->frames + c->frames_size, data, take);
        c->frames_size += take;
        data += take;
        size -= take;
        struct websocket_frame frame;
        int got;
        while ((got = websocket_read(c->frames, c->frames_size, &frame)) > 0) {
            if (take_frame(c, context, &frame, now) != CONNECTION_BUSY)
                return CONNECTION_OVER;
            c->frames_size -= frame.frame_size;
            memmove(c->frames, c->frames + frame.frame_size, c->frames_size);
        }
        if (got < 0)
            return end(c, context, OUTCOME_CORRUPT, now);
    }
    return CONNECTION_BUSY;
}

static enum connection_state take(struct connection *c, struct connection_context *context,
                                  const unsigned char *data, size_t size, uint64_t now)
{
    size_t used = 0;
    if (c->phase == PHASE_ANSWER) {
        used = answer_feed(&c->answer, data, size);
        if (c->answer.state == ANSWER_BROKEN)
            return end(c, context, OUTCOME_CORRUPT, now);
        if (c->answer.state != ANSWER_DONE)
            return CONNECTION_BUSY;
        enum connection_state state = judge(c, context, now);
        if (used == size || state == CONNECTION_OVER)
            return state;
    }
    if (c->phase != PHASE_IDLE)
        return take_frames(c, context, data + used, size - used, now);
    /* Bytes after the answer, or while nothing was asked. */
    if (c->row_due && c->request.outcome == OUTCOME_OK)
        record_spoil(context->record, &c->request, OUTCOME_ANSWERED_TWICE);
    return CONNECTION_OVER;
}

static enum connection_state on_end(struct connection *c, struct connection_context *context,
                                    bool orderly, uint64_t now)
{
    if (c->phase == PHASE_IDLE)
        return CONNECTION_OVER;
    if (c->phase == PHASE_ANSWER && orderly && answer_finish(&c->answer)) {
        c->answer.close = true;
        return judge(c, context, now);
    }
    return end_early(c, context, now);
}

enum connection_state connection_ready(struct connection *c, struct connection_context *context,
                                       uint32_t events, uint64_t now)
{
    unsigned char data[16384];
    if (c->phase == PHASE_CONNECT) {
        int failure = 0;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failure, &(socklen_t){sizeof failure});
        if (failure)
            return end_early(c, context, now);
        c->phase = PHASE_ANSWER;
    }
    if (c->out_sent < c->out_size)
        send_out(c, context);
    else
        watch(c, context);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return CONNECTION_BUSY;
    for (;;) {
        ssize_t got = recv(c->fd, data, sizeof data, 0);
        if (got < 0 && errno == EAGAIN)
            return c->phase == PHASE_IDLE ? CONNECTION_IDLE : CONNECTION_BUSY;
        if (got <= 0)
            return on_end(c, context, got == 0, now);
        enum connection_state state = take(c, context, data, (size_t)got, now);
        if (state != CONNECTION_BUSY)
            return state;
    }
}

enum connection_state connection_tick(struct connection *c, struct connection_context *context,
                                      uint64_t now)
{
    if (c->phase == PHASE_IDLE)
        return CONNECTION_IDLE;
    if (now >= c->deadline_us)
        return end(c, context, c->phase == PHASE_CONNECT ? OUTCOME_CONNECT_ERROR : OUTCOME_TIMEOUT,
                   now);
    if (c->phase != PHASE_WEBSOCKET || now < c->wake_us)
        return CONNECTION_BUSY;
    if (now >= c->end_us) {
        send_frame(c, context, WEBSOCKET_CLOSE, close_normal, sizeof close_normal);
        c->phase = PHASE_CLOSE;
        return CONNECTION_BUSY;
    }
    char text[PATH_MAX_SIZE];
    size_t size = message_text(c, ++c->messages, text);
    send_frame(c, context, WEBSOCKET_TEXT, text, size);
    c->wake_us = now + WEBSOCKET_MESSAGE_US < c->end_us ? now + WEBSOCKET_MESSAGE_US : c->end_us;
    return CONNECTION_BUSY;
}

void connection_done(struct connection *c, struct connection_context *context)
{
    ASSERT(c->phase == PHASE_IDLE);
    write_row(c, context);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}
