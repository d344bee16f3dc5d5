/*
 * fleet: a simulated fleet in virtual time that carries out what the engine orders, for the story
 * tests and the unit tests of rollout/. Hosts, a balancer with health, drain, slow start and
 * counters, and scripted faults. It also watches the engine's promises with books of its own: what
 * it told the engine, and what the engine ordered.
 */
#pragma once

#include "base/check.h"
#include "rollout/rollout.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLEET_HOSTS_MAX = 64,
    FLEET_TEXT_MAX = 64 * 1024,
    FLEET_START_MS = 1000000,
    FLEET_RESULTS_MAX = 64, /* Actions that one host remembers. */
    FLEET_ROUNDS_MAX = 200000,
};

/* What one host does wrong. Times are since the start; 0: never. */
struct fleet_faults {
    const char *install_fails; /* The driver's words. */
    bool install_wrong;        /* Says that it went well; nothing was changed. */
    bool put_back_fails;
    bool never_back;
    bool no_reboot;         /* Comes back at once with its old boot_id. */
    bool sick_after_update; /* Never healthy with the new version. */
    uint32_t dead_ms;       /* Down and unreachable by itself from then ... */
    uint32_t well_ms;       /* ... until then. */
    uint32_t holds_ms;      /* A long-lived connection is open until then. */
    uint32_t unreachable;   /* So many of its next actions do not get through. */
    uint32_t install_ms;    /* Instead of fleet.install_ms. */
};

struct fleet_result {
    uint64_t id;
    enum rollout_action_kind kind;
    bool begun;
    bool ended;
    uint64_t done_ms;
    struct rollout_result result;
};

struct fleet_host {
    char name[16];
    char version[ROLLOUT_VERSION_MAX];
    uint32_t boots;
    bool reboot_required;
    uint64_t off_until_ms; /* Rebooting until then; UINT64_MAX: for ever. */
    bool zero;             /* The balancer's weight is 0. */
    uint64_t zero_ms;
    uint64_t restored_ms;
    bool closed; /* Its long-lived connections were ended. */
    double requests;
    double failures;
    struct fleet_faults faults;
    /* The helper's records, by action id. */
    struct fleet_result results[FLEET_RESULTS_MAX];
    uint32_t result_count;
    /* The one answer on its way. */
    bool answering;
    uint64_t answer_ms;
    uint64_t answer_id;
    struct rollout_result answer;
    /* The watcher's books. */
    bool told_seen;
    uint32_t told_milli;
    bool ordered_zero;
};

enum fleet_command { FLEET_NOTHING, FLEET_PAUSE, FLEET_RESUME, FLEET_ABORT, FLEET_KILL };

struct fleet_script {
    uint32_t at_ms;
    enum fleet_command command;
    uint32_t away_ms; /* FLEET_KILL: how long the controller is away. */
};

struct fleet {
    uint32_t count;
    struct rollout_spec spec;
    struct rollout_host_spec host_specs[FLEET_HOSTS_MAX];
    struct fleet_host hosts[FLEET_HOSTS_MAX];
    struct fleet_script script[16];
    uint32_t script_next;

    /* The world. */
    double requests_per_second; /* At every host that serves, at full weight. */
    double old_error_ratio;
    double new_error_ratio;
    bool new_reboots; /* The new version asks for a reboot. */
    uint32_t drain_ms;
    uint32_t install_ms;
    uint32_t boot_ms;
    uint32_t fall_ms; /* The balancer's checks notice after so long. */
    uint32_t silent_from_ms;
    uint32_t silent_until_ms;

    uint64_t now_ms;
    uint64_t observe_ms;
    uint64_t traffic_ms;
    bool controller_up;
    uint64_t controller_ms; /* When it comes back. */
    uint32_t installs;      /* Really carried out. */
    uint32_t reboots;
    uint32_t kills;
    uint64_t steps;
    bool quiet; /* No text is kept. */

