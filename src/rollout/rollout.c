#include "rollout/rollout.h"

#include "base/check.h"
#include "rollout/back.h"
#include "rollout/guard.h"
#include "rollout/ledger.h"
#include "rollout/life.h"
#include "rollout/orders.h"
#include "rollout/strategy.h"

#include <stdio.h>
#include <string.h>

/* A full recount of the books, once in so many steps; the tests recount after each. */
enum { RECOUNT_STEPS = 4096 };

enum { WEIGHT_MAX = 1000 }; /* Of a host, as the config allows. */

void rollout_spec_defaults(struct rollout_spec *spec)
{
    spec->first_batch_max = 1;
    spec->facts_timeout_ms = 60 * 1000;
    spec->weight_timeout_ms = 5 * 60 * 1000;
    spec->observe_age_max_ms = 10 * 1000;
    spec->progress_deadline_ms = 10 * 60 * 1000;
}

uint32_t rollout_unavailable_max(struct rollout_amount amount, uint32_t host_count)
{
    uint64_t hosts = amount.value;
    if (amount.percent)
        hosts = (uint64_t)amount.value * host_count / ROLLOUT_PPM;
    if (hosts > host_count)
        hosts = host_count;
    return hosts == 0 ? 1 : (uint32_t)hosts;
}

static uint64_t weight_total(const struct rollout_spec *spec)
{
    uint64_t total = 0;
    for (uint32_t host = 0; host < spec->host_count; host++)
        total += spec->hosts[host].weight;
    return total;
}

/* The weight of the `count` heaviest hosts, by counting how many there are of each weight. */
static uint64_t weight_heaviest(const struct rollout_spec *spec, uint32_t count)
{
    uint32_t hosts_of[WEIGHT_MAX + 1] = {0};
    for (uint32_t host = 0; host < spec->host_count; host++) {
        ASSERT(spec->hosts[host].weight > 0 && spec->hosts[host].weight <= WEIGHT_MAX);
        hosts_of[spec->hosts[host].weight]++;
    }
    uint64_t sum = 0;
    for (uint32_t weight = WEIGHT_MAX; weight > 0 && count > 0; weight--) {
        const uint32_t some = hosts_of[weight] < count ? hosts_of[weight] : count;
        sum += (uint64_t)some * weight;
        count -= some;
    }
    return sum;
}

uint32_t rollout_floor_ppm(const struct rollout_spec *spec)
{
    if (spec->floor_given)
        return spec->floor_ppm;
    const uint64_t total = weight_total(spec);
    if (total == 0)
        return 0;
    const uint32_t count = rollout_unavailable_max(spec->max_unavailable, spec->host_count);
    return (uint32_t)((total - weight_heaviest(spec, count)) * ROLLOUT_PPM / total);
}

static void set_up(struct rollout *r, const struct rollout_spec *spec, struct rollout_arrays arrays)
{
    ASSERT(spec->floor_ppm <= ROLLOUT_PPM && spec->error_ratio_max_ppm <= ROLLOUT_PPM);
    ASSERT(spec->facts_timeout_ms > 0 && spec->weight_timeout_ms > 0 &&
           spec->install_timeout_ms > 0 && spec->reboot_deadline_ms > 0);
    ASSERT(!spec->failure_domain || spec->zone_count > 0);
    *r = (struct rollout){.spec = spec, .arrays = arrays};
    r->max_unavailable = rollout_unavailable_max(spec->max_unavailable, spec->host_count);
    r->floor_ppm = rollout_floor_ppm(spec);
    r->weight_total_milli = weight_total(spec) * ROLLOUT_MILLI;
    r->weight_floor_milli = (r->weight_total_milli * r->floor_ppm + ROLLOUT_PPM - 1) / ROLLOUT_PPM;
    for (uint32_t host = 0; host < spec->host_count; host++)
        r->chosen += spec->hosts[host].chosen;
}

