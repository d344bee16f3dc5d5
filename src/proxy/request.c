#include "proxy/request.h"

#include "base/check.h"
#include "proto/h1_rewrite.h"
#include "proxy/access_log.h"
#include "proxy/answer.h"
#include "proxy/client.h"
#include "proxy/connection.h"
#include "proxy/deadline.h"
#include "proxy/hold.h"
#include "proxy/relay.h"
#include "proxy/retry.h"
#include "proxy/upstream.h"
#include "proxy/worker_state.h"

#include <stdlib.h>
#include <string.h>

enum step {
    NEXT,
    WAIT,
    AGAIN, /* request->step was set back. */
    DONE,  /* The request is over and its memory gone. */
};

static enum step step_judge(struct request *);
static enum step step_pick(struct request *);
static enum step step_connect(struct request *);
static enum step step_send(struct request *);
static enum step step_answer(struct request *);
static enum step step_tunnel(struct request *);
static enum step step_body(struct request *);
static enum step step_end(struct request *);

enum { STEP_JUDGE, STEP_PICK, STEP_CONNECT, STEP_SEND, STEP_ANSWER, STEP_TUNNEL, STEP_BODY };

/* The life of a request. */
static enum step (*const steps[])(struct request *) = {
    step_judge,   /* Is it one that we pass on at all? */
    step_pick,    /* Which host; wait for one. */
    step_connect, /* A pooled connection, or a new one. */
    step_send,    /* The head, and what is here of the body; relay_up() sends the rest. */
    step_answer,  /* 1xx are passed on; the final head decides: retry, tunnel or answer. */
    step_tunnel,  /* Both ways, until both have ended. */
    step_body,    /* The answer's body. */
    step_end,     /* Count, log, give the connections back. */
};

/* --- Memory --- */

struct request_memory {
    struct request_memory *next;
    _Alignas(16) char data[];
};

_Static_assert(sizeof(struct request) < REQUEST_BYTES / 2, "the area holds a usual head");

void *request_memory(struct request *r, size_t size)
{
    const size_t start = (sizeof *r + r->area_used + 15) & ~(size_t)15;
    if (size <= REQUEST_BYTES && start + size <= REQUEST_BYTES) {
        r->area_used = (uint16_t)(start + size - sizeof *r);
        return (char *)r + start;
    }
    struct request_memory *memory = malloc(sizeof *memory + size);
    if (memory == NULL)
        return NULL;
    memory->next = r->memory;
    r->memory = memory;
    return memory->data;
}

static void free_request(struct request *r)
{
    ASSERT(r->target == TARGET_NONE && r->upstream == NULL && !list_linked(&r->held));
    pipes_give(&r->client->worker->pipes, &r->pipe);
    while (r->memory != NULL) {
        struct request_memory *memory = r->memory;
        r->memory = memory->next;
        free(memory);
    }
    slab_give(&r->client->worker->requests, r);
}

/* --- Beginning --- */

static struct slice copy(struct request *r, struct slice text)
{
    if (text.size > ACCESS_LOG_FIELD_MAX)
        text.size = ACCESS_LOG_FIELD_MAX;
    char *memory = text.size == 0 ? NULL : request_memory(r, text.size);
    if (memory == NULL)
        return (struct slice){0};
    memcpy(memory, text.data, text.size);
    return (struct slice){memory, text.size};
}

static struct slice field(const struct h1_head *head, const char *data, enum h1_id id)
{
    const struct h1_header *header = h1_find(head, id);
    if (header == NULL)
        return (struct slice){0};
    return h1_value(data, header);
}

static void note(struct request *r, const struct h1_request *asked, const char *data)
{
    struct request_notes *notes = request_memory(r, sizeof *notes);
    if (notes == NULL)
        return;
    notes->method = copy(r, h1_slice(data, asked->method_text));
    notes->target = copy(r, h1_slice(data, asked->target));
    notes->host = copy(r, h1_slice(data, asked->host));
    notes->referer = copy(r, field(&asked->head, data, H1_ID_REFERER));
    notes->user_agent = copy(r, field(&asked->head, data, H1_ID_USER_AGENT));
    r->notes = notes;
}

