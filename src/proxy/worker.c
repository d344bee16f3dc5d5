#include "proxy/worker.h"

#include "base/check.h"
#include "os/clock.h"
#include "proxy/client.h"
#include "proxy/deadline.h"
#include "proxy/hold.h"
#include "proxy/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * After worker_stop(): how long idle clients may still send a request (it is answered with close),
 * and how long tunnels may go on before they are asked to end. At most half of the time there is.
 */
enum { STOP_IDLE_MS = 1000, STOP_TUNNELS_MS = 5000 };

struct slice worker_date_line(struct worker *worker)
{
    const uint64_t second = loop_wall_ms(worker->loop) / 1000;
    if (second != worker->date_second) {
        char date[32];
        clock_format_http(second * 1000, date, sizeof date);
        const int size =
            snprintf(worker->date_line, sizeof worker->date_line, "Date: %s\r\n", date);
        ASSERT(size > 0 && (size_t)size < sizeof worker->date_line);
        worker->date_size = (size_t)size;
        worker->date_second = second;
    }
    return (struct slice){worker->date_line, worker->date_size};
}

/* --- Opening --- */

static bool allocate(struct worker *worker, const struct worker_start *start)
{
    const struct config *config = start->config;
    const uint32_t targets = targets_count(start->targets);
    worker->view.buffer = malloc(VIEW_HEADROOM + VIEW_BYTES);
    worker->scratch = malloc(WORKER_SCRATCH_BYTES);
    worker->tiers = calloc(config->tier_count, sizeof *worker->tiers);
    worker->pools = calloc(targets, sizeof *worker->pools);
    worker->listeners = calloc(config->listener_count, sizeof *worker->listeners);
    if (worker->view.buffer == NULL || worker->scratch == NULL || worker->tiers == NULL ||
        worker->pools == NULL || worker->listeners == NULL)
        return false;
    for (size_t i = 0; i < config->tier_count; i++) {
        worker->tiers[i].config = &config->tiers[i];
        list_init(&worker->tiers[i].held);
    }
    for (uint32_t i = 0; i < targets; i++)
        list_init(&worker->pools[i].idle);
    for (size_t i = 0; i < config->listener_count; i++)
        worker->listeners[i].watch.fd = -1;
    return true;
}

static void set_limits(struct worker *worker)
{
    const struct config *config = worker->config;
    worker->limits = H1_LIMITS_DEFAULT;
    if (config->limits.header_bytes < H1_HEAD_BYTES_MAX)
        worker->limits.head_bytes_max = config->limits.header_bytes;
    else
        worker->limits.head_bytes_max = H1_HEAD_BYTES_MAX;
    worker->limits.headers_max =
        config->limits.headers < H1_HEADERS_MAX ? config->limits.headers : H1_HEADERS_MAX;
    /* Hosts are ours: what they may say is bounded by what we can hold. */
    worker->answer_limits = (struct h1_limits){
        .head_bytes_max = H1_HEAD_BYTES_MAX,
        .headers_max = H1_HEADERS_MAX,
        .target_bytes_max = H1_HEAD_BYTES_MAX,
    };
}

static void visit_tunnel(void *object, void *context)
{
    struct connection *c = object;
    const struct worker *worker = context;
    if (c->state != UPSTREAM_TUNNEL || c->request->tunnel.closing)
        return;
    if (worker->stopping ||
        (targets_flags(worker->targets, c->target) & TARGET_CLOSE_LONG_LIVED) != 0)
        tunnel_close(c->request);
}

/* A new snapshot was taken over. */
static void on_targets_change(void *context)
{
    struct worker *worker = context;
    const uint32_t count = targets_count(worker->all_targets);
    bool tunnels = false;
    worker->now_ns = loop_now_ns(worker->loop);
    for (uint32_t target = 0; target < count; target++) {
        const uint32_t flags = targets_flags(worker->targets, target);
        if ((flags & TARGET_DRAINING) != 0)
            upstream_close_idle(worker, target);
        tunnels |= (flags & TARGET_CLOSE_LONG_LIVED) != 0;
    }
    if (tunnels)
        slab_each(&worker->connections, visit_tunnel, worker);
    for (size_t tier = 0; tier < worker->config->tier_count; tier++)
        hold_wake(worker, tier);
}