void rollout_init(struct rollout *r, const struct rollout_spec *spec, struct rollout_arrays arrays)
{
    set_up(r, spec, arrays);
    r->row.next_action_id = 1;
    r->row.next_decision = 1;
    r->row.capacity_least_ppm = ROLLOUT_PPM;
    for (uint32_t host = 0; host < spec->host_count; host++) {
        arrays.hosts[host] = (struct rollout_host){
            .phase = spec->hosts[host].chosen ? ROLLOUT_HOST_PENDING : ROLLOUT_HOST_UNTOUCHED,
            .deadline_ms = ROLLOUT_NEVER_MS,
        };
    }
    ledger_build(r);
    for (uint32_t host = 0; host < spec->host_count; host++)
        ledger_dirty(r, host); /* All rows are new. */
}

void rollout_load(struct rollout *r, const struct rollout_spec *spec, const struct rollout_row *row,
                  struct rollout_arrays arrays)
{
    set_up(r, spec, arrays);
    r->row = *row;
    ledger_build(r);
}

bool rollout_refused(const struct rollout_spec *spec, struct rollout_decision *why)
{
    const uint64_t total = weight_total(spec);
    const uint64_t floor_ppm = rollout_floor_ppm(spec);
    bool any = false;
    *why = (struct rollout_decision){.host = ROLLOUT_NO_HOST};
    for (uint32_t host = 0; host < spec->host_count; host++) {
        if (!spec->hosts[host].chosen)
            continue;
        any = true;
        why->host = host;
        if (!spec->hosts[host].driver) {
            why->code = ROLLOUT_SAY_REFUSED_NO_DRIVER;
            return true;
        }
        const uint64_t left = total - spec->hosts[host].weight;
        if (spec->host_count > 1 && left * ROLLOUT_PPM < floor_ppm * total) {
            why->code = ROLLOUT_SAY_REFUSED_FLOOR;
            why->numbers[0] = left * ROLLOUT_PPM / total;
            why->numbers[1] = floor_ppm;
            return true;
        }
    }
    if (any && spec->host_count == 1) {
        why->code = ROLLOUT_SAY_REFUSED_ONE_HOST;
        return true;
    }
    return false;
}

uint32_t rollout_capacity_ppm(const struct rollout *r)
{
    if (r->weight_total_milli == 0)
        return 0;
    return (uint32_t)(r->serving_milli * ROLLOUT_PPM / r->weight_total_milli);
}

bool rollout_ended(const struct rollout *r)
{
    return r->row.phase >= ROLLOUT_DONE;
}

/* ---- Events. ---- */

static void on_start(struct rollout *r, struct rollout_actions *out)
{
    ASSERT(r->row.phase == ROLLOUT_NEW);
    r->row.phase = ROLLOUT_RUNNING;
    r->row.started_ms = r->row.now_ms;
    r->observed_ms = r->row.now_ms;
    struct rollout_decision why;
    if (rollout_refused(r->spec, &why)) {
        struct rollout_decision *said =
            orders_say(r, out, why.code, why.host, why.numbers[0], why.numbers[1]);
        rollout_narrate(said, r->spec, r->row.reason, sizeof r->row.reason);
        r->row.stop = ROLLOUT_STOP_FAILED;
        return;
    }
    struct rollout_decision *said =
        orders_say(r, out, ROLLOUT_SAY_STARTED, ROLLOUT_NO_HOST, r->chosen, r->max_unavailable);
    said->numbers[2] = r->floor_ppm;
    said->numbers[3] = r->spec->host_count;
    orders_text(said->version, sizeof said->version, r->spec->to_version);
}

static void on_observe(struct rollout *r, const struct rollout_event *event)
{
    if (!event->balancer_reachable)
        return;
    if (event->time_ms > r->observed_ms)
        r->observed_ms = event->time_ms;
    for (uint32_t i = 0; i < event->observation_count; i++) {
        if (ledger_observe(r, &event->observations[i], event->time_ms))
            ledger_ready(r, event->observations[i].host);
    }
}

static void on_action_done(struct rollout *r, struct rollout_actions *out,
                           const struct rollout_event *event)
{
    ASSERT(event->host < r->spec->host_count);
    const struct rollout_open *open = &r->arrays.hosts[event->host].open;
    if (open->id == 0 || open->id != event->action_id)
        return; /* Late, doubled, or of an action that is no longer waited for. */
    life_done(r, out, event->host, &event->result);
}

static void say_text(struct rollout *r, struct rollout_actions *out, enum rollout_code code,
                     const char *text)
{
    struct rollout_decision *said = orders_say(r, out, code, ROLLOUT_NO_HOST, 0, 0);
    orders_text(said->text, sizeof said->text, text);
}