    struct rollout rollout;
    struct rollout_host rows[FLEET_HOSTS_MAX];
    struct rollout_link links[FLEET_HOSTS_MAX];
    uint32_t dirty[FLEET_HOSTS_MAX];
    uint32_t ready[FLEET_HOSTS_MAX];
    uint32_t timers[FLEET_HOSTS_MAX];
    struct rollout_zone zones[FLEET_HOSTS_MAX];
    uint32_t groups[FLEET_HOSTS_MAX + 1];
    struct rollout_actions actions;
    /* The store: rows as of the last step, written from the dirty marks alone. */
    struct rollout_row stored;
    struct rollout_host stored_rows[FLEET_HOSTS_MAX];
    uint64_t ids_seen; /* The highest action id so far. */

    char text[FLEET_TEXT_MAX];
    size_t text_size;
};

static const char *const fleet_zones[] = {"a", "b", "c", "d"};

static inline struct rollout_arrays fleet_arrays(struct fleet *fleet)
{
    return (struct rollout_arrays){
        .hosts = fleet->rows,
        .links = fleet->links,
        .dirty = fleet->dirty,
        .ready = fleet->ready,
        .timers = fleet->timers,
        .zones = fleet->zones,
        .groups = fleet->groups,
    };
}

/* Hosts web-1 ... web-N on 1.0-1, the first half in zone a, the second in b. */
static inline void fleet_init(struct fleet *fleet, uint32_t count)
{
    ASSERT(count <= FLEET_HOSTS_MAX);
    memset(fleet, 0, sizeof *fleet);
    fleet->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct fleet_host *host = &fleet->hosts[i];
        (void)snprintf(host->name, sizeof host->name, "web-%u", i + 1);
        (void)snprintf(host->version, sizeof host->version, "1.0-1");
        host->boots = 1;
        fleet->host_specs[i] = (struct rollout_host_spec){
            .name = host->name,
            .zone = i < (count + 1) / 2 ? 0 : 1,
            .weight = 100,
            .driver = true,
            .chosen = true,
        };
    }
    fleet->spec = (struct rollout_spec){
        .tier = "web",
        .to_version = "1.0-2",
        .hosts = fleet->host_specs,
        .host_count = count,
        .zones = fleet_zones,
        .zone_count = 2,
        .group_count = FLEET_HOSTS_MAX,
        .max_unavailable = {.percent = true, .value = 250000},
        .failure_domain = true,
        .drain_timeout_ms = 30000,
        .install = true,
        .install_timeout_ms = 60000,
        .reboot = ROLLOUT_REBOOT_WHEN_REQUIRED,
        .reboot_deadline_ms = 120000,
        .min_ready_ms = 2000,
        .healthy_deadline_ms = 30000,
        .slow_start_ms = 2000,
        .soak_ms = 5000,
        .error_ratio_max_ppm = 10000,
    };
    rollout_spec_defaults(&fleet->spec);
    fleet->requests_per_second = 50;
    fleet->new_reboots = true;
    fleet->drain_ms = 1500;
    fleet->install_ms = 2000;
    fleet->boot_ms = 4000;
    fleet->fall_ms = 1000;
    fleet->now_ms = FLEET_START_MS;
    fleet->observe_ms = FLEET_START_MS + 1;
    fleet->traffic_ms = FLEET_START_MS;
    fleet->controller_up = true;
}

static inline bool fleet_between(const struct fleet *fleet, uint32_t from_ms, uint32_t until_ms)
{
    const uint64_t since_ms = fleet->now_ms - FLEET_START_MS;
    return from_ms != 0 && since_ms >= from_ms && (until_ms == 0 || since_ms < until_ms);
}

static inline bool fleet_off(const struct fleet *fleet, const struct fleet_host *host)
{
    return fleet->now_ms < host->off_until_ms ||
           fleet_between(fleet, host->faults.dead_ms, host->faults.well_ms);
}

