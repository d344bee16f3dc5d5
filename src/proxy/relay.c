#include "proxy/relay.h"

#include "base/check.h"
#include "proto/h1_rewrite.h"
#include "proxy/connection.h"
#include "proxy/deadline.h"
#include "proxy/pipes.h"
#include "proxy/worker_state.h"

#include <string.h>

_Static_assert(VIEW_HEADROOM >= 512, "what a rewritten head gains fits in front of the view");

static bool too_long(const struct request *r, size_t more)
{
    const uint64_t limit = r->client->worker->config->limits.body_bytes;
    return limit != CONFIG_UNLIMITED && r->bytes_in + more > limit;
}

/* Part of the request's body went to the host, or could go. */
static void note_sent(struct request *r)
{
    struct connection *client = r->client;
    struct worker *worker = client->worker;
    r->flags |= REQUEST_STARTED;
    r->active_ns = worker->now_ns;
    if (client->body.mode != BODY_DONE)
        return;
    r->flags |= REQUEST_SENT;
    timeouts_watch(&worker->timeouts, &r->upstream->timeout, deadline_of(r->upstream));
}

enum relay relay_head(struct request *r)
{
    struct connection *client = r->client;
    struct view *view = &client->worker->view;
    const struct body before = client->body;
    struct slice body = {0};
    size_t consumed = 0;
    if (before.mode != BODY_DONE && (client->input.size != 0 || view->owner == client)) {
        if (connection_fill(client, false) != INPUT_BYTES)
            return RELAY_CLIENT_GONE;
        const bool sound = body_take(&client->body, view->data, view->size, &consumed, &body.size);
        body.data = view->data;
        if (!sound)
            return RELAY_CLIENT_BAD;
        if (too_long(r, body.size))
            return RELAY_TOO_LONG;
    }
    bool started = false;
    (void)connection_send_two(r->upstream, r->head, body, &started);
    if (!started) {
        client->body = before;
        return RELAY_NOT_STARTED;
    }
    if (consumed != 0)
        connection_consume(client, consumed);
    r->bytes_in += body.size;
    note_sent(r);
    return RELAY_GOES_ON;
}

enum relay relay_up(struct request *r)
{
    struct connection *client = r->client;
    struct connection *u = r->upstream;
    struct view *view = &client->worker->view;
    for (int turn = 0; client->body.mode != BODY_DONE; turn++) {
        if ((u->flags & CONNECTION_STOP_SENDING) || connection_blocked(u))
            return RELAY_GOES_ON;
        if (turn == CONNECTION_TURNS_MAX) {
            connection_resume_later(client);
            return RELAY_GOES_ON;
        }
        switch (connection_fill(client, false)) {
        case INPUT_BYTES: break;
        case INPUT_NONE: return RELAY_GOES_ON;
        case INPUT_END: return RELAY_CLIENT_BAD;
        case INPUT_ERROR: return RELAY_CLIENT_GONE;
        }
        size_t consumed;
        size_t payload;
        if (!body_take(&client->body, view->data, view->size, &consumed, &payload))
            return RELAY_CLIENT_BAD;
        if (too_long(r, payload))
            return RELAY_TOO_LONG;
        /* A host may answer and close before it has read everything: hear it out. */
        if (!connection_send(u, view->data, payload))
            u->flags |= CONNECTION_STOP_SENDING | CONNECTION_READABLE;
        r->bytes_in += payload;
        connection_consume(client, consumed);
        note_sent(r);
    }
    return RELAY_GOES_ON;
}

enum relay relay_interim(struct request *r)
{
    struct worker *worker = r->client->worker;
    const struct h1_response *answered = &worker->answered;
    size_t size = 0;
    if ((r->flags & REQUEST_MINOR_0) == 0) {
        const struct h1_rewrite_response rewrite = {.via = SLICE("nines")};
        size = h1_rewrite_response(answered, worker->view.data, &rewrite, worker->scratch,
                                   WORKER_SCRATCH_BYTES);
        ASSERT(size != 0);
    }
    connection_consume(r->upstream, answered->head.size);
    if (size == 0)
        return RELAY_GOES_ON;
    r->flags |= REQUEST_FORWARDED;
    return connection_send(r->client, worker->scratch, size) ? RELAY_GOES_ON : RELAY_CLIENT_GONE;
}

static bool must_close(const struct request *r, const struct h1_response *answered, bool unchunk)
{
    const struct connection *client = r->client;
    return (r->flags & REQUEST_KEEP_ALIVE) == 0 || client->worker->stopping ||
           client->body.mode != BODY_DONE || answered->head.framing == H1_BODY_UNTIL_CLOSE ||
           unchunk;
}

/* The new head, in worker->scratch. */
static size_t make_head(struct request *r, bool unchunk)
{
    struct worker *worker = r->client->worker;
    const struct h1_response *answered = &worker->answered;
    if (must_close(r, answered, unchunk))
        r->flags |= REQUEST_CLOSE;
    struct h1_rewrite_response rewrite = {.via = SLICE("nines"), .unchunk = unchunk};
    if (r->flags & REQUEST_CLOSE)
        rewrite.connection = H1_CONNECTION_CLOSE;
    else if (r->flags & REQUEST_MINOR_0)
        rewrite.connection = H1_CONNECTION_KEEP_ALIVE;
    if ((answered->head.seen & H1_SEEN(H1_ID_DATE)) == 0)
        rewrite.insert = worker_date_line(worker);
    const size_t size = h1_rewrite_response(answered, worker->view.data, &rewrite, worker->scratch,
                                            WORKER_SCRATCH_BYTES);
    ASSERT(size != 0 && size <= (size_t)answered->head.size + VIEW_HEADROOM);
    return size;
}