static enum rollout_refusal on_pause(struct rollout *r, struct rollout_actions *out,
                                     const char *text)
{
    if (r->row.stop != ROLLOUT_STOP_NONE)
        return ROLLOUT_REFUSED_STOPPING;
    if (r->row.pause == ROLLOUT_PAUSE_OPERATOR)
        return ROLLOUT_REFUSED_PAUSED;
    r->row.pause = ROLLOUT_PAUSE_OPERATOR;
    orders_text(r->row.reason, sizeof r->row.reason, text);
    say_text(r, out, ROLLOUT_SAY_PAUSED, text);
    back_look_at_all(r);
    return ROLLOUT_ACCEPTED;
}

static void progress(struct rollout *r)
{
    r->row.blocked_ms = 0;
    r->row.blocked_said = 0;
}

static enum rollout_refusal on_resume(struct rollout *r, struct rollout_actions *out,
                                      const char *text)
{
    if (r->row.stop != ROLLOUT_STOP_NONE)
        return ROLLOUT_REFUSED_STOPPING;
    if (r->row.pause == ROLLOUT_PAUSE_NONE)
        return ROLLOUT_REFUSED_NOT_PAUSED;
    r->row.pause = ROLLOUT_PAUSE_NONE;
    r->row.reason[0] = '\0';
    progress(r);
    ledger_ill_known(r);
    for (uint32_t host = r->in_flight_first; host != ROLLOUT_NO_HOST;
         host = r->arrays.links[host].next) {
        struct rollout_host *row = &r->arrays.hosts[host];
        if (!row->drain_late)
            continue;
        ledger_drain_late(r, host, false); /* Another drain timeout for it. */
        row->long_lived = false;
        row->deadline_ms = r->row.now_ms + r->spec->drain_timeout_ms;
        ledger_ready(r, host);
    }
    say_text(r, out, ROLLOUT_SAY_RESUMED, text);
    return ROLLOUT_ACCEPTED;
}

static enum rollout_refusal on_abort(struct rollout *r, struct rollout_actions *out,
                                     const char *text)
{
    if (r->row.stop != ROLLOUT_STOP_NONE)
        return ROLLOUT_REFUSED_STOPPING;
    r->row.stop = ROLLOUT_STOP_ABORTED;
    r->row.pause = ROLLOUT_PAUSE_NONE;
    orders_text(r->row.reason, sizeof r->row.reason, text);
    say_text(r, out, ROLLOUT_SAY_ABORTING, text);
    back_look_at_all(r);
    return ROLLOUT_ACCEPTED;
}

static uint64_t at_least(uint64_t value_ms, uint64_t least_ms)
{
    return value_ms < least_ms ? least_ms : value_ms;
}

/*
 * The controller is back. The time during which nobody looked counts neither for a host (min_ready,
 * soak) nor against it (deadlines of what only observations can end). Actions went on meanwhile:
 * their deadlines stand, but leave time enough to ask how they ended.
 */
static void on_restart(struct rollout *r, struct rollout_actions *out, uint64_t before_ms)
{
    const uint64_t away_ms = r->row.now_ms - before_ms;
    const uint64_t ask_ms = r->row.now_ms + r->spec->facts_timeout_ms;
    r->observed_ms = r->row.now_ms;
    for (uint32_t host = r->in_flight_first; host != ROLLOUT_NO_HOST;
         host = r->arrays.links[host].next) {
        struct rollout_host *row = &r->arrays.hosts[host];
        if (row->open.id != 0) {
            row->open.deadline_ms = at_least(row->open.deadline_ms, ask_ms);
            row->open.resend_ms = r->row.now_ms;
        }
        if (row->deadline_ms != ROLLOUT_NEVER_MS)
            row->deadline_ms += away_ms;
        if (row->healthy_since_ms != 0)
            row->healthy_since_ms += away_ms;
        if (row->phase == ROLLOUT_HOST_SOAKING)
            row->since_ms += away_ms;
        ledger_dirty(r, host);
        ledger_ready(r, host);
    }
    if (r->row.blocked_ms != 0)
        r->row.blocked_ms += away_ms;
    orders_say(r, out, ROLLOUT_SAY_RESTARTED, ROLLOUT_NO_HOST, r->in_flight, away_ms);
}

