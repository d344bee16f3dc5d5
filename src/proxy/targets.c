#include "balance/slow_start.h"
#include "base/check.h"
#include "proxy/targets_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_tier(const struct tier *tier)
{
    ASSERT(tier->up_count <= tier->count);
    ASSERT(tier->effective_sum <= (uint64_t)tier->count * PICK_WEIGHT_MAX);
}

/* --- What a target should get. --- */

/* As configured or set, in thousandths; health and slow start aside. */
static uint32_t wanted_weight(const struct target *target)
{
    if (target->override != TARGET_WEIGHT_RESTORED)
        return target->override * PICK_WEIGHT_ONE;
    return target->host->standby ? 0 : target->host->weight * PICK_WEIGHT_ONE;
}

static uint32_t effective_weight(const struct targets *targets, const struct target *target)
{
    if (!target->health.up)
        return 0;
    const uint32_t wanted = wanted_weight(target);
    if (!list_linked(&target->slow_node))
        return wanted;
    return slow_start_weight(wanted, target->slow_since_ms, loop_now_ms(targets->loop),
                             targets->tiers[target->tier].config->slow_start_ms);
}

static uint8_t flags_of(const struct target *target)
{
    uint8_t flags = target->health.up ? TARGET_UP : 0;
    if (wanted_weight(target) == 0)
        flags |= TARGET_DRAINING | (target->flags & TARGET_CLOSE_LONG_LIVED);
    return flags;
}

static void tell(struct targets *targets, const struct target *target, enum target_change change)
{
    if (targets->observer != NULL)
        targets->observer(targets->observer_context, (uint32_t)(target - targets->list), change);
}

/* --- Publication. --- */

static void wake_workers(struct targets *targets)
{
    for (uint32_t i = 0; i < targets->worker_count; i++) {
        struct targets_worker *worker = targets->workers[i];
        if (worker != NULL && worker->attached && !atomic_exchange(&worker->woken, true))
            loop_post(worker->loop, &worker->wake);
    }
}

uint64_t targets_acknowledged(const struct targets *targets)
{
    uint64_t least = targets->generation;
    for (uint32_t i = 0; i < targets->worker_count; i++) {
        const struct targets_worker *worker = targets->workers[i];
        if (worker == NULL || !worker->attached)
            continue;
        const uint64_t acknowledged =
            atomic_load_explicit(&worker->acknowledged, memory_order_acquire);
        if (acknowledged < least)
            least = acknowledged;
    }
    return least;
}

/* Frees the snapshots that every worker has left behind. */
static void free_old(struct targets *targets)
{
    const uint64_t acknowledged = targets_acknowledged(targets);
    struct targets_snapshot *kept = targets->newest;
    while (kept != NULL && kept->generation > acknowledged)
        kept = kept->older;
    if (kept == NULL)
        return;
    struct targets_snapshot *old = kept->older;
    kept->older = NULL;
    while (old != NULL) {
        struct targets_snapshot *older = old->older;
        free(old);
        old = older;
    }
}

static struct targets_snapshot *make_snapshot(const struct targets *targets)
{
    const size_t count = targets->count;
    struct targets_snapshot *snapshot =
        malloc(sizeof *snapshot + count * (sizeof(uint32_t) + sizeof(uint8_t)));
    if (snapshot == NULL)
        return NULL;
    snapshot->older = NULL;
    snapshot->generation = targets->generation + 1;
    snapshot->flags = (uint8_t *)&snapshot->weights[count];
    for (size_t i = 0; i < count; i++) {
        snapshot->weights[i] = targets->list[i].weight;
        snapshot->flags[i] = targets->list[i].flags;
    }
    return snapshot;
}

/*
 * Publishes what update_target() changed. Out of memory, the change stays pending and goes out with
 * the next mark, a second later: nobody is told of it as done before it is published.
 */
static bool publish(struct targets *targets)
{
    if (!targets->dirty)
        return true;
    free_old(targets);
    struct targets_snapshot *snapshot = make_snapshot(targets);
    if (snapshot == NULL)
        return false;
    snapshot->older = targets->newest;
    targets->newest = snapshot;
    targets->generation = snapshot->generation;
    targets->dirty = false;
    atomic_store(&targets->current, snapshot);
    wake_workers(targets);
    return true;
}

