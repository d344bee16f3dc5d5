#include "proxy/connection.h"

#include "base/check.h"
#include "proxy/deadline.h"
#include "proxy/worker_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct connection *connection_open(struct worker *worker, int fd, enum connection_state state,
                                   void (*on_event)(struct loop_watch *, uint32_t))
{
    ASSERT(fd >= 0 && on_event != NULL && state != CONNECTION_CLOSED);
    struct connection *c = slab_take(&worker->connections);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->watch.fd = fd;
    c->watch.on_event = on_event;
    c->worker = worker;
    if (!loop_watch_add(worker->loop, &c->watch, NULL)) {
        slab_give(&worker->connections, c);
        return NULL;
    }
    connection_enter(c, state);
    return c;
}

static void kept_free(struct kept *kept)
{
    free(kept->data);
    *kept = (struct kept){0};
}

/* Adds to what is kept. */
static bool kept_add(struct kept *kept, const char *data, size_t size)
{
    ASSERT(size <= UINT32_MAX / 4);
    if (size == 0)
        return true;
    char *larger = malloc(kept->size + size);
    if (larger == NULL)
        return false;
    if (kept->size != 0)
        memcpy(larger, kept->data + kept->at, kept->size);
    memcpy(larger + kept->size, data, size);
    free(kept->data);
    kept->data = larger;
    kept->at = 0;
    kept->size += (uint32_t)size;
    return true;
}

void connection_close(struct connection *c)
{
    struct worker *worker = c->worker;
    ASSERT(c->state != CONNECTION_CLOSED && c->request == NULL);
    loop_watch_close(worker->loop, &c->watch);
    timeouts_remove(&c->timeout);
    if (list_linked(&c->link))
        list_remove(&c->link);
    if (worker->view.owner == c)
        worker->view.owner = NULL;
    kept_free(&c->input);
    kept_free(&c->output);
    c->state = CONNECTION_CLOSED;
    list_push_back(&worker->dead, &c->link);
}

void connection_reset(struct connection *c)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connection_close(c);
}

void connection_enter(struct connection *c, enum connection_state state)
{
    ASSERT(state != CONNECTION_CLOSED);
    c->state = (uint8_t)state;
    c->since_ns = c->worker->now_ns;
    timeouts_watch(&c->worker->timeouts, &c->timeout, deadline_of(c));
}

void connection_note(struct connection *c, uint32_t events)
{
    c->worker->now_ns = loop_now_ns(c->worker->loop);
    if (events & (LOOP_READABLE | LOOP_PEER_CLOSED | LOOP_ERROR))
        c->flags |= CONNECTION_READABLE;
    if (events & LOOP_PEER_CLOSED)
        c->flags |= CONNECTION_PEER_CLOSED;
    if (events & LOOP_ERROR)
        c->flags |= CONNECTION_BROKEN;
    if ((events & LOOP_WRITABLE) && connection_blocked(c))
        (void)connection_flush(c); /* A failure sets BROKEN. */
}

/* --- Input --- */

bool connection_keep(struct view *view)
{
    struct connection *owner = view->owner;
    view->owner = NULL;
    if (owner == NULL || view->size == 0)
        return true;
    ASSERT(owner->input.size == 0 && owner->state != CONNECTION_CLOSED);
    if (kept_add(&owner->input, view->data, view->size))
        return true;
    owner->flags |= CONNECTION_BROKEN;
    connection_resume_later(owner);
    return false;
}

/* Makes the view this connection's, with its kept bytes at the front. */
static void view_take(struct view *view, struct connection *c)
{
    if (view->owner == c) {
        if (view->data != view->buffer + VIEW_HEADROOM) {
            memmove(view->buffer + VIEW_HEADROOM, view->data, view->size);
            view->data = view->buffer + VIEW_HEADROOM;
        }
        return;
    }
    (void)connection_keep(view);
    view->owner = c;
    view->data = view->buffer + VIEW_HEADROOM;
    view->size = c->input.size;
    if (c->input.size != 0) {
        ASSERT(c->input.size <= VIEW_BYTES);
        memcpy(view->data, c->input.data + c->input.at, c->input.size);
        kept_free(&c->input);
    }
}

bool connection_has_input(const struct connection *c)
{
    const struct view *view = &c->worker->view;
    return (view->owner == c && view->size != 0) || c->input.size != 0 ||
           (c->flags & (CONNECTION_READABLE | CONNECTION_ENDED)) != 0;
}

void connection_consume(struct connection *c, size_t size)
{
    struct view *view = &c->worker->view;
    ASSERT(view->owner == c && size <= view->size);
    view->data += size;
    view->size -= size;
    if (view->size == 0)
        view->owner = NULL;
}