static void on_event(struct rollout *r, const struct rollout_event *event,
                     struct rollout_actions *out, uint64_t before_ms)
{
    ASSERT(event->kind == ROLLOUT_START || r->row.phase != ROLLOUT_NEW);
    switch (event->kind) {
    case ROLLOUT_START: on_start(r, out); break;
    case ROLLOUT_CONTINUE:
    case ROLLOUT_TICK: break;
    case ROLLOUT_OBSERVE: on_observe(r, event); break;
    case ROLLOUT_ACTION_DONE: on_action_done(r, out, event); break;
    case ROLLOUT_PAUSE: out->refusal = on_pause(r, out, event->text); break;
    case ROLLOUT_RESUME: out->refusal = on_resume(r, out, event->text); break;
    case ROLLOUT_ABORT: out->refusal = on_abort(r, out, event->text); break;
    case ROLLOUT_RESTART: on_restart(r, out, before_ms); break;
    }
}

/* ---- After the event: look at whom it concerns, take hosts, end. ---- */

static void look_at_ready(struct rollout *r, struct rollout_actions *out)
{
    ledger_timers_ring(r);
    while (r->ready_count > 0 && orders_room(out))
        life_look(r, out, ledger_ready_take(r));
}

static uint32_t some_ill_host(const struct rollout *r)
{
    for (uint32_t host = 0; host < r->spec->host_count; host++) {
        if (ledger_ill(r, host))
            return host;
    }
    return ROLLOUT_NO_HOST;
}

/* Says why nobody is taken, each reason once until somebody is. */
static void say_blocked(struct rollout *r, struct rollout_actions *out,
                        const struct strategy_block *block)
{
    const uint32_t bit = UINT32_C(1) << (block->code - ROLLOUT_SAY_BLOCKED_UNAVAILABLE);
    const uint64_t silent_ms = r->row.now_ms - r->observed_ms;
    if ((r->row.blocked_said & bit) != 0)
        return;
    if (block->code == ROLLOUT_SAY_BLOCKED_SILENT && silent_ms <= r->spec->observe_age_max_ms)
        return; /* The first news after a start is on its way. */
    r->row.blocked_said |= bit;
    struct rollout_decision *said =
        orders_say(r, out, block->code, block->host, r->ill, r->max_unavailable);
    if (block->code == ROLLOUT_SAY_BLOCKED_FLOOR || block->code == ROLLOUT_SAY_BLOCKED_LAST) {
        const uint64_t left_milli = r->serving_milli - r->arrays.links[block->host].weight_milli;
        said->numbers[0] = left_milli * ROLLOUT_PPM / r->weight_total_milli;
        said->numbers[1] = r->floor_ppm;
    }
    if (block->code == ROLLOUT_SAY_BLOCKED_SILENT)
        said->numbers[0] = silent_ms;
    said->numbers[2] = some_ill_host(r);
}

static void stalled(struct rollout *r, struct rollout_actions *out)
{
    r->row.pause = ROLLOUT_PAUSE_STALLED;
    const uint64_t waited_ms = r->row.now_ms - r->row.blocked_ms;
    (void)snprintf(r->row.reason, sizeof r->row.reason, "no host could be taken for %llu s",
                   (unsigned long long)(waited_ms / 1000));
    orders_say(r, out, ROLLOUT_SAY_PAUSED_STALLED, ROLLOUT_NO_HOST, waited_ms, 0);
}

static void take_hosts(struct rollout *r, struct rollout_actions *out)
{
    if (r->row.pause == ROLLOUT_PAUSE_DRAIN && r->late == 0) {
        r->row.pause = ROLLOUT_PAUSE_NONE;
        r->row.reason[0] = '\0';
        orders_say(r, out, ROLLOUT_SAY_RESUMED_DRAINED, ROLLOUT_NO_HOST, 0, 0);
    }
    if (r->row.stop != ROLLOUT_STOP_NONE || r->row.pause != ROLLOUT_PAUSE_NONE ||
        r->phases[ROLLOUT_HOST_PENDING] == 0)
        return;
    const struct strategy_block block = strategy_of(r->spec->strategy)->take(r, out);
    if (r->in_flight > 0) {
        progress(r);
        return;
    }
    ASSERT(block.code != ROLLOUT_SAY_NOTHING || r->filling);
    if (block.code == ROLLOUT_SAY_NOTHING)
        return;
    if (r->row.blocked_ms == 0)
        r->row.blocked_ms = r->row.now_ms;
    say_blocked(r, out, &block);
    if (r->row.now_ms - r->row.blocked_ms >= r->spec->progress_deadline_ms)
        stalled(r, out);
}