static uint32_t flags_of(const struct h1_request *asked)
{
    uint32_t flags = 0;
    if (asked->head.minor == 0)
        flags |= REQUEST_MINOR_0;
    if (asked->head.keep_alive)
        flags |= REQUEST_KEEP_ALIVE;
    if (asked->upgrade)
        flags |= REQUEST_UPGRADE;
    if (asked->method == H1_HEAD)
        flags |= REQUEST_HEAD_ONLY;
    if ((asked->method == H1_GET || asked->method == H1_HEAD || asked->method == H1_OPTIONS) &&
        asked->head.framing == H1_BODY_NONE)
        flags |= REQUEST_SAFE;
    return flags;
}

static bool make_head(struct request *r, const struct h1_request *asked, const char *data)
{
    const struct connection *client = r->client;
    const struct worker *worker = client->worker;
    const struct h1_rewrite_request rewrite = {
        .via = SLICE("nines"),
        .client = {client->address, client->address_size},
        .scheme = SLICE("http"),
        .host = slice_of(worker->tiers[r->tier].config->name),
        .forwarded_host = true,
    };
    const size_t bound = h1_rewrite_request_bound(asked, &rewrite);
    char *out = request_memory(r, bound);
    if (out == NULL)
        return false;
    r->head.data = out;
    r->head.size = h1_rewrite_request(asked, data, &rewrite, out, bound);
    ASSERT(r->head.size != 0);
    return true;
}

struct request *request_open(struct connection *client, uint16_t tier)
{
    struct worker *worker = client->worker;
    const struct h1_request *asked = &worker->asked;
    ASSERT(client->request == NULL && worker->view.owner == client);
    const char *data = worker->view.data;
    struct request *r = slab_take(&worker->requests);
    if (r == NULL)
        return NULL;
    memset(r, 0, sizeof *r);
    r->client = client;
    r->started_ns = client->state == CLIENT_HEAD ? client->since_ns : worker->now_ns;
    r->started_wall_ms = loop_wall_ms(worker->loop);
    r->active_ns = worker->now_ns;
    r->target = TARGET_NONE;
    r->target_last = TARGET_NONE;
    r->flags = flags_of(asked);
    r->tier = tier;
    r->method = asked->method;
    r->minor = asked->head.minor;
    if (!make_head(r, asked, data)) {
        free_request(r);
        return NULL;
    }
    if (worker->log != NULL)
        note(r, asked, data);
    body_begin(&client->body, &asked->head, false);
    client->tier = tier;
    client->request = r;
    connection_consume(client, asked->head.size);
    return r;
}

/* --- Ending --- */

/* Ends the try under way: its connection goes back to the pool or is closed. */
static void end_try(struct request *r, enum target_end end, bool retried)
{
    struct worker *worker = r->client->worker;
    struct connection *u = r->upstream;
    if (u != NULL) {
        const bool clean = (r->flags & (REQUEST_HOST_REUSABLE | REQUEST_SENT)) ==
                           (REQUEST_HOST_REUSABLE | REQUEST_SENT);
        u->request = NULL;
        r->upstream = NULL;
        if (end == TARGET_END_ANSWERED && clean)
            upstream_return(u);
        else
            upstream_close(u);
    }
    if (r->target == TARGET_NONE)
        return;
    const struct target_result result = {
        .end = end,
        .retried = retried,
        .status = r->status,
        .bytes_in = r->bytes_in,
        .bytes_out = r->bytes_out,
    };
    targets_end(worker->targets, r->target, &result);
    r->target_last = r->target;
    r->target = TARGET_NONE;
}

static void write_log(const struct request *r)
{
    static const struct request_notes none;
    struct worker *worker = r->client->worker;
    const struct request_notes *notes = r->notes != NULL ? r->notes : &none;
    const uint32_t target = r->target_last;
    const struct access_entry entry = {
        .client = {r->client->address, r->client->address_size},
        .wall_ms = r->started_wall_ms,
        .method = notes->method,
        .target = notes->target,
        .host = notes->host,
        .referer = notes->referer,
        .user_agent = notes->user_agent,
        .status = r->status,
        .minor = r->minor,
        .tries = r->tries,
        .truncated = (r->flags & REQUEST_TRUNCATED) != 0,
        .body_bytes = r->bytes_out,
        .duration_us = (worker->now_ns - r->started_ns) / 1000,
        .tier = worker->tiers[r->tier].config->name,
        .target_name =
            target == TARGET_NONE ? NULL : targets_host(worker->all_targets, target)->name,
    };
    access_log_add(worker->log, &entry);
}