static void start_drain(struct targets *targets, struct target *target)
{
    if (!list_linked(&target->drain_node))
        list_push_back(&targets->draining, &target->drain_node);
    if (!loop_timer_armed(&targets->drain_timer))
        loop_timer_set_in(targets->loop, &targets->drain_timer, TARGETS_DRAIN_POLL_MS);
}

/* Whether the target starts to carry traffic again: its weight then rises slowly. */
static void update_slow_start(struct targets *targets, struct target *target, bool carried,
                              bool carries)
{
    if (!carries && list_linked(&target->slow_node))
        list_remove(&target->slow_node);
    if (carried || !carries || targets->tiers[target->tier].config->slow_start_ms == 0)
        return;
    target->slow_since_ms = loop_now_ms(targets->loop);
    list_push_back(&targets->slow, &target->slow_node);
    if (!loop_timer_armed(&targets->ramp_timer))
        loop_timer_set_in(targets->loop, &targets->ramp_timer, TARGETS_RAMP_MS);
}

/* Brings a target's weight and flags up to date after something about it changed. */
static void update_target(struct targets *targets, struct target *target, bool slow_start)
{
    struct tier *tier = &targets->tiers[target->tier];
    const bool carried = target->weight > 0;
    const bool carries = target->health.up && wanted_weight(target) > 0;
    if (slow_start)
        update_slow_start(targets, target, carried, carries);
    const uint32_t weight = effective_weight(targets, target);
    const uint8_t flags = flags_of(target);
    ASSERT((weight > 0) == carries);
    if (weight == target->weight && flags == target->flags)
        return;
    tier->effective_sum += (uint64_t)weight - target->weight;
    tier->up_count += carries && !carried ? 1U : 0U;
    tier->up_count -= carried && !carries ? 1U : 0U;
    const bool drains = (flags & TARGET_DRAINING) != 0;
    if (drains && (target->flags & TARGET_DRAINING) == 0)
        start_drain(targets, target);
    if (!drains && list_linked(&target->drain_node))
        list_remove(&target->drain_node);
    target->weight = weight;
    target->flags = flags;
    target->generation = targets->generation + 1;
    targets->dirty = true;
    check_tier(tier);
}

/* --- Timers. --- */

static void on_ramp(struct loop_timer *timer)
{
    struct targets *targets = CONTAINER_OF(timer, struct targets, ramp_timer);
    const uint64_t now_ms = loop_now_ms(targets->loop);
    LIST_EACH_SAFE (node, &targets->slow) {
        struct target *target = CONTAINER_OF(node, struct target, slow_node);
        const uint32_t duration_ms = targets->tiers[target->tier].config->slow_start_ms;
        const bool full = now_ms - target->slow_since_ms >= duration_ms;
        if (full)
            list_remove(&target->slow_node);
        update_target(targets, target, false);
        if (full)
            tell(targets, target, TARGET_CHANGE_FULL);
    }
    publish(targets);
    if (!list_empty(&targets->slow))
        loop_timer_set_in(targets->loop, &targets->ramp_timer, TARGETS_RAMP_MS);
}

static void on_drain_poll(struct loop_timer *timer)
{
    struct targets *targets = CONTAINER_OF(timer, struct targets, drain_timer);
    LIST_EACH_SAFE (node, &targets->draining) {
        struct target *target = CONTAINER_OF(node, struct target, drain_node);
        if (!targets_is_drained(targets, target))
            continue;
        list_remove(&target->drain_node);
        tell(targets, target, TARGET_CHANGE_DRAINED);
    }
    if (!list_empty(&targets->draining))
        loop_timer_set_in(targets->loop, &targets->drain_timer, TARGETS_DRAIN_POLL_MS);
}

static void on_mark(struct loop_timer *timer)
{
    struct targets *targets = CONTAINER_OF(timer, struct targets, mark_timer);
    targets_mark(targets);
    publish(targets);
    free_old(targets);
    loop_timer_set_in(targets->loop, &targets->mark_timer, TARGETS_MARK_MS);
}

/* --- Opening. --- */