static bool open_listeners(struct worker *worker, const int *fds, struct error *error)
{
    for (size_t i = 0; i < worker->config->listener_count; i++) {
        if (!listener_open(&worker->listeners[i], worker, (uint16_t)i, fds[i], error))
            return false;
    }
    return true;
}

static void on_stop(struct loop_post *);

static void init(struct worker *worker, const struct worker_start *start)
{
    worker->config = start->config;
    worker->all_targets = start->targets;
    worker->log = start->log;
    worker->connections_total = start->connections_total;
    worker->stop_post.on_post = on_stop;
    list_init(&worker->resume);
    list_init(&worker->dead);
    slab_init(&worker->connections, sizeof(struct connection));
    slab_init(&worker->requests, REQUEST_BYTES);
    set_limits(worker);
}

struct worker *worker_open(const struct worker_start *start, struct error *error)
{
    ASSERT(start->config->listener_count <= CONFIG_LISTENERS_MAX);
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        error_set_errno(error, ENOMEM, "cannot start a balancer thread");
        return NULL;
    }
    init(worker, start);
    worker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    worker->loop = loop_open(error);
    if (worker->loop == NULL)
        goto fail;
    worker->now_ns = loop_now_ns(worker->loop);
    timeouts_init(&worker->timeouts, worker->now_ns);
    if (!allocate(worker, start)) {
        error_set_errno(error, ENOMEM, "cannot start a balancer thread");
        goto fail;
    }
    worker->targets = targets_worker_attach(start->targets, start->index, worker->loop,
                                            on_targets_change, worker, error);
    if (worker->targets == NULL)
        goto fail;
    worker->counters = targets_worker_counters(worker->targets);
    if (!open_listeners(worker, start->listen_fds, error))
        goto fail;
    return worker;
fail:
    for (size_t i = 0; worker->listeners != NULL && i < start->config->listener_count; i++)
        worker->listeners[i].watch.fd = -1; /* Still the caller's. */
    worker_close(worker);
    return NULL;
}

/* --- Running --- */

static void bury(struct worker *worker)
{
    struct list *node;
    while ((node = list_pop_front(&worker->dead)) != NULL)
        slab_give(&worker->connections, CONTAINER_OF(node, struct connection, link));
}

/* Those that gave way to others in the last batch. */
static void resume(struct worker *worker)
{
    struct list batch;
    list_init(&batch);
    struct list *node;
    while ((node = list_pop_front(&worker->resume)) != NULL)
        list_push_back(&batch, node);
    while ((node = list_pop_front(&batch)) != NULL) {
        struct connection *c = CONTAINER_OF(node, struct connection, link);
        c->flags &= (uint16_t)~CONNECTION_RESUMING;
        if (c->state >= UPSTREAM_CONNECTING)
            upstream_resume(c);
        else
            client_go(c);
    }
}

static void visit_cut(void *object, void *context)
{
    struct connection *c = object;
    ASSERT(context != NULL);
    if (c->state == CONNECTION_CLOSED || c->state >= UPSTREAM_CONNECTING)
        return;
    if (c->request != NULL)
        request_abort(c->request);
    else
        client_close(c);
}

static void visit_stop(void *object, void *context)
{
    struct connection *c = object;
    struct worker *worker = context;
    if (c->state == UPSTREAM_IDLE)
        upstream_close(c);
    else if (c->state == CLIENT_IDLE)
        timeouts_watch(&worker->timeouts, &c->timeout, deadline_of(c));
}

static void visit_cut_idle(void *object, void *context)
{
    struct connection *c = object;
    ASSERT(context != NULL);
    if (c->state == UPSTREAM_IDLE)
        upstream_close(c);
}