static inline bool fleet_updated(const struct fleet_host *host)
{
    return strcmp(host->version, "1.0-1") != 0;
}

static inline bool fleet_healthy(const struct fleet *fleet, const struct fleet_host *host)
{
    return !fleet_off(fleet, host) && !(host->faults.sick_after_update && fleet_updated(host));
}

static inline uint32_t fleet_weight_milli(const struct fleet *fleet, uint32_t i)
{
    const struct fleet_host *host = &fleet->hosts[i];
    const uint32_t full_milli = fleet->host_specs[i].weight * ROLLOUT_MILLI;
    if (host->zero)
        return 0;
    const uint64_t since_ms = fleet->now_ms - host->restored_ms;
    if (host->restored_ms == 0 || since_ms >= fleet->spec.slow_start_ms)
        return full_milli;
    return (uint32_t)(full_milli * since_ms / fleet->spec.slow_start_ms);
}

static inline uint64_t fleet_in_flight(const struct fleet *fleet, const struct fleet_host *host)
{
    if (!host->zero)
        return fleet_healthy(fleet, host) ? 3 : 0;
    const bool held = host->faults.holds_ms != 0 && !host->closed &&
                      fleet->now_ms < FLEET_START_MS + host->faults.holds_ms;
    if (held)
        return 1;
    return fleet->now_ms - host->zero_ms < fleet->drain_ms ? 2 : 0;
}

/* Requests since the last call, at hosts that serve. */
static inline void fleet_traffic(struct fleet *fleet)
{
    const double seconds = (double)(fleet->now_ms - fleet->traffic_ms) / 1000;
    fleet->traffic_ms = fleet->now_ms;
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct fleet_host *host = &fleet->hosts[i];
        if (!fleet_healthy(fleet, host))
            continue;
        const double share =
            (double)fleet_weight_milli(fleet, i) / (fleet->host_specs[i].weight * ROLLOUT_MILLI);
        const double requests = fleet->requests_per_second * seconds * share;
        host->requests += requests;
        host->failures +=
            requests * (fleet_updated(host) ? fleet->new_error_ratio : fleet->old_error_ratio);
    }
}

/* ---- What hosts and balancer do with an action: once an id. ---- */

static inline struct rollout_facts fleet_facts(const struct fleet *fleet,
                                               const struct fleet_host *host)
{
    struct rollout_facts facts = {.reboot_required = host->reboot_required};
    const struct fleet_host now = *host;
    memcpy(facts.version, now.version, sizeof facts.version);
    (void)snprintf(facts.candidate, sizeof facts.candidate, "%s", fleet->spec.to_version);
    (void)snprintf(facts.boot_id, sizeof facts.boot_id, "%.15s-boot-%u", now.name, now.boots);
    (void)snprintf(facts.kernel, sizeof facts.kernel, "6.1.0-%u", 20 + now.boots);
    return facts;
}

static inline struct fleet_result *fleet_record(struct fleet_host *host, uint64_t id)
{
    for (uint32_t i = 0; i < host->result_count; i++) {
        if (host->results[i].id == id)
            return &host->results[i];
    }
    ASSERT(host->result_count < FLEET_RESULTS_MAX);
    struct fleet_result *record = &host->results[host->result_count++];
    memset(record, 0, sizeof *record);
    record->id = id;
    return record;
}

