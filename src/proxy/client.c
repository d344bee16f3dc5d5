#include "proxy/client.h"

#include "base/check.h"
#include "proxy/access_log.h"
#include "proxy/answer.h"
#include "proxy/connection.h"
#include "proxy/request.h"
#include "proxy/worker_state.h"

#include <string.h>

static void on_event(struct loop_watch *watch, uint32_t events)
{
    struct connection *c = CONTAINER_OF(watch, struct connection, watch);
    connection_note(c, events);
    client_go(c);
}

bool client_open(struct listener *listener, int fd, const struct socket_address *address)
{
    struct worker *worker = listener->worker;
    struct connection *c = connection_open(worker, fd, CLIENT_IDLE, on_event);
    if (c == NULL)
        return false;
    c->listener = listener->index;
    c->tier = listener_default_tier(listener);
    socket_format_host(address, c->address, sizeof c->address);
    c->address_size = (uint8_t)strlen(c->address);
    worker->clients++;
    counter_add(&worker->counters->connections, 1);
    counter_add(&worker->counters->connections_open, 1);
    /* Most have sent their request by now. */
    c->flags |= CONNECTION_READABLE;
    client_go(c);
    return true;
}

static void forget(struct connection *c)
{
    struct worker *worker = c->worker;
    ASSERT(worker->clients > 0);
    worker->clients--;
    counter_subtract(&worker->counters->connections_open, 1);
    atomic_fetch_sub_explicit(worker->connections_total, 1, memory_order_relaxed);
}

void client_close(struct connection *c)
{
    forget(c);
    connection_close(c);
}

void client_reset(struct connection *c)
{
    forget(c);
    connection_reset(c);
}

/* Everything is sent. Unread bytes would make the kernel send a reset after our close. */
static void finish(struct connection *c)
{
    const bool read_all = !connection_has_input(c) && c->body.mode == BODY_DONE;
    const bool quiet = read_all || (c->flags & CONNECTION_ENDED);
    if (quiet || (c->flags & CONNECTION_BROKEN)) {
        client_close(c);
        return;
    }
    connection_shut(c);
    connection_enter(c, CLIENT_LINGER);
    connection_resume_later(c);
}

void client_after(struct connection *c, bool close)
{
    ASSERT(c->request == NULL);
    if (close)
        c->flags |= CONNECTION_CLOSE_AFTER;
    if (c->flags & CONNECTION_BROKEN)
        client_close(c);
    else if (connection_blocked(c))
        connection_enter(c, CLIENT_FLUSH);
    else if (c->flags & CONNECTION_CLOSE_AFTER)
        finish(c);
    else
        connection_enter(c, CLIENT_IDLE);
}

void client_refuse(struct connection *c, int status)
{
    struct worker *worker = c->worker;
    ASSERT(c->request == NULL && (c->state == CLIENT_IDLE || c->state == CLIENT_HEAD));
    counter_add(&worker->counters->requests_refused, 1);
    if (worker->log != NULL) {
        const struct access_entry entry = {
            .client = {c->address, c->address_size},
            .wall_ms = loop_wall_ms(worker->loop),
            .status = (uint16_t)status,
            .duration_us = (worker->now_ns - c->since_ns) / 1000,
        };
        access_log_add(worker->log, &entry);
    }
    const struct answer answer = {.status = status, .close = true};
    (void)answer_send(c, &answer);
    /* More may follow what could not be understood: read it away before closing. */
    c->flags |= CONNECTION_READABLE;
    client_after(c, true);
}

/*
 * Nothing of a head has come but the empty line that may stand before it (RFC 9112 2.2), which some
 * clients send after a body. An answer to that would be taken for the answer to what comes next.
 */
static bool is_silent(const struct connection *c)
{
    const struct view *view = &c->worker->view;
    const size_t size = view->owner == c ? view->size : c->input.size;
    return c->state == CLIENT_IDLE || size <= 2;
}