static enum input receive(struct connection *c, struct view *view)
{
    const size_t room = VIEW_BYTES - view->size;
    if (room == 0)
        return INPUT_ERROR;
    ssize_t got;
    do {
        got = recv(c->watch.fd, view->data + view->size, room, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        view->size += (size_t)got;
        /* A short read emptied the socket; what comes later is a new event. */
        if ((size_t)got < room && (c->flags & CONNECTION_PEER_CLOSED) == 0)
            c->flags &= (uint16_t)~CONNECTION_READABLE;
        return INPUT_BYTES;
    }
    c->flags &= (uint16_t)~CONNECTION_READABLE;
    if (got == 0) {
        c->flags |= CONNECTION_ENDED;
        return INPUT_END;
    }
    if (errno == EAGAIN)
        return INPUT_NONE;
    c->flags |= CONNECTION_BROKEN;
    return INPUT_ERROR;
}

enum input connection_fill(struct connection *c, bool more)
{
    struct view *view = &c->worker->view;
    const bool waiting = (view->owner == c && view->size != 0) || c->input.size != 0;
    if ((more || !waiting) && (c->flags & CONNECTION_READABLE) == 0) {
        if (c->flags & CONNECTION_ENDED)
            return INPUT_END;
        return (c->flags & CONNECTION_BROKEN) ? INPUT_ERROR : INPUT_NONE;
    }
    view_take(view, c);
    if (view->size != 0 && !more)
        return INPUT_BYTES;
    const enum input input = receive(c, view);
    if (view->size == 0)
        view->owner = NULL;
    return input;
}

/* --- Output --- */

static bool broken(struct connection *c)
{
    c->flags |= CONNECTION_BROKEN;
    return false;
}

static bool keep_output(struct connection *c, const char *data, size_t size)
{
    return kept_add(&c->output, data, size) ? true : broken(c);
}

/* How many bytes the kernel took; -1: the peer is gone. */
static ssize_t transmit(struct connection *c, struct slice head, struct slice body)
{
    ssize_t sent;
    do {
        if (body.size == 0) {
            sent = send(c->watch.fd, head.data, head.size, MSG_NOSIGNAL);
        } else {
            struct iovec parts[2] = {{(void *)(uintptr_t)head.data, head.size},
                                     {(void *)(uintptr_t)body.data, body.size}};
            const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
            sent = sendmsg(c->watch.fd, &message, MSG_NOSIGNAL);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN)
        return 0;
    return sent;
}

bool connection_send_two(struct connection *c, struct slice head, struct slice body, bool *started)
{
    ASSERT((c->flags & CONNECTION_SHUT) == 0);
    size_t sent = 0;
    if (!connection_blocked(c)) {
        const ssize_t result = transmit(c, head, body);
        if (result < 0)
            return broken(c);
        sent = (size_t)result;
    }
    if (started != NULL)
        *started = true;
    if (sent == head.size + body.size)
        return true;
    if (sent < head.size && !keep_output(c, head.data + sent, head.size - sent))
        return false;
    const size_t skip = sent < head.size ? 0 : sent - head.size;
    return keep_output(c, body.data + skip, body.size - skip);
}

bool connection_send(struct connection *c, const char *data, size_t size)
{
    if (size == 0)
        return true;
    return connection_send_two(c, (struct slice){data, size}, SLICE(""), NULL);
}

bool connection_flush(struct connection *c)
{
    ASSERT(connection_blocked(c));
    struct kept *output = &c->output;
    const ssize_t sent =
        transmit(c, (struct slice){output->data + output->at, output->size}, (struct slice){0});
    if (sent < 0)
        return broken(c);
    output->at += (uint32_t)sent;
    output->size -= (uint32_t)sent;
    if (sent > 0 && c->request != NULL)
        c->request->active_ns = c->worker->now_ns;
    else if (sent > 0 && c->state == CLIENT_FLUSH)
        c->since_ns = c->worker->now_ns;
    if (output->size != 0)
        return true;
    kept_free(output);
    if (c->flags & CONNECTION_SHUT)
        (void)shutdown(c->watch.fd, SHUT_WR);
    return true;
}

void connection_shut(struct connection *c)
{
    if (c->flags & CONNECTION_SHUT)
        return;
    c->flags |= CONNECTION_SHUT;
    if (!connection_blocked(c))
        (void)shutdown(c->watch.fd, SHUT_WR);
}

void connection_resume_later(struct connection *c)
{
    if ((c->flags & CONNECTION_RESUMING) || c->state == CONNECTION_CLOSED)
        return;
    ASSERT(!list_linked(&c->link));
    c->flags |= CONNECTION_RESUMING;
    list_push_back(&c->worker->resume, &c->link);
}

bool connection_is_quiet(const struct connection *c)
{
    char byte;
    const ssize_t got = recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}