/* Begins the work of an action that was never begun; returns how long it takes. */
static inline uint64_t fleet_begin(struct fleet *fleet, struct fleet_host *host,
                                   const struct rollout_action *action,
                                   struct rollout_result *result)
{
    const struct fleet_faults *faults = &host->faults;
    result->code = ROLLOUT_OK;
    switch (action->kind) {
    case ROLLOUT_SET_WEIGHT:
        if (host->zero == action->restore) {
            host->zero = !action->restore;
            host->zero_ms = fleet->now_ms;
            host->restored_ms = fleet->now_ms;
        }
        return 10;
    case ROLLOUT_CLOSE_LONG_LIVED: host->closed = true; return 10;
    case ROLLOUT_FACTS: return 200;
    case ROLLOUT_INSTALL:
        ASSERT(host->zero && fleet_in_flight(fleet, host) == 0); /* No request is cut. */
        fleet->installs++;
        if (faults->install_fails != NULL) {
            result->code = ROLLOUT_ACTION_FAILED;
            result->text = faults->install_fails;
        } else if (!faults->install_wrong) {
            memcpy(host->version, action->version, sizeof host->version);
            host->reboot_required = fleet->new_reboots;
        }
        return faults->install_ms != 0 ? faults->install_ms : fleet->install_ms;
    case ROLLOUT_PUT_BACK:
        ASSERT(host->zero && action->undoes != 0);
        if (faults->put_back_fails) {
            result->code = ROLLOUT_ACTION_FAILED;
            result->text = "the old package is gone";
        } else {
            memcpy(host->version, action->version, sizeof host->version);
        }
        return fleet->install_ms;
    case ROLLOUT_REBOOT:
        ASSERT(host->zero);
        fleet->reboots++;
        if (!faults->no_reboot) {
            host->off_until_ms = faults->never_back ? UINT64_MAX : fleet->now_ms + fleet->boot_ms;
            host->boots++;
            host->reboot_required = false;
        }
        return 300;
    default: return 300;
    }
}

static inline void fleet_answer(struct fleet_host *host, uint64_t id, uint64_t at_ms,
                                const struct rollout_result *result)
{
    host->answering = true;
    host->answer_ms = at_ms;
    host->answer_id = id;
    host->answer = *result;
}

static inline void fleet_wait_back(struct fleet *fleet, struct fleet_host *host,
                                   const struct rollout_action *action)
{
    struct rollout_result result = {.code = ROLLOUT_OK};
    uint64_t at_ms = fleet->now_ms + 300;
    if (host->off_until_ms > at_ms)
        at_ms = host->off_until_ms;
    if (at_ms >= action->deadline_ms) {
        at_ms = action->deadline_ms;
        result.code = ROLLOUT_TIMEOUT;
    } else {
        result.facts = fleet_facts(fleet, host);
    }
    fleet_answer(host, action->id, at_ms, &result);
}

static inline void fleet_carry_out(struct fleet *fleet, const struct rollout_action *action)
{
    struct fleet_host *host = &fleet->hosts[action->host];
    const bool balancer =
        action->kind == ROLLOUT_SET_WEIGHT || action->kind == ROLLOUT_CLOSE_LONG_LIVED;
    const bool silent = fleet_between(fleet, fleet->silent_from_ms, fleet->silent_until_ms);
    struct rollout_result result = {.code = ROLLOUT_UNREACHABLE, .text = "connection timed out"};
    if (!balancer && host->faults.unreachable > 0) {
        host->faults.unreachable--;
        fleet_answer(host, action->id, fleet->now_ms + 500, &result);
        return;
    }
    if (action->kind == ROLLOUT_WAIT_BACK) {
        fleet_wait_back(fleet, host, action);
        return;
    }
    if (balancer ? silent : fleet_off(fleet, host)) {
        fleet_answer(host, action->id, fleet->now_ms + 500, &result);
        return;
    }
    struct fleet_result *record = fleet_record(host, action->id);
    if (!record->begun) {
        record->begun = true;
        record->kind = action->kind;
        record->done_ms = fleet->now_ms + fleet_begin(fleet, host, action, &record->result);
        record->result.facts = fleet_facts(fleet, host);
    }
    ASSERT(record->kind == action->kind);
    const uint64_t at_ms = record->done_ms > fleet->now_ms ? record->done_ms : fleet->now_ms + 50;
    fleet_answer(host, action->id, at_ms, &record->result);
}