/* The try has ended; counts, logs and frees. The client is then to be dealt with. */
static struct connection *finish(struct request *r)
{
    struct connection *client = r->client;
    struct worker *worker = client->worker;
    const struct tier_result result = {
        .latency_us = (worker->now_ns - r->started_ns) / 1000,
        .failed = r->status >= 500 || (r->flags & REQUEST_TRUNCATED) != 0,
        .tunnel = (r->flags & REQUEST_TUNNEL) != 0,
    };
    if (result.tunnel)
        counter_subtract(&worker->counters->tunnels_open, 1);
    targets_request_end(worker->targets, r->tier, &result);
    if (worker->log != NULL)
        write_log(r);
    client->request = NULL;
    free_request(r);
    return client;
}

void request_abort(struct request *r)
{
    if (r->flags & REQUEST_HELD)
        hold_end(r, false);
    counter_add(&r->client->worker->counters->client_aborts, 1);
    end_try(r, TARGET_END_CLIENT_GONE, false);
    client_close(finish(r));
}

/* The answer cannot be completed: the client must see that. */
static void truncate(struct request *r, enum target_end end)
{
    ASSERT((r->flags & REQUEST_ANSWERED) != 0);
    r->flags |= REQUEST_TRUNCATED;
    end_try(r, end, false);
    client_reset(finish(r));
}

/* Answers by ourselves and ends. */
static enum step answer(struct request *r, int status)
{
    struct connection *client = r->client;
    ASSERT((r->flags & (REQUEST_ANSWERED | REQUEST_HELD)) == 0 && r->upstream == NULL);
    const bool close = (r->flags & REQUEST_KEEP_ALIVE) == 0 || client->worker->stopping ||
                       client->body.mode != BODY_DONE;
    const struct answer own = {
        .status = status,
        .close = close,
        .keep_alive = !close && (r->flags & REQUEST_MINOR_0) != 0,
        .head_only = (r->flags & REQUEST_HEAD_ONLY) != 0,
    };
    r->status = (uint16_t)status;
    (void)answer_send(client, &own); /* A failure is seen by client_after(). */
    client_after(finish(r), close);
    return DONE;
}

/* --- Failing --- */

/* Back to the choice of a host. The try has ended. */
static enum step again(struct request *r)
{
    r->flags &= ~(uint32_t)(REQUEST_STARTED | REQUEST_SENT | REQUEST_HEARD | REQUEST_HOST_REUSABLE);
    r->status = 0;
    r->step = STEP_PICK;
    return AGAIN;
}

static bool may_retry(const struct request *r, enum target_end end)
{
    const struct worker *worker = r->client->worker;
    return retry_allowed(worker->tiers[r->tier].config, r->flags, r->retries, end, r->status) &&
           targets_may_retry(worker->targets, r->tier, worker->now_ns / 1000000);
}

/* The try has failed before the final answer's head went out: retry, hold, or answer `status`. */
static enum step fail(struct request *r, enum target_end end, int status)
{
    ASSERT((r->flags & REQUEST_ANSWERED) == 0);
    const bool retried = may_retry(r, end);
    end_try(r, end, retried);
    if (retried) {
        r->retries++;
        return again(r);
    }
    if (end == TARGET_END_CONNECT_FAILED && (r->flags & REQUEST_FORWARDED) == 0 &&
        hold_after_failure(r)) {
        (void)again(r);
        return WAIT;
    }
    return answer(r, status);
}

void request_expire(struct request *r, enum target_end end, int status)
{
    if (r->flags & REQUEST_ANSWERED)
        truncate(r, end);
    else if (fail(r, end, status) == AGAIN)
        request_go(r);
}

/* --- The steps --- */