static bool open_tier(struct targets *targets, uint32_t index, uint32_t first, struct error *error)
{
    const struct config_tier *config = &targets->config->tiers[index];
    struct tier *tier = &targets->tiers[index];
    if (config->balance == CONFIG_BALANCE_KEY)
        return error_set(error, ERROR_REFUSED, "tier '%s': balance: key is not built",
                         config->name);
    tier->config = config;
    tier->first = first;
    tier->count = (uint32_t)config->host_count;
    tier->rule = (struct health_rule){.rise = config->health.rise, .fall = config->health.fall};
    for (uint32_t i = 0; i < tier->count; i++) {
        struct target *target = &targets->list[first + i];
        target->host = &config->hosts[i];
        target->tier = index;
        target->override = TARGET_WEIGHT_RESTORED;
        health_init(&target->health);
        if (!socket_resolve(target->host->address.host, target->host->address.port,
                            &target->address, error))
            return error_add(error, "tier '%s', host '%s'", config->name, target->host->name);
        if (!target->host->standby)
            tier->configured_sum += (uint64_t)target->host->weight * PICK_WEIGHT_ONE;
        update_target(targets, target, false);
    }
    return true;
}

static bool allocate(struct targets *targets)
{
    const size_t tiers = targets->config->tier_count;
    for (size_t t = 0; t < tiers; t++)
        targets->count += (uint32_t)targets->config->tiers[t].host_count;
    targets->list = calloc(targets->count, sizeof *targets->list);
    targets->workers = calloc(targets->worker_count, sizeof *targets->workers);
    targets->tiers = aligned_alloc(COUNTER_LINE_BYTES, tiers * sizeof *targets->tiers);
    if (targets->tiers != NULL)
        memset(targets->tiers, 0, tiers * sizeof *targets->tiers);
    return targets->list != NULL && targets->workers != NULL && targets->tiers != NULL;
}

struct targets *targets_open(struct config *config, uint32_t worker_count, struct loop *loop,
                             struct error *error)
{
    ASSERT(worker_count > 0 && worker_count <= TARGETS_WORKERS_MAX);
    struct targets *targets = calloc(1, sizeof *targets);
    if (targets == NULL) {
        error_set_errno(error, ENOMEM, "cannot make the tables of hosts");
        return NULL;
    }
    targets->config = config_ref(config);
    targets->loop = loop;
    targets->worker_count = worker_count;
    targets->ramp_timer.on_time = on_ramp;
    targets->drain_timer.on_time = on_drain_poll;
    targets->mark_timer.on_time = on_mark;
    list_init(&targets->slow);
    list_init(&targets->draining);
    bool good = allocate(targets);
    if (!good)
        error_set_errno(error, ENOMEM, "cannot make the tables of hosts");
    uint32_t first = 0;
    for (uint32_t t = 0; good && t < config->tier_count; t++) {
        good = open_tier(targets, t, first, error);
        first += (uint32_t)config->tiers[t].host_count;
    }
    if (good && !publish(targets))
        good = error_set_errno(error, ENOMEM, "cannot make the first snapshot");
    if (!good) {
        targets_close(targets);
        return NULL;
    }
    targets_mark(targets);
    loop_timer_set_in(loop, &targets->mark_timer, TARGETS_MARK_MS);
    return targets;
}

void targets_close(struct targets *targets)
{
    if (targets == NULL)
        return;
    loop_timer_clear(targets->loop, &targets->ramp_timer);
    loop_timer_clear(targets->loop, &targets->drain_timer);
    loop_timer_clear(targets->loop, &targets->mark_timer);
    for (uint32_t i = 0; targets->workers != NULL && i < targets->worker_count; i++) {
        ASSERT(targets->workers[i] == NULL || !targets->workers[i]->attached);
        targets_worker_free(targets->workers[i]);
    }
    while (targets->newest != NULL) {
        struct targets_snapshot *older = targets->newest->older;
        free(targets->newest);
        targets->newest = older;
    }
    free(targets->workers);
    free(targets->tiers);
    free(targets->list);
    config_unref(targets->config);
    free(targets);
}

/* --- Decisions. --- */

void targets_observe(struct targets *targets, targets_observer *observer, void *context)
{
    targets->observer = observer;
    targets->observer_context = context;
}