/* ---- The watcher: the promises, from what was told and ordered. ---- */

static inline void fleet_watch_drain(const struct fleet *fleet, uint32_t host)
{
    uint64_t total = 0;
    uint64_t left = 0;
    uint32_t out = 0;
    for (uint32_t i = 0; i < fleet->count; i++) {
        const uint64_t full_milli = (uint64_t)fleet->host_specs[i].weight * ROLLOUT_MILLI;
        const bool serves = !fleet->hosts[i].ordered_zero && fleet->hosts[i].told_milli > 0;
        ASSERT(fleet->hosts[i].told_seen);
        total += full_milli;
        left += serves && i != host ? fleet->hosts[i].told_milli : 0;
        out += !serves || i == host;
        /* A second zone, or a second member of the group, is never disturbed by us. */
        if (i == host || !fleet->hosts[i].ordered_zero ||
            fleet->rows[i].phase >= ROLLOUT_HOST_VERIFIED_NEW)
            continue;
        ASSERT(!fleet->spec.failure_domain ||
               fleet->host_specs[i].zone == fleet->host_specs[host].zone);
        ASSERT(fleet->host_specs[host].group == 0 ||
               fleet->host_specs[i].group != fleet->host_specs[host].group);
    }
    if (fleet->hosts[host].told_milli == 0)
        return; /* Down already: it costs nothing. */
    const uint64_t floor_ppm = rollout_floor_ppm(&fleet->spec);
    ASSERT(left > 0 && left * ROLLOUT_PPM >= floor_ppm * total);
    /* On the way back, what was taken counts already. */
    ASSERT(fleet->rows[host].goal != ROLLOUT_GOAL_FORWARD ||
           out <= rollout_unavailable_max(fleet->spec.max_unavailable, fleet->count));
}

static inline void fleet_watch_action(struct fleet *fleet, const struct rollout_action *action)
{
    struct fleet_host *host = &fleet->hosts[action->host];
    ASSERT(action->again || action->id > fleet->ids_seen);
    ASSERT(!action->again || action->id <= fleet->ids_seen);
    if (action->id > fleet->ids_seen)
        fleet->ids_seen = action->id;
    if (action->kind != ROLLOUT_SET_WEIGHT)
        return;
    /* A host that failed under traffic gives no capacity: it goes in any case. */
    const bool failed = fleet->rows[action->host].reason[0] != '\0';
    if (!action->restore && !action->again && !failed)
        fleet_watch_drain(fleet, action->host);
    host->ordered_zero = !action->restore;
    if (action->restore)
        host->told_milli = 0; /* Until it is seen to serve. */
}

static inline void fleet_watch_end(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->count; i++) {
        const struct rollout_host *row = &fleet->rows[i];
        const struct fleet_host *host = &fleet->hosts[i];
        switch (row->phase) {
        case ROLLOUT_HOST_VERIFIED_NEW:
            ASSERT(!fleet->spec.install || strcmp(host->version, fleet->spec.to_version) == 0);
            ASSERT(!host->zero || fleet->host_specs[i].cordoned);
            break;
        case ROLLOUT_HOST_VERIFIED_OLD:
        case ROLLOUT_HOST_UNTOUCHED:
            ASSERT(row->version_before[0] == '\0' ||
                   strcmp(host->version, row->version_before) == 0);
            ASSERT(!host->zero || fleet->host_specs[i].cordoned);
            break;
        case ROLLOUT_HOST_QUARANTINED: ASSERT(row->reason[0] != '\0'); break;
        default: UNREACHABLE();
        }
    }
}

/* ---- The controller: one step, its transaction, its actions. ---- */

static inline void fleet_line(struct fleet *fleet, const char *line)
{
    if (fleet->quiet)
        return;
    const int size = snprintf(fleet->text + fleet->text_size, sizeof fleet->text - fleet->text_size,
                              "%s\n", line);
    ASSERT(size > 0 && fleet->text_size + (size_t)size < sizeof fleet->text);
    fleet->text_size += (size_t)size;
}