/* Hosts that proved nothing were left out, and nothing else went wrong: the first one's reason. */
static void reason_of_some_host(struct rollout *r)
{
    for (uint32_t host = 0; host < r->spec->host_count; host++) {
        const char *reason = r->arrays.hosts[host].reason;
        if (reason[0] == '\0')
            continue;
        orders_reason(r->row.reason, r->spec->hosts[host].name, reason);
        return;
    }
}

/* The last step: every host has its end, and the rollout gets its own. */
static void end(struct rollout *r, struct rollout_actions *out)
{
    ASSERT(r->in_flight == 0);
    for (uint32_t host = 0; host < r->spec->host_count; host++) {
        if (r->arrays.hosts[host].phase == ROLLOUT_HOST_PENDING)
            life_end(r, host, ROLLOUT_HOST_UNTOUCHED);
    }
    const uint32_t updated = r->phases[ROLLOUT_HOST_VERIFIED_NEW];
    enum rollout_code code = ROLLOUT_SAY_DONE;
    r->row.phase = ROLLOUT_DONE;
    if (r->row.stop == ROLLOUT_STOP_ABORTED) {
        r->row.phase = ROLLOUT_ABORTED;
        code = ROLLOUT_SAY_ABORTED;
    } else if (r->row.stop == ROLLOUT_STOP_FAILED || updated < r->chosen) {
        r->row.phase = ROLLOUT_FAILED;
        code = ROLLOUT_SAY_ENDED_FAILED;
        if (r->row.reason[0] == '\0')
            reason_of_some_host(r);
    }
    r->row.pause = ROLLOUT_PAUSE_NONE;
    r->row.ended_ms = r->row.now_ms;
    struct rollout_decision *said = orders_say(r, out, code, ROLLOUT_NO_HOST, updated, r->chosen);
    said->numbers[2] = r->phases[ROLLOUT_HOST_VERIFIED_OLD];
    said->numbers[3] = r->phases[ROLLOUT_HOST_QUARANTINED];
    said->numbers[4] = r->row.capacity_least_ppm;
    said->numbers[5] = r->row.ended_ms - r->row.started_ms;
    orders_text(said->text, sizeof said->text, r->row.reason);
}

