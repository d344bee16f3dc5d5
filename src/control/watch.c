#include "control/watch.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

/* While a rollout runs, as often as a large tier allows: looking takes a fifth of the time at most.
 */
static void look_again(struct watch *watch)
{
    uint64_t in_ms = watch->active ? WATCH_REST * watch->took_ms : WATCH_IDLE_MS;
    if (in_ms < WATCH_ACTIVE_MS)
        in_ms = WATCH_ACTIVE_MS;
    loop_timer_set_in(watch->loop, &watch->timer, in_ms < WATCH_IDLE_MS ? in_ms : WATCH_IDLE_MS);
}

/* How much a count grew; a new process counts from zero. */
static uint64_t growth(uint64_t now, uint64_t last, bool same_process)
{
    return same_process && now >= last ? now - last : now;
}

static void take_host(struct watch_host *host, const struct balancer_host *from, bool same_process)
{
    /* Before the first look nothing is known of earlier counts: they are not growth of ours. */
    if (host->seen) {
        host->requests += growth(from->requests, host->last_requests, same_process);
        host->failures += growth(from->failures, host->last_failures, same_process);
    }
    host->seen = true;
    host->last_requests = from->requests;
    host->last_failures = from->failures;
    host->healthy = from->healthy;
    host->drained = from->drained;
    host->weight = from->weight;
    host->effective_weight = from->effective_milli;
    host->in_flight = from->in_flight;
}

/* The index of a host: the balancer's order is the config's, unless it runs another config. */
static size_t index_of(const struct config_tier *tier, const char *name, size_t guess)
{
    if (guess < tier->host_count && strcmp(tier->hosts[guess].name, name) == 0)
        return guess;
    const struct config_host *host = config_host_find(tier, name);
    return host == NULL ? SIZE_MAX : (size_t)(host - tier->hosts);
}

static void take_view(struct watch *watch, const struct balancer_view *view)
{
    const bool same_process = view->process == watch->process;
    for (size_t i = 0; i < view->count; i++) {
        const size_t index = index_of(watch->tier, view->hosts[i].name, i);
        if (index != SIZE_MAX)
            take_host(&watch->hosts[index], &view->hosts[i], same_process);
    }
    if (watch->seen_ms != 0) {
        watch->requests += growth(view->requests, watch->last_requests, same_process);
        watch->failed += growth(view->failed, watch->last_failed, same_process);
    }
    watch->last_requests = view->requests;
    watch->last_failed = view->failed;
    watch->process = view->process;
    watch->serving_capacity_ppm = view->serving_capacity_ppm;
    watch->rps = view->rps;
    watch->p50_us = view->p50_us;
    watch->p99_us = view->p99_us;
    watch->seen_ms = loop_wall_ms(watch->loop);
}

static void on_observed(void *context, const struct balancer_view *view, const struct error *error)
{
    struct watch *watch = context;
    ASSERT(watch->asking);
    watch->asking = false;
    watch->took_ms = loop_now_ms(watch->loop) - watch->asked_now_ms;
    watch->reachable = error == NULL;
    if (error == NULL)
        take_view(watch, view);
    else
        (void)snprintf(watch->problem, sizeof watch->problem, "%s", error->text);
    look_again(watch);
    watch->on_look(watch->context, watch);
}

static void on_time(struct loop_timer *timer)
{
    struct watch *watch = CONTAINER_OF(timer, struct watch, timer);
    if (watch->asking)
        return;
    watch->asking = true;
    watch->asked_ms = loop_wall_ms(watch->loop);
    watch->asked_now_ms = loop_now_ms(watch->loop);
    watch->driver->observe(watch->balancer, watch->tier->name, WATCH_TIMEOUT_MS, on_observed,
                           watch);
}

bool watch_init(struct watch *watch, struct arena *arena, struct loop *loop,
                const struct config_tier *tier, const struct balancer_driver *driver,
                struct balancer *balancer, void (*on_look)(void *context, struct watch *),
                void *context)
{
    *watch = (struct watch){.loop = loop,
                            .tier = tier,
                            .driver = driver,
                            .balancer = balancer,
                            .timer.on_time = on_time,
                            .on_look = on_look,
                            .context = context};
    watch->hosts = arena_array(arena, tier->host_count, sizeof *watch->hosts);
    if (watch->hosts == NULL)
        return false;
    loop_timer_set_in(loop, &watch->timer, 0);
    return true;
}

void watch_done(struct watch *watch)
{
    loop_timer_clear(watch->loop, &watch->timer);
}

void watch_set_active(struct watch *watch, bool active)
{
    if (watch->active == active)
        return;
    watch->active = active;
    if (!watch->asking)
        look_again(watch);
}

const char *watch_host_state(const struct watch_host *host)
{
    if (host->seen && host->weight > 0 && host->effective_weight == 0 && host->healthy)
        return host->drained ? "drained" : "draining";
    return host->seen && host->healthy ? "serving" : "down";
}