static inline void fleet_store(struct fleet *fleet)
{
    const struct rollout_actions *out = &fleet->actions;
    for (uint32_t i = 0; i < out->dirty_count; i++)
        fleet->stored_rows[out->dirty[i]] = fleet->rows[out->dirty[i]];
    if (out->dirty_row)
        fleet->stored = fleet->rollout.row;
    for (uint32_t i = 0; i < fleet->count; i++)
        ASSERT(memcmp(&fleet->stored_rows[i], &fleet->rows[i], sizeof fleet->rows[i]) == 0);
}

static inline void fleet_step(struct fleet *fleet, const struct rollout_event *event)
{
    struct rollout_event now = *event;
    now.time_ms = fleet->now_ms;
    do {
        ASSERT(fleet->steps++ < FLEET_ROUNDS_MAX);
        const bool changed = rollout_step(&fleet->rollout, &now, &fleet->actions);
        rollout_check(&fleet->rollout, true);
        ASSERT(changed || fleet->actions.count == 0);
        fleet_store(fleet);
        for (uint32_t i = 0; i < fleet->actions.decision_count; i++) {
            char line[512];
            rollout_narrate(&fleet->actions.decisions[i], &fleet->spec, line, sizeof line);
            fleet_line(fleet, line);
        }
        for (uint32_t i = 0; i < fleet->actions.count; i++) {
            fleet_watch_action(fleet, &fleet->actions.items[i]);
            fleet_carry_out(fleet, &fleet->actions.items[i]);
        }
        now.kind = ROLLOUT_CONTINUE;
    } while (fleet->actions.more);
}

static inline void fleet_observe(struct fleet *fleet)
{
    struct rollout_observation seen[FLEET_HOSTS_MAX];
    fleet_traffic(fleet);
    fleet->observe_ms = fleet->now_ms + 1000;
    if (!fleet->controller_up)
        return;
    const bool silent = fleet_between(fleet, fleet->silent_from_ms, fleet->silent_until_ms);
    for (uint32_t i = 0; i < fleet->count && !silent; i++) {
        struct fleet_host *host = &fleet->hosts[i];
        const uint64_t in_flight = fleet_in_flight(fleet, host);
        seen[i] = (struct rollout_observation){
            .host = i,
            .healthy = fleet_healthy(fleet, host),
            .drained = host->zero && in_flight == 0,
            .weight_milli = fleet_weight_milli(fleet, i),
            .in_flight = in_flight,
            .requests = (uint64_t)host->requests,
            .failures = (uint64_t)host->failures,
        };
        host->told_seen = true;
        host->told_milli = seen[i].healthy ? seen[i].weight_milli : 0;
    }
    fleet_step(fleet, &(struct rollout_event){.kind = ROLLOUT_OBSERVE,
                                              .balancer_reachable = !silent,
                                              .observations = seen,
                                              .observation_count = silent ? 0 : fleet->count});
}

static inline void fleet_begin_rollout(struct fleet *fleet)
{
    rollout_init(&fleet->rollout, &fleet->spec, fleet_arrays(fleet));
    fleet_step(fleet, &(struct rollout_event){.kind = ROLLOUT_START});
}

/* kill -9: everything but the stored rows is lost, answers on their way, too. */
static inline void fleet_kill(struct fleet *fleet, uint32_t away_ms)
{
    fleet->controller_up = false;
    fleet->controller_ms = fleet->now_ms + away_ms;
    fleet->kills++;
    for (uint32_t i = 0; i < fleet->count; i++)
        fleet->hosts[i].answering = false;
    memset(&fleet->rollout, 0xa5, sizeof fleet->rollout);
    memset(fleet->rows, 0xa5, sizeof fleet->rows);
    memset(fleet->links, 0xa5, sizeof fleet->links);
}