/* Runs right after request_open(): worker->asked is still this request's head. */
static enum step step_judge(struct request *r)
{
    const struct connection *client = r->client;
    const struct worker *worker = client->worker;
    if (r->method == H1_CONNECT)
        return answer(r, 501);
    if (worker->asked.max_forwards == 0) /* TRACE and OPTIONS end here (RFC 9110 7.6.2). */
        return answer(r, r->method == H1_TRACE ? 501 : 200);
    if (client->body.mode == BODY_LENGTH && client->body.left > worker->config->limits.body_bytes)
        return answer(r, 413);
    return NEXT;
}

static enum step step_pick(struct request *r)
{
    struct worker *worker = r->client->worker;
    ASSERT(r->target == TARGET_NONE && r->upstream == NULL);
    r->target = targets_take(worker->targets, r->tier, &r->tried, worker->now_ns / 1000000);
    if (r->target == TARGET_NONE)
        return hold_begin(r) ? WAIT : answer(r, 503);
    if (r->tries < UINT8_MAX)
        r->tries++;
    return NEXT;
}

static enum step step_connect(struct request *r)
{
    struct worker *worker = r->client->worker;
    struct connection *u = upstream_take(worker, r->target, (r->flags & REQUEST_SAFE) == 0);
    if (u != NULL) {
        r->upstream = u;
        u->request = r;
        u->tier = r->tier;
        r->active_ns = worker->now_ns;
        connection_enter(u, UPSTREAM_BUSY);
        return NEXT;
    }
    switch (upstream_connect(r, r->target)) {
    case UPSTREAM_STARTED: return NEXT;
    case UPSTREAM_REFUSED: return fail(r, TARGET_END_CONNECT_FAILED, 502);
    case UPSTREAM_EXHAUSTED: return fail(r, TARGET_END_UNUSED, 503);
    }
    UNREACHABLE();
}

/* Moves on the request's body. False: the request is over. */
static bool go_up(struct request *r)
{
    const uint32_t sending = r->flags & (REQUEST_STARTED | REQUEST_SENT | REQUEST_TUNNEL);
    if (sending != REQUEST_STARTED)
        return true;
    const enum relay result = relay_up(r);
    if (result == RELAY_GOES_ON)
        return true;
    if (result == RELAY_CLIENT_GONE || (r->flags & REQUEST_ANSWERED) != 0) {
        request_abort(r);
        return false;
    }
    ASSERT(result == RELAY_CLIENT_BAD || result == RELAY_TOO_LONG);
    const enum step step = fail(r, TARGET_END_CLIENT_GONE, result == RELAY_TOO_LONG ? 413 : 400);
    ASSERT(step == DONE);
    return false;
}

static enum step step_send(struct request *r)
{
    struct connection *u = r->upstream;
    if (u->state == UPSTREAM_CONNECTING)
        return (u->flags & CONNECTION_BROKEN) ? fail(r, TARGET_END_CONNECT_FAILED, 502) : WAIT;
    switch (relay_head(r)) {
    case RELAY_GOES_ON: return go_up(r) ? NEXT : DONE;
    case RELAY_NOT_STARTED:
        if ((u->flags & CONNECTION_POOLED) == 0)
            return fail(r, TARGET_END_RESET, 502);
        /* It was closed while it stood in the pool: the same host gets another one. */
        r->upstream = NULL;
        u->request = NULL;
        upstream_close(u);
        r->step = STEP_CONNECT;
        return AGAIN;
    case RELAY_CLIENT_BAD: return fail(r, TARGET_END_CLIENT_GONE, 400);
    case RELAY_TOO_LONG: return fail(r, TARGET_END_CLIENT_GONE, 413);
    default: UNREACHABLE();
    }
}

/* The final answer may still be exchanged for one of another host. */
static bool exchange(struct request *r)
{
    const uint16_t status = r->client->worker->answered.status;
    r->status = status;
    if ((status != 502 && status != 503) || !may_retry(r, TARGET_END_ANSWERED))
        return false;
    /* The body of this answer is not worth waiting for. */
    r->flags &= ~(uint32_t)REQUEST_HOST_REUSABLE;
    end_try(r, TARGET_END_ANSWERED, true);
    r->retries++;
    return true;
}