bool targets_set_weight(struct targets *targets, uint32_t index, uint32_t weight,
                        struct error *error)
{
    ASSERT(index < targets->count);
    ASSERT(weight <= PICK_WEIGHT_MAX / PICK_WEIGHT_ONE || weight == TARGET_WEIGHT_RESTORED);
    struct target *target = &targets->list[index];
    const uint32_t former = target->override;
    if (former == weight)
        return true;
    target->override = weight;
    update_target(targets, target, true);
    if (!publish(targets)) {
        target->override = former;
        update_target(targets, target, true);
        return error_set_errno(error, ENOMEM, "cannot publish the weight of host '%s'",
                               target->host->name);
    }
    tell(targets, target, TARGET_CHANGE_WEIGHT);
    return true;
}

bool targets_close_long_lived(struct targets *targets, uint32_t index, struct error *error)
{
    ASSERT(index < targets->count);
    struct target *target = &targets->list[index];
    if ((target->flags & TARGET_DRAINING) == 0)
        return error_set(error, ERROR_CONFLICT,
                         "host '%s' does not drain: set its weight to 0 before its long-lived "
                         "connections are closed",
                         target->host->name);
    if (target->flags & TARGET_CLOSE_LONG_LIVED)
        return true;
    target->flags |= TARGET_CLOSE_LONG_LIVED;
    target->generation = targets->generation + 1;
    targets->dirty = true;
    if (publish(targets))
        return true;
    target->flags &= (uint8_t)~TARGET_CLOSE_LONG_LIVED;
    return error_set_errno(error, ENOMEM, "cannot publish the change of host '%s'",
                           target->host->name);
}

static void health_changed(struct targets *targets, struct target *target)
{
    update_target(targets, target, true);
    publish(targets);
    tell(targets, target, target->health.up ? TARGET_CHANGE_UP : TARGET_CHANGE_DOWN);
}

void targets_check(struct targets *targets, uint32_t index, bool passed, const char *text)
{
    ASSERT(index < targets->count);
    struct target *target = &targets->list[index];
    (void)snprintf(target->check, sizeof target->check, "%s", text);
    if (health_check(&target->health, &targets->tiers[target->tier].rule, passed))
        health_changed(targets, target);
}

void targets_on_reports(struct targets *targets, struct targets_worker *worker)
{
    uint32_t taken = atomic_load_explicit(&worker->reports_taken, memory_order_relaxed);
    const uint32_t put = atomic_load(&worker->reports_put);
    ASSERT(put - taken <= TARGETS_REPORTS_MAX);
    for (; taken != put; taken++) {
        const uint32_t index = worker->reports[taken % TARGETS_REPORTS_MAX];
        struct target *target = &targets->list[index];
        const struct tier *tier = &targets->tiers[target->tier];
        const uint32_t others = tier->up_count - (target->weight > 0 ? 1U : 0U);
        const uint64_t streak = counter_read(&worker->target_counters[index].streak);
        if (health_traffic(&target->health, &tier->rule, streak, others == 0)) {
            (void)snprintf(target->check, sizeof target->check, "%llu connections in a row failed",
                           (unsigned long long)streak);
            health_changed(targets, target);
        }
    }
    atomic_store_explicit(&worker->reports_taken, taken, memory_order_release);
}

/* --- What does not change. --- */

uint32_t targets_count(const struct targets *targets)
{
    return targets->count;
}

uint32_t targets_tier_first(const struct targets *targets, size_t tier)
{
    ASSERT(tier < targets->config->tier_count);
    return targets->tiers[tier].first;
}

uint32_t targets_tier_count(const struct targets *targets, size_t tier)
{
    ASSERT(tier < targets->config->tier_count);
    return targets->tiers[tier].count;
}

size_t targets_tier_of(const struct targets *targets, uint32_t target)
{
    ASSERT(target < targets->count);
    return targets->list[target].tier;
}

const struct config_host *targets_host(const struct targets *targets, uint32_t target)
{
    ASSERT(target < targets->count);
    return targets->list[target].host;
}

const struct socket_address *targets_address(const struct targets *targets, uint32_t target)
{
    ASSERT(target < targets->count);
    return &targets->list[target].address;
}

const struct config *targets_config(const struct targets *targets)
{
    return targets->config;
}

uint64_t targets_generation(const struct targets *targets)
{
    return targets->generation;
}