static bool is_websocket(const struct h1_response *answered, const char *data)
{
    const struct h1_header *upgrade = h1_find(&answered->head, H1_ID_UPGRADE);
    return upgrade != NULL && slice_equal_nocase(h1_value(data, upgrade), SLICE("websocket"));
}

enum relay relay_answer(struct request *r)
{
    struct connection *u = r->upstream;
    struct worker *worker = u->worker;
    struct view *view = &worker->view;
    const struct h1_response *answered = &worker->answered;
    const bool tunnel = answered->status == 101;
    const bool unchunk = answered->head.framing == H1_BODY_CHUNKED && (r->flags & REQUEST_MINOR_0);
    char *body = view->data + answered->head.size;
    size_t consumed = 0;
    size_t payload = 0;
    body_begin(&u->body, &answered->head, unchunk);
    if (!tunnel &&
        !body_take(&u->body, body, view->size - answered->head.size, &consumed, &payload))
        return RELAY_HOST_BAD;
    const bool websocket = tunnel && is_websocket(answered, view->data);
    const size_t size = make_head(r, unchunk);
    if (answered->head.keep_alive && answered->head.framing != H1_BODY_UNTIL_CLOSE)
        r->flags |= REQUEST_HOST_REUSABLE;
    /* The old head is dealt with: the new one takes its place and some of the headroom. */
    memcpy(body - size, worker->scratch, size);
    connection_consume(u, answered->head.size + consumed);
    r->status = answered->status;
    r->flags |= REQUEST_FORWARDED | REQUEST_ANSWERED;
    r->bytes_out += payload;
    if (!connection_send(r->client, body - size, size + payload))
        return RELAY_CLIENT_GONE;
    if (tunnel)
        tunnel_begin(r, websocket);
    return RELAY_GOES_ON;
}

bool relay_down_done(const struct request *r)
{
    return r->upstream->body.mode == BODY_DONE && r->pipe.held == 0;
}

bool relay_down_blocked(const struct request *r)
{
    return connection_blocked(r->client) || r->pipe.held != 0;
}

/* Is the rest of the body long enough to go through a pipe, and none of it here already? */
static bool may_splice(struct request *r)
{
    const struct connection *u = r->upstream;
    struct worker *worker = u->worker;
    return u->body.mode == BODY_LENGTH && u->body.left >= PIPES_BODY_MIN && u->input.size == 0 &&
           worker->view.owner != u && (r->pipe.open || pipes_take(&worker->pipes, &r->pipe));
}

/* What is in the pipe goes to the client. RELAY_GOES_ON: all of it, or as much as it takes. */
static enum relay push(struct request *r)
{
    struct connection *client = r->client;
    while (r->pipe.held != 0) {
        const uint32_t held = r->pipe.held;
        switch (pipe_push(&r->pipe, client->watch.fd, r->upstream->body.mode != BODY_DONE)) {
        case PIPE_MOVED: break;
        case PIPE_WAIT: return RELAY_GOES_ON;
        case PIPE_END:
        case PIPE_ERROR: client->flags |= CONNECTION_BROKEN; return RELAY_CLIENT_GONE;
        }
        r->bytes_out += held - r->pipe.held;
        r->active_ns = client->worker->now_ns;
    }
    return RELAY_GOES_ON;
}

/* One turn through the pipe. */
static enum relay splice_down(struct request *r)
{
    struct connection *u = r->upstream;
    if ((u->flags & CONNECTION_READABLE) == 0)
        return RELAY_GOES_ON;
    switch (pipe_pull(&r->pipe, u->watch.fd, u->body.left)) {
    case PIPE_MOVED: break;
    case PIPE_WAIT: u->flags &= (uint16_t)~CONNECTION_READABLE; return RELAY_GOES_ON;
    case PIPE_END:
    case PIPE_ERROR: return RELAY_HOST_GONE;
    }
    u->body.left -= r->pipe.held;
    if (u->body.left == 0)
        u->body.mode = BODY_DONE;
    return push(r);
}

enum relay relay_down(struct request *r)
{
    struct connection *client = r->client;
    struct connection *u = r->upstream;
    struct view *view = &u->worker->view;
    if (push(r) != RELAY_GOES_ON)
        return RELAY_CLIENT_GONE;
    for (int turn = 0; u->body.mode != BODY_DONE && !relay_down_blocked(r); turn++) {
        if (turn == CONNECTION_TURNS_MAX) {
            connection_resume_later(u);
            return RELAY_GOES_ON;
        }
        if (may_splice(r)) {
            const enum relay result = splice_down(r);
            if (result != RELAY_GOES_ON || (u->flags & CONNECTION_READABLE) == 0)
                return result;
            continue;
        }
        switch (connection_fill(u, false)) {
        case INPUT_BYTES: break;
        case INPUT_NONE: return RELAY_GOES_ON;
        case INPUT_END:
            if (u->body.mode != BODY_UNTIL_CLOSE)
                return RELAY_HOST_GONE;
            u->body.mode = BODY_DONE;
            return RELAY_GOES_ON;
        case INPUT_ERROR: return RELAY_HOST_GONE;
        }
        size_t consumed;
        size_t payload;
        const bool sound = body_take(&u->body, view->data, view->size, &consumed, &payload);
        if (!connection_send(client, view->data, payload))
            return RELAY_CLIENT_GONE;
        r->bytes_out += payload;
        r->active_ns = u->worker->now_ns;
        connection_consume(u, consumed);
        if (!sound)
            return RELAY_HOST_BAD;
    }
    return RELAY_GOES_ON;
}