/* Reads one head of the host. NEXT: it is in worker->answered. */
static enum step read_head(struct request *r)
{
    struct connection *u = r->upstream;
    struct worker *worker = u->worker;
    for (;;) {
        switch (connection_fill(u, (u->flags & CONNECTION_PARTIAL) != 0)) {
        case INPUT_BYTES: break;
        case INPUT_NONE: return WAIT;
        case INPUT_END:
        case INPUT_ERROR: return fail(r, TARGET_END_RESET, 502);
        }
        r->flags |= REQUEST_HEARD;
        const struct h1_asked asked = {(enum h1_method)r->method,
                                       (r->flags & REQUEST_UPGRADE) != 0};
        switch (h1_parse_response(worker->view.data, worker->view.size, &worker->answer_limits,
                                  asked, &u->scanned, &worker->answered)) {
        case H1_DONE:
            u->scanned = 0;
            u->flags &= (uint16_t)~CONNECTION_PARTIAL;
            return NEXT;
        case H1_MORE: u->flags |= CONNECTION_PARTIAL; continue;
        case H1_BAD: return fail(r, TARGET_END_BAD_ANSWER, 502);
        }
    }
}

static enum step step_answer(struct request *r)
{
    for (;;) {
        if (connection_blocked(r->client))
            return WAIT;
        const enum step step = read_head(r);
        if (step != NEXT)
            return step;
        const uint16_t status = r->client->worker->answered.status;
        r->active_ns = r->client->worker->now_ns;
        if (status < 200 && status != 101) {
            if (r->interims++ == REQUEST_INTERIM_MAX)
                return fail(r, TARGET_END_BAD_ANSWER, 502);
            if (relay_interim(r) == RELAY_GOES_ON)
                continue;
            request_abort(r);
            return DONE;
        }
        if (exchange(r))
            return again(r);
        switch (relay_answer(r)) {
        case RELAY_GOES_ON: break;
        case RELAY_HOST_BAD: return fail(r, TARGET_END_BAD_ANSWER, 502);
        default: request_abort(r); return DONE;
        }
        timeouts_watch(&r->client->worker->timeouts, &r->upstream->timeout,
                       deadline_of(r->upstream));
        return NEXT;
    }
}

void request_end_tunnel(struct request *r)
{
    ASSERT((r->flags & REQUEST_TUNNEL) != 0);
    end_try(r, TARGET_END_ANSWERED, false);
    client_close(finish(r));
}

static enum step step_tunnel(struct request *r)
{
    if ((r->flags & REQUEST_TUNNEL) == 0)
        return NEXT;
    switch (tunnel_relay(r)) {
    case TUNNEL_OPEN: return WAIT;
    case TUNNEL_OVER: request_end_tunnel(r); return DONE;
    case TUNNEL_CLIENT_GONE: request_abort(r); return DONE;
    case TUNNEL_HOST_GONE: truncate(r, TARGET_END_TRUNCATED); return DONE;
    }
    UNREACHABLE();
}

static enum step step_body(struct request *r)
{
    switch (relay_down(r)) {
    case RELAY_GOES_ON: return relay_down_done(r) ? NEXT : WAIT;
    case RELAY_HOST_BAD: truncate(r, TARGET_END_BAD_ANSWER); return DONE;
    case RELAY_HOST_GONE: truncate(r, TARGET_END_TRUNCATED); return DONE;
    default: request_abort(r); return DONE;
    }
}

static enum step step_end(struct request *r)
{
    const bool close = (r->flags & REQUEST_CLOSE) != 0;
    end_try(r, TARGET_END_ANSWERED, false);
    client_after(finish(r), close);
    return DONE;
}

void request_go(struct request *r)
{
    if (r->client->flags & CONNECTION_BROKEN) {
        request_abort(r);
        return;
    }
    if (r->flags & REQUEST_HELD)
        return;
    if (!go_up(r))
        return;
    for (;;) {
        ASSERT(r->step < COUNT_OF(steps));
        switch (steps[r->step](r)) {
        case NEXT: r->step++; break;
        case AGAIN: break;
        case WAIT:
        case DONE: return;
        }
    }
}
