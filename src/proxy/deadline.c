#include "proxy/deadline.h"

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/hold.h"
#include "proxy/relay.h"
#include "proxy/worker_state.h"

/* Far enough; the wheel looks again long before. */
static const uint64_t deadline_never = UINT64_MAX / 2;

static uint64_t after_ms(uint64_t since_ns, uint64_t ms)
{
    return since_ns + ms * 1000000;
}

static uint64_t of_idle_client(const struct connection *c, const struct config_tier *tier)
{
    const struct worker *worker = c->worker;
    const uint64_t idle_ns = after_ms(c->since_ns, tier->timeouts.client_idle_ms);
    return worker->stopping && worker->idle_until_ns < idle_ns ? worker->idle_until_ns : idle_ns;
}

static uint64_t of_busy_client(const struct connection *c)
{
    const struct request *r = c->request;
    if (r == NULL || (r->flags & REQUEST_HELD) == 0)
        return deadline_never; /* Its upstream connection has the deadline. */
    return r->hold_again_ns < r->hold_until_ns ? r->hold_again_ns : r->hold_until_ns;
}

static uint64_t of_busy_upstream(const struct connection *u, const struct config_tier *tier)
{
    const struct request *r = u->request;
    if (r == NULL)
        return deadline_never; /* About to get one. */
    const uint32_t phase = r->flags & (REQUEST_SENT | REQUEST_ANSWERED);
    const uint64_t ms =
        phase == REQUEST_SENT ? tier->timeouts.server_ms : tier->timeouts.body_idle_ms;
    return after_ms(r->active_ns, ms);
}

static uint64_t of_tunnel(const struct connection *u, const struct config_tier *tier)
{
    const struct request *r = u->request;
    if (r == NULL)
        return deadline_never;
    if (r->tunnel.closing)
        return after_ms(u->since_ns, TUNNEL_CLOSE_MS);
    return after_ms(r->active_ns, tier->timeouts.tunnel_idle_ms);
}

uint64_t deadline_of(const struct connection *c)
{
    const struct config_tier *tier = c->worker->tiers[c->tier].config;
    switch ((enum connection_state)c->state) {
    case CLIENT_IDLE: return of_idle_client(c, tier);
    case CLIENT_HEAD: return after_ms(c->since_ns, tier->timeouts.header_ms);
    case CLIENT_BUSY: return of_busy_client(c);
    case CLIENT_FLUSH: return after_ms(c->since_ns, tier->timeouts.body_idle_ms);
    case CLIENT_LINGER: return after_ms(c->since_ns, CONNECTION_LINGER_MS);
    case CLIENT_TUNNEL: return deadline_never;
    case UPSTREAM_CONNECTING: return after_ms(c->since_ns, tier->timeouts.connect_ms);
    case UPSTREAM_IDLE: return after_ms(c->since_ns, UPSTREAM_IDLE_MS);
    case UPSTREAM_BUSY: return of_busy_upstream(c, tier);
    case UPSTREAM_TUNNEL: return of_tunnel(c, tier);
    case CONNECTION_CLOSED: break;
    }
    UNREACHABLE();
}

/* Nothing moved for too long: who is to blame? */
static void end_exchange(struct connection *u)
{
    struct request *r = u->request;
    struct connection *client = r->client;
    if (relay_down_blocked(r)) {
        request_abort(r); /* It does not read. */
    } else if ((r->flags & REQUEST_SENT) == 0 && !connection_blocked(u) &&
               (u->flags & CONNECTION_STOP_SENDING) == 0) {
        request_expire(r, TARGET_END_CLIENT_GONE, 408); /* Its body does not come. */
    } else {
        request_expire(r, TARGET_END_TIMEOUT, 504);
    }
    client_next(client);
}

static void pass(struct connection *c)
{
    switch ((enum connection_state)c->state) {
    case CLIENT_LINGER: client_close(c); return;
    case CLIENT_FLUSH: client_reset(c); return;
    case CLIENT_IDLE:
    case CLIENT_HEAD: client_give_up(c, 408); return;
    case CLIENT_BUSY:
        ASSERT(c->request != NULL && (c->request->flags & REQUEST_HELD) != 0);
        hold_look(c->request);
        client_next(c);
        return;
    case UPSTREAM_IDLE: upstream_close(c); return;
    case UPSTREAM_CONNECTING: {
        struct connection *client = c->request->client;
        request_expire(c->request, TARGET_END_CONNECT_FAILED, 504);
        client_next(client);
        return;
    }
    case UPSTREAM_BUSY: end_exchange(c); return;
    case UPSTREAM_TUNNEL: request_end_tunnel(c->request); return;
    case CLIENT_TUNNEL:
    case CONNECTION_CLOSED: break;
    }
    UNREACHABLE();
}

void deadline_look(struct timeout *timeout, void *context)
{
    struct worker *worker = context;
    struct connection *c = CONTAINER_OF(timeout, struct connection, timeout);
    ASSERT(c->worker == worker && c->state != CONNECTION_CLOSED);
    if (worker->now_ns >= deadline_of(c))
        pass(c);
    if (c->state != CONNECTION_CLOSED)
        timeouts_watch(&worker->timeouts, &c->timeout, deadline_of(c));
}
