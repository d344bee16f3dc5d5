#include "proxy/upstream.h"

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/connection.h"
#include "proxy/request.h"
#include "proxy/worker_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request went on because of its host; its client may then have the next one waiting. */
static void go_on(struct request *r)
{
    struct connection *client = r->client;
    request_go(r);
    client_next(client);
}

static void on_event(struct loop_watch *watch, uint32_t events)
{
    struct connection *u = CONTAINER_OF(watch, struct connection, watch);
    connection_note(u, events);
    switch ((enum connection_state)u->state) {
    case UPSTREAM_IDLE:
        if (events != LOOP_WRITABLE)
            upstream_close(u);
        break;
    case UPSTREAM_CONNECTING:
        /* A host that accepts and closes at once gives an end to read, not an error. */
        if ((events & LOOP_ERROR) == 0 && (events & LOOP_WRITABLE) != 0)
            connection_enter(u, UPSTREAM_BUSY);
        go_on(u->request);
        break;
    case UPSTREAM_BUSY:
    case UPSTREAM_TUNNEL: go_on(u->request); break;
    default: UNREACHABLE();
    }
}

void upstream_resume(struct connection *u)
{
    ASSERT(u->state >= UPSTREAM_CONNECTING);
    if (u->request != NULL)
        go_on(u->request);
}

static struct connection *pop(struct worker *worker, struct upstream_pool *pool)
{
    struct list *node = list_pop_front(&pool->idle);
    if (node == NULL)
        return NULL;
    pool->count--;
    counter_subtract(&worker->counters->upstream_idle, 1);
    return CONTAINER_OF(node, struct connection, link);
}

struct connection *upstream_take(struct worker *worker, uint32_t target, bool surely)
{
    struct upstream_pool *pool = &worker->pools[target];
    struct connection *u;
    while ((u = pop(worker, pool)) != NULL) {
        ASSERT(u->state == UPSTREAM_IDLE && u->target == target && u->request == NULL);
        u->state = UPSTREAM_BUSY;
        if (!surely || connection_is_quiet(u))
            return u;
        upstream_close(u);
    }
    return NULL;
}

enum upstream_connect upstream_connect(struct request *r, uint32_t target)
{
    struct worker *worker = r->client->worker;
    const struct socket_address *address = targets_address(worker->all_targets, target);
    const int on = 1;
    const int fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return UPSTREAM_EXHAUSTED;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0 &&
        errno != EINPROGRESS) {
        const bool ours = errno == EADDRNOTAVAIL || errno == EAGAIN || errno == ENOMEM;
        close(fd);
        return ours ? UPSTREAM_EXHAUSTED : UPSTREAM_REFUSED;
    }
    struct connection *u = connection_open(worker, fd, UPSTREAM_CONNECTING, on_event);
    if (u == NULL) {
        close(fd);
        return UPSTREAM_EXHAUSTED;
    }
    counter_add(&worker->counters->upstream_connects, 1);
    u->target = target;
    u->tier = r->tier;
    u->request = r;
    r->upstream = u;
    return UPSTREAM_STARTED;
}

static bool is_reusable(const struct connection *u)
{
    const struct worker *worker = u->worker;
    const uint32_t spoilt = CONNECTION_PEER_CLOSED | CONNECTION_BROKEN | CONNECTION_SHUT |
                            CONNECTION_ENDED | CONNECTION_STOP_SENDING;
    return (u->flags & spoilt) == 0 && !connection_blocked(u) && u->input.size == 0 &&
           worker->view.owner != u && !worker->stopping &&
           (targets_flags(worker->targets, u->target) & TARGET_DRAINING) == 0 &&
           worker->pools[u->target].count < UPSTREAM_IDLE_MAX;
}

void upstream_return(struct connection *u)
{
    ASSERT(u->state == UPSTREAM_BUSY && u->request == NULL);
    struct worker *worker = u->worker;
    if (!is_reusable(u)) {
        upstream_close(u);
        return;
    }
    if (list_linked(&u->link)) /* It was to go on later. */
        list_remove(&u->link);
    u->flags = CONNECTION_POOLED | (u->flags & CONNECTION_READABLE);
    list_push_front(&worker->pools[u->target].idle, &u->link);
    worker->pools[u->target].count++;
    counter_add(&worker->counters->upstream_idle, 1);
    connection_enter(u, UPSTREAM_IDLE);
}

void upstream_close(struct connection *u)
{
    if (u == NULL)
        return;
    if (u->state == UPSTREAM_IDLE) {
        struct upstream_pool *pool = &u->worker->pools[u->target];
        ASSERT(pool->count > 0);
        pool->count--;
        counter_subtract(&u->worker->counters->upstream_idle, 1);
    }
    connection_close(u);
}

void upstream_close_idle(struct worker *worker, uint32_t target)
{
    struct connection *u;
    while ((u = pop(worker, &worker->pools[target])) != NULL) {
        u->state = UPSTREAM_BUSY;
        upstream_close(u);
    }
}