static inline void fleet_revive(struct fleet *fleet)
{
    fleet->controller_up = true;
    for (uint32_t i = 0; i < fleet->count; i++)
        fleet->rows[i] = fleet->stored_rows[i];
    const struct rollout_row row = fleet->stored;
    rollout_load(&fleet->rollout, &fleet->spec, &row, fleet_arrays(fleet));
    fleet_step(fleet, &(struct rollout_event){.kind = ROLLOUT_RESTART});
}

static inline void fleet_command(struct fleet *fleet, const struct fleet_script *script)
{
    static const enum rollout_event_kind kinds[] = {
        [FLEET_PAUSE] = ROLLOUT_PAUSE,
        [FLEET_RESUME] = ROLLOUT_RESUME,
        [FLEET_ABORT] = ROLLOUT_ABORT,
    };
    if (script->command == FLEET_KILL)
        fleet_kill(fleet, script->away_ms);
    else if (fleet->controller_up)
        fleet_step(fleet, &(struct rollout_event){.kind = kinds[script->command]});
}

static inline uint64_t fleet_next_ms(const struct fleet *fleet)
{
    uint64_t next_ms = fleet->observe_ms;
    const struct fleet_script *script = &fleet->script[fleet->script_next];
    if (script->command != FLEET_NOTHING && FLEET_START_MS + script->at_ms < next_ms)
        next_ms = FLEET_START_MS + script->at_ms;
    if (!fleet->controller_up)
        return fleet->controller_ms < next_ms ? fleet->controller_ms : next_ms;
    if (fleet->actions.wake_at_ms < next_ms)
        next_ms = fleet->actions.wake_at_ms;
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (fleet->hosts[i].answering && fleet->hosts[i].answer_ms < next_ms)
            next_ms = fleet->hosts[i].answer_ms;
    }
    return next_ms < fleet->now_ms ? fleet->now_ms : next_ms;
}

static inline bool fleet_deliver(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct fleet_host *host = &fleet->hosts[i];
        if (!host->answering || host->answer_ms > fleet->now_ms)
            continue;
        host->answering = false;
        if (host->answer.code == ROLLOUT_OK)
            host->answer.facts = fleet_facts(fleet, host);
        fleet_step(fleet, &(struct rollout_event){.kind = ROLLOUT_ACTION_DONE,
                                                  .host = i,
                                                  .action_id = host->answer_id,
                                                  .result = host->answer});
        return true;
    }
    return false;
}

/* One moment of the world. */
static inline void fleet_round(struct fleet *fleet)
{
    fleet->now_ms = fleet_next_ms(fleet);
    const struct fleet_script *script = &fleet->script[fleet->script_next];
    if (!fleet->controller_up && fleet->now_ms >= fleet->controller_ms)
        fleet_revive(fleet);
    else if (script->command != FLEET_NOTHING && fleet->now_ms >= FLEET_START_MS + script->at_ms)
        fleet_command(fleet, &fleet->script[fleet->script_next++]);
    else if (fleet->now_ms >= fleet->observe_ms)
        fleet_observe(fleet);
    else if (!fleet_deliver(fleet))
        fleet_step(fleet, &(struct rollout_event){.kind = ROLLOUT_TICK});
}

static inline bool fleet_over(const struct fleet *fleet)
{
    return fleet->controller_up && rollout_ended(&fleet->rollout);
}

/* Runs until the rollout ends, or `limit_ms` after the start. */
static inline void fleet_run(struct fleet *fleet, uint64_t limit_ms)
{
    if (fleet->steps == 0)
        fleet_begin_rollout(fleet);
    while (!fleet_over(fleet) && fleet->now_ms < FLEET_START_MS + limit_ms)
        fleet_round(fleet);
    if (fleet_over(fleet))
        fleet_watch_end(fleet);
}