void client_give_up(struct connection *c, int status)
{
    ASSERT(c->state == CLIENT_IDLE || c->state == CLIENT_HEAD);
    if (is_silent(c))
        client_close(c);
    else
        client_refuse(c, status);
}

/* Makes and starts a request of a head that is whole. */
static void start(struct connection *c)
{
    struct worker *worker = c->worker;
    const struct h1_request *asked = &worker->asked;
    const char *data = worker->view.data;
    struct slice path = h1_slice(data, asked->path);
    if (path.size == 0 || path.data[0] != '/') /* "http://host?query", "*". */
        path = SLICE("/");
    const uint16_t tier =
        listener_route(&worker->listeners[c->listener], h1_slice(data, asked->host), path);
    if (tier == LISTENER_NO_TIER) {
        client_refuse(c, 404);
        return;
    }
    struct request *request = request_open(c, tier);
    if (request == NULL) {
        client_refuse(c, 503);
        return;
    }
    connection_enter(c, CLIENT_BUSY);
    request_go(request);
}

/* Reads one head. False: it has to wait, or the connection is no longer between requests. */
static bool read_head(struct connection *c)
{
    struct worker *worker = c->worker;
    switch (connection_fill(c, (c->flags & CONNECTION_PARTIAL) != 0)) {
    case INPUT_BYTES: break;
    case INPUT_NONE: return false;
    case INPUT_END: client_give_up(c, 400); return false;
    case INPUT_ERROR: client_close(c); return false;
    }
    struct view *view = &worker->view;
    switch (
        h1_parse_request(view->data, view->size, &worker->limits, &c->scanned, &worker->asked)) {
    case H1_DONE:
        c->scanned = 0;
        c->flags &= (uint16_t)~CONNECTION_PARTIAL;
        start(c);
        return true;
    case H1_MORE:
        c->flags |= CONNECTION_PARTIAL;
        if (c->state == CLIENT_IDLE)
            connection_enter(c, CLIENT_HEAD);
        return (c->flags & CONNECTION_READABLE) != 0;
    case H1_BAD:
        client_refuse(c, h1_fault_status((enum h1_fault)worker->asked.head.fault));
        return false;
    }
    UNREACHABLE();
}

void client_next(struct connection *c)
{
    for (int turn = 0; c->state == CLIENT_IDLE || c->state == CLIENT_HEAD; turn++) {
        if (c->flags & CONNECTION_BROKEN) {
            client_close(c);
            return;
        }
        if (!connection_has_input(c))
            return;
        if (turn == CONNECTION_TURNS_MAX) {
            connection_resume_later(c);
            return;
        }
        if (!read_head(c))
            return;
    }
}

/* Drops what the client still sends, until it ends or CONNECTION_LINGER_MS are over. */
static void linger(struct connection *c)
{
    struct view *view = &c->worker->view;
    for (int turn = 0; turn < CONNECTION_TURNS_MAX; turn++) {
        switch (connection_fill(c, false)) {
        case INPUT_BYTES: connection_consume(c, view->size); break;
        case INPUT_NONE: return;
        case INPUT_END:
        case INPUT_ERROR: client_close(c); return;
        }
    }
    connection_resume_later(c);
}

void client_go(struct connection *c)
{
    switch ((enum connection_state)c->state) {
    case CLIENT_IDLE:
    case CLIENT_HEAD: client_next(c); break;
    case CLIENT_BUSY:
    case CLIENT_TUNNEL:
        request_go(c->request);
        client_next(c);
        break;
    case CLIENT_FLUSH:
        if (connection_blocked(c) && (c->flags & CONNECTION_BROKEN) == 0)
            break;
        client_after(c, false);
        client_next(c);
        break;
    case CLIENT_LINGER: linger(c); break;
    case CONNECTION_CLOSED: break;
    default: UNREACHABLE();
    }
}