static enum rollout_phase live_phase(const struct rollout *r)
{
    if (r->row.stop != ROLLOUT_STOP_NONE)
        return ROLLOUT_REVERTING;
    if (r->row.pause != ROLLOUT_PAUSE_NONE)
        return ROLLOUT_PAUSED;
    const uint32_t past_install = r->phases[ROLLOUT_HOST_SETTLING] +
                                  r->phases[ROLLOUT_HOST_RESTORING] +
                                  r->phases[ROLLOUT_HOST_SOAKING];
    return r->in_flight > 0 && past_install == r->in_flight ? ROLLOUT_VERIFYING : ROLLOUT_RUNNING;
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t wake_at(const struct rollout *r, bool more)
{
    if (rollout_ended(r))
        return ROLLOUT_NEVER_MS;
    if (more)
        return r->row.now_ms;
    uint64_t at_ms = ledger_timer_next(r);
    if (r->row.blocked_ms != 0 && r->row.pause == ROLLOUT_PAUSE_NONE &&
        r->row.stop == ROLLOUT_STOP_NONE) {
        at_ms = earlier(at_ms, r->row.blocked_ms + r->spec->progress_deadline_ms);
        const uint64_t silent_ms = r->observed_ms + r->spec->observe_age_max_ms + 1;
        if (silent_ms > r->row.now_ms)
            at_ms = earlier(at_ms, silent_ms);
    }
    return at_ms;
}

static void advance(struct rollout *r, struct rollout_actions *out)
{
    look_at_ready(r, out);
    if (r->ready_count == 0 && orders_room(out)) {
        take_hosts(r, out);
        if (r->in_flight == 0 && r->ready_count == 0 &&
            (r->row.stop != ROLLOUT_STOP_NONE || r->phases[ROLLOUT_HOST_PENDING] == 0))
            end(r, out);
    }
    if (!rollout_ended(r))
        r->row.phase = live_phase(r);
    if (r->seen == r->spec->host_count && r->row.phase != ROLLOUT_NEW) {
        const uint32_t capacity_ppm = rollout_capacity_ppm(r);
        if (capacity_ppm < r->row.capacity_least_ppm)
            r->row.capacity_least_ppm = capacity_ppm;
    }
    out->more = !rollout_ended(r) && (r->ready_count > 0 || r->filling || !orders_room(out));
}

static void begin_step(struct rollout *r, struct rollout_actions *out)
{
    if (r->steps++ > 0) { /* The first step also gives out the rows of rollout_init(). */
        for (uint32_t i = 0; i < r->dirty_count; i++)
            r->arrays.links[r->arrays.dirty[i]].dirty = false;
        r->dirty_count = 0;
    }
    out->count = 0;
    out->decision_count = 0;
    out->more = false;
    out->refusal = ROLLOUT_ACCEPTED;
}

bool rollout_step(struct rollout *r, const struct rollout_event *event, struct rollout_actions *out)
{
    struct rollout_row before;
    memcpy(&before, &r->row, sizeof before);
    begin_step(r, out);
    if (event->time_ms > r->row.now_ms)
        r->row.now_ms = event->time_ms;
    const uint64_t last_ms = before.now_ms;
    if (rollout_ended(r)) {
        if (event->kind == ROLLOUT_PAUSE || event->kind == ROLLOUT_RESUME ||
            event->kind == ROLLOUT_ABORT)
            out->refusal = ROLLOUT_REFUSED_ENDED;
    } else {
        on_event(r, event, out, last_ms);
        advance(r, out);
    }
    before.now_ms = r->row.now_ms; /* The clock alone is no reason to write. */
    out->dirty_row = r->dirty_count > 0 || memcmp(&before, &r->row, sizeof before) != 0;
    out->dirty = r->arrays.dirty;
    out->dirty_count = r->dirty_count;
    out->wake_at_ms = wake_at(r, out->more);
    rollout_check(r, r->steps % RECOUNT_STEPS == 0);
    return out->dirty_row || out->count > 0 || out->decision_count > 0;
}

/* ---- Promises. ---- */

void rollout_check(const struct rollout *r, bool recount)
{
    ASSERT(r->in_flight <= r->max_unavailable);
    ASSERT(r->serving_milli <= r->weight_total_milli && r->checking_milli <= r->serving_milli);
    ASSERT(r->in_flight + r->ill <= r->spec->host_count);
    ASSERT(!rollout_ended(r) || (r->in_flight == 0 && r->phases[ROLLOUT_HOST_PENDING] == 0));
    if (r->spec->failure_domain && r->in_flight > 0) {
        const uint32_t zone = r->spec->hosts[r->in_flight_first].zone;
        ASSERT(r->arrays.zones[zone].taken == r->in_flight);
    }
    if (recount)
        ledger_check(r);
}

/* The word of `status`. */
const char *rollout_host_state(const struct rollout *r, uint32_t host)
{
    ASSERT(host < r->spec->host_count);
    const struct rollout_host *row = &r->arrays.hosts[host];
    const struct rollout_link *link = &r->arrays.links[host];
    switch (row->phase) {
    case ROLLOUT_HOST_DRAINING: return link->drained ? "drained" : "draining";
    case ROLLOUT_HOST_INSTALLING:
    case ROLLOUT_HOST_REBOOTING:
    case ROLLOUT_HOST_RETURNING:
    case ROLLOUT_HOST_READING: return "updating";
    case ROLLOUT_HOST_SETTLING:
    case ROLLOUT_HOST_RESTORING:
    case ROLLOUT_HOST_SOAKING: return "verifying";
    case ROLLOUT_HOST_QUARANTINED: return "quarantined";
    default: break;
    }
    if (r->spec->hosts[host].cordoned && link->drained)
        return "drained";
    return link->weight_milli > 0 ? "serving" : "down";
}