static void on_stop(struct loop_post *post)
{
    struct worker *worker = CONTAINER_OF(post, struct worker, stop_post);
    const uint32_t limit_ms = atomic_load(&worker->stop_limit_ms);
    const uint32_t idle_ms = limit_ms / 2 < STOP_IDLE_MS ? limit_ms / 2 : STOP_IDLE_MS;
    const uint32_t tunnels_ms = limit_ms / 2 < STOP_TUNNELS_MS ? limit_ms / 2 : STOP_TUNNELS_MS;
    worker->now_ns = loop_now_ns(worker->loop);
    worker->stopping = true;
    worker->stop_at_ns = worker->now_ns + (uint64_t)limit_ms * 1000000;
    worker->idle_until_ns = worker->now_ns + (uint64_t)idle_ms * 1000000;
    worker->tunnels_until_ns = worker->now_ns + (uint64_t)tunnels_ms * 1000000;
    for (size_t i = 0; i < worker->config->listener_count; i++) {
        listener_drain(&worker->listeners[i]);
        listener_close(&worker->listeners[i]);
    }
    slab_each(&worker->connections, visit_stop, worker);
}

/* How far stopping has come, and when it goes on. */
static void stop_step(struct worker *worker)
{
    worker->stop_next_ns = worker->stop_at_ns;
    if (worker->clients == 0 || worker->now_ns >= worker->stop_at_ns) {
        slab_each(&worker->connections, visit_cut, worker);
        loop_stop(worker->loop);
    } else if (worker->now_ns >= worker->tunnels_until_ns) {
        slab_each(&worker->connections, visit_tunnel, worker);
    } else {
        worker->stop_next_ns = worker->tunnels_until_ns;
    }
}

static int wait_ms(const struct worker *worker)
{
    if (!list_empty(&worker->resume))
        return 0;
    const int wait = timeouts_wait_ms(&worker->timeouts, worker->now_ns);
    if (!worker->stopping)
        return wait;
    const uint64_t until_ns =
        worker->stop_next_ns > worker->now_ns ? worker->stop_next_ns - worker->now_ns : 0;
    const uint64_t until_ms = until_ns / 1000000 + 1;
    return wait >= 0 && (uint64_t)wait <= until_ms ? wait : (int)until_ms;
}

static void *run(void *context)
{
    struct worker *worker = context;
    while (loop_run_once(worker->loop, wait_ms(worker))) {
        worker->now_ns = loop_now_ns(worker->loop);
        timeouts_sweep(&worker->timeouts, worker->now_ns, deadline_look, worker);
        resume(worker);
        if (worker->stopping)
            stop_step(worker);
        bury(worker);
    }
    atomic_store(&worker->ended, true);
    return NULL;
}

bool worker_run(struct worker *worker, struct error *error)
{
    ASSERT(!worker->running);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    /* Signals are the main thread's. */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    const int result = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        return error_set_errno(error, result, "cannot start a balancer thread");
    worker->running = true;
    return true;
}

void worker_stop(struct worker *worker, uint32_t limit_ms)
{
    uint32_t none = 0;
    if (atomic_compare_exchange_strong(&worker->stop_limit_ms, &none, limit_ms != 0 ? limit_ms : 1))
        loop_post(worker->loop, &worker->stop_post);
}

bool worker_ended(const struct worker *worker)
{
    return atomic_load(&worker->ended);
}

void worker_join(struct worker *worker)
{
    if (!worker->running)
        return;
    pthread_join(worker->thread, NULL);
    worker->running = false;
}

void worker_close(struct worker *worker)
{
    if (worker == NULL)
        return;
    ASSERT(!worker->running);
    slab_each(&worker->connections, visit_cut, worker);
    slab_each(&worker->connections, visit_cut_idle, worker);
    for (size_t i = 0; worker->listeners != NULL && i < worker->config->listener_count; i++)
        listener_close(&worker->listeners[i]);
    targets_worker_detach(worker->targets);
    loop_close(worker->loop);
    pipes_done(&worker->pipes);
    slab_done(&worker->connections);
    slab_done(&worker->requests);
    free(worker->listeners);
    free(worker->pools);
    free(worker->tiers);
    free(worker->scratch);
    free(worker->view.buffer);
    if (worker->reserve_fd >= 0)
        close(worker->reserve_fd);
    free(worker);
}
