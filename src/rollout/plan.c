#include "rollout/plan.h"

#include "base/check.h"
#include "base/slots.h"
#include "rollout/orders.h"

enum { OBSERVED_AT_ONCE = 64, PLAN_HOSTS_SHOWN = 200 };

void plan_times_defaults(struct plan_times *times)
{
    *times = (struct plan_times){.drain_ms = 5000, .install_ms = 30000, .reboot_ms = 60000};
}

/* ---- The ideal fleet. ---- */

struct ideal {
    const struct plan_request *request;
    struct rollout *r;
    struct rollout_actions *out;
    uint64_t now_ms;
};

static void step(struct ideal *ideal, struct rollout_event event)
{
    event.time_ms = ideal->now_ms;
    do {
        rollout_step(ideal->r, &event, ideal->out);
        event = (struct rollout_event){.kind = ROLLOUT_CONTINUE, .time_ms = ideal->now_ms};
    } while (ideal->out->more);
}

static void flush(struct ideal *ideal, const struct rollout_observation *seen, uint32_t count)
{
    step(ideal, (struct rollout_event){.kind = ROLLOUT_OBSERVE,
                                       .balancer_reachable = true,
                                       .observations = seen,
                                       .observation_count = count});
}

/* The balancer's view: all hosts once at the start, then those in flight. */
static void observe(struct ideal *ideal, bool all)
{
    const struct rollout *r = ideal->r;
    struct rollout_observation seen[OBSERVED_AT_ONCE];
    uint32_t count = 0;
    uint32_t host = all ? 0 : r->in_flight_first;
    while (host < r->spec->host_count) {
        const bool zero = r->arrays.hosts[host].weight_zero;
        seen[count++] = (struct rollout_observation){
            .host = host,
            .healthy = true,
            .drained = zero,
            .weight_milli = zero ? 0 : r->spec->hosts[host].weight * ROLLOUT_MILLI,
        };
        host = all ? host + 1 : r->arrays.links[host].next;
        if (count == OBSERVED_AT_ONCE && host < r->spec->host_count) {
            const uint32_t next = host;
            flush(ideal, seen, count);
            count = 0;
            host = next;
        }
    }
    flush(ideal, seen, count);
}

static uint64_t action_ms(const struct ideal *ideal, enum rollout_action_kind kind)
{
    switch (kind) {
    case ROLLOUT_INSTALL: return ideal->request->times.install_ms;
    case ROLLOUT_WAIT_BACK: return ideal->request->times.reboot_ms;
    default: return 0;
    }
}

static struct rollout_result success(const struct ideal *ideal, uint32_t host)
{
    const struct rollout_host *row = &ideal->r->arrays.hosts[host];
    const struct rollout_spec *spec = ideal->request->spec;
    struct rollout_result result = {.code = ROLLOUT_OK};
    const bool checking = row->phase == ROLLOUT_HOST_CHECKING;
    const bool named = spec->to_version != NULL && spec->to_version[0] != '\0';
    orders_text(result.facts.candidate, ROLLOUT_VERSION_MAX, named ? spec->to_version : "newest");
    orders_text(result.facts.version, ROLLOUT_VERSION_MAX, checking ? "" : row->version_wanted);
    orders_text(result.facts.boot_id, ROLLOUT_BOOT_ID_MAX,
                row->phase == ROLLOUT_HOST_RETURNING ? "after" : "before");
    result.facts.reboot_required = !checking;
    return result;
}

/* Ends the open action of every host in flight. False when there was none. */
static bool answer(struct ideal *ideal)
{
    const struct rollout *r = ideal->r;
    bool any = false;
    uint32_t host = r->in_flight_first;
    while (host != ROLLOUT_NO_HOST) {
        const uint32_t next = r->arrays.links[host].next;
        const struct rollout_open *open = &r->arrays.hosts[host].open;
        if (open->id != 0) {
            const uint64_t at_ms = open->ordered_ms + action_ms(ideal, open->kind);
            if (at_ms > ideal->now_ms)
                ideal->now_ms = at_ms;
            step(ideal, (struct rollout_event){.kind = ROLLOUT_ACTION_DONE,
                                               .host = host,
                                               .action_id = open->id,
                                               .result = success(ideal, host)});
            any = true;
        }
        host = next;
    }
    return any;
}

/* How long hosts in flight wait for the balancer's next news, by the phase of the first. */
static uint64_t wait_ms(const struct ideal *ideal)
{
    const struct rollout *r = ideal->r;
    const struct rollout_spec *spec = r->spec;
    const struct rollout_host *row = &r->arrays.hosts[r->in_flight_first];
    switch (row->phase) {
    case ROLLOUT_HOST_DRAINING:
        return ideal->request->times.drain_ms < spec->drain_timeout_ms
                   ? ideal->request->times.drain_ms
                   : spec->drain_timeout_ms;
    case ROLLOUT_HOST_SETTLING: return row->healthy_since_ms == 0 ? 0 : spec->min_ready_ms;
    case ROLLOUT_HOST_RESTORING: return spec->slow_start_ms;
    case ROLLOUT_HOST_SOAKING: return spec->soak_ms;
    default: UNREACHABLE(); /* The others wait for an action. */
    }
}

static void run_ideal(struct ideal *ideal)
{
    step(ideal, (struct rollout_event){.kind = ROLLOUT_START});
    if (rollout_ended(ideal->r))
        return;
    ideal->now_ms++;
    observe(ideal, true);
    while (!rollout_ended(ideal->r)) {
        ASSERT(ideal->r->in_flight > 0); /* Nothing stands in the way of an ideal fleet. */
        if (answer(ideal))
            continue;
        const uint64_t ms = wait_ms(ideal);
        ideal->now_ms += ms > 0 ? ms : 1;
        observe(ideal, false);
    }
}

/* ---- Figures. ---- */

static uint32_t share_of(uint32_t hosts, uint32_t ppm)
{
    const uint64_t count = (uint64_t)hosts * ppm / ROLLOUT_PPM;
    return count == 0 ? 1 : (uint32_t)count;
}

static double load_of(const struct plan_warm *warm, uint32_t cold, uint32_t hosts)
{
    const double share = (double)cold / hosts;
    if (warm->hit_ratio_ppm == 0)
        return share; /* Of all requests, those that meet a cold cache. */
    const double hit = (double)warm->hit_ratio_ppm / ROLLOUT_PPM;
    return hit < 1 ? share * hit / (1 - hit) : share;
}

static void pace_by_warmth(struct plan *plan, const struct rollout_arrays *arrays)
{
    const struct plan_warm *warm = &plan->request->warm;
    const struct rollout_spec *spec = plan->request->spec;
    uint32_t warming = spec->host_count;
    if (warm->cold_max_ppm > 0)
        warming = share_of(spec->host_count, warm->cold_max_ppm);
    if (warm->backend_load_max_ppm > 0 && warm->hit_ratio_ppm > 0 &&
        warm->hit_ratio_ppm < ROLLOUT_PPM) {
        const uint64_t miss_ppm = ROLLOUT_PPM - warm->hit_ratio_ppm;
        const uint64_t ppm = warm->backend_load_max_ppm * miss_ppm / warm->hit_ratio_ppm;
        const uint32_t by_load =
            share_of(spec->host_count, ppm < ROLLOUT_PPM ? (uint32_t)ppm : ROLLOUT_PPM);
        warming = by_load < warming ? by_load : warming;
    }
    const double verify_s = ((double)spec->min_ready_ms + spec->soak_ms) / 1000;
    plan->warming_max = warming;
    plan->batch_count = plan->host_count;
    plan->interval_s = (double)warm->time_ms / 1000 / warming;
    plan->duration_s = plan->interval_s * plan->host_count;
    plan->settled_s = plan->duration_s + (double)warm->time_ms / 1000 + verify_s;
    plan->peak_extra_load = load_of(warm, warming, spec->host_count);
    if (plan->request->standby_count > 0)
        plan->lowest_capacity = 1; /* A substitute serves before its host goes. */
    uint32_t swap = 0;
    for (uint32_t host = 0; host < spec->host_count; host++)
        arrays->hosts[host].batch = spec->hosts[host].chosen ? ++swap : 0;
}

/* Sorts the hosts by batch, stably, by counting; the engine's queues are free by now. */
static void put_in_order(struct plan *plan, const struct rollout_arrays *arrays)
{
    const uint32_t count = plan->request->spec->host_count;
    uint32_t *place = arrays->timers;
    for (uint32_t batch = 0; batch < plan->batch_count; batch++)
        place[batch] = 0;
    for (uint32_t host = 0; host < count; host++) {
        if (arrays->hosts[host].batch > 0)
            place[arrays->hosts[host].batch - 1]++;
    }
    uint32_t next = 0;
    for (uint32_t batch = 0; batch < plan->batch_count; batch++) {
        const uint32_t size = place[batch];
        place[batch] = next;
        next += size;
    }
    ASSERT(next == plan->host_count);
    for (uint32_t host = 0; host < count; host++) {
        if (arrays->hosts[host].batch > 0)
            arrays->ready[place[arrays->hosts[host].batch - 1]++] = host;
    }
    plan->order = arrays->ready;
}

static void pace_by_batches(struct plan *plan, const struct rollout *engine)
{
    plan->duration_s = (double)(engine->row.ended_ms - engine->row.started_ms) / 1000;
    plan->settled_s = plan->duration_s;
    plan->interval_s = plan->duration_s / plan->batch_count;
    if (plan->lowest_capacity > 0)
        plan->peak_extra_load = 1 / plan->lowest_capacity - 1;
}

void plan_make(struct plan *plan, const struct plan_request *request, struct rollout_arrays arrays,
               struct rollout *engine, struct rollout_actions *scratch)
{
    *plan = (struct plan){.request = request, .hosts = arrays.hosts, .lowest_capacity = 1};
    plan->refused = rollout_refused(request->spec, &plan->why);
    if (plan->refused)
        return;
    struct ideal ideal = {.request = request, .r = engine, .out = scratch, .now_ms = 1};
    rollout_init(engine, request->spec, arrays);
    run_ideal(&ideal);
    ASSERT(engine->row.phase == ROLLOUT_DONE);
    plan->host_count = engine->chosen;
    plan->batch_count = engine->row.batch;
    plan->lowest_capacity = (double)engine->row.capacity_least_ppm / ROLLOUT_PPM;
    if (!request->spec->install || request->spec->reboot != ROLLOUT_REBOOT_NEVER)
        plan->reboots_max = plan->host_count;
    if (plan->host_count == 0)
        return;
    if (request->warm.time_ms > 0)
        pace_by_warmth(plan, &arrays);
    else
        pace_by_batches(plan, engine);
    put_in_order(plan, &arrays);
}

/* ---- As JSON. ---- */

static void json_batches(const struct plan *plan, struct writer *json)
{
    const struct rollout_spec *spec = plan->request->spec;
    writer_array(json, "batches");
    for (uint32_t i = 0; i < plan->host_count; i++) {
        const uint32_t batch = plan->hosts[plan->order[i]].batch;
        if (i == 0 || plan->hosts[plan->order[i - 1]].batch != batch)
            writer_array(json, NULL);
        writer_string(json, NULL, spec->hosts[plan->order[i]].name);
        if (i + 1 == plan->host_count || plan->hosts[plan->order[i + 1]].batch != batch)
            writer_end(json);
    }
    writer_end(json);
}

static uint64_t weight_sum(const struct rollout_spec *spec)
{
    uint64_t sum = 0;
    for (uint32_t host = 0; host < spec->host_count; host++)
        sum += spec->hosts[host].weight;
    return sum;
}

static void json_slots(const struct plan *plan, struct writer *json)
{
    const struct rollout_spec *spec = plan->request->spec;
    const uint64_t sum = weight_sum(spec);
    writer_array(json, "slots");
    uint64_t before = 0;
    for (uint32_t host = 0; plan->request->keyed && host < spec->host_count; host++) {
        const uint32_t first = slots_first(before, sum);
        before += spec->hosts[host].weight;
        const uint32_t end = slots_first(before, sum);
        if (first == end)
            continue; /* Too light for a slot. */
        writer_object(json, NULL);
        writer_string(json, "host", spec->hosts[host].name);
        writer_u64(json, "first", first);
        writer_u64(json, "last", end - 1);
        writer_end(json);
    }
    writer_end(json);
}

static void json_actions(const struct plan *plan, struct writer *json)
{
    const uint32_t hosts = plan->host_count;
    writer_object(json, "actions");
    writer_u64(json, "drain", hosts);
    writer_u64(json, "install", plan->request->spec->install ? hosts : 0);
    writer_u64(json, "reboot_at_most", plan->reboots_max);
    writer_u64(json, "restore", hosts);
    writer_end(json);
}

void plan_json(const struct plan *plan, struct writer *json)
{
    const struct rollout_spec *spec = plan->request->spec;
    writer_string(json, "tier", spec->tier);
    writer_u64(json, "hosts", spec->host_count);
    if (plan->refused) {
        char why[ROLLOUT_TEXT_MAX];
        rollout_narrate(&plan->why, spec, why, sizeof why);
        writer_string(json, "refused", why);
        return;
    }
    json_batches(plan, json);
    writer_double(json, "interval_s", plan->interval_s);
    writer_u64(json, "warming_max", plan->warming_max);
    writer_double(json, "duration_s", plan->duration_s);
    writer_double(json, "settled_s", plan->settled_s);
    writer_double(json, "lowest_capacity", plan->lowest_capacity);
    writer_double(json, "peak_extra_load", plan->peak_extra_load);
    json_slots(plan, json);
    json_actions(plan, json);
}

/* ---- For people. ---- */

static void print_time(struct text *text, double seconds)
{
    if (seconds < 120)
        text_format(text, "%.1f s", seconds);
    else if (seconds < 7200)
        text_format(text, "%.0f min", seconds / 60);
    else
        text_format(text, "%.1f h", seconds / 3600);
}

static void print_batches(const struct plan *plan, struct text *text)
{
    const struct rollout_spec *spec = plan->request->spec;
    const uint32_t shown =
        plan->host_count < PLAN_HOSTS_SHOWN ? plan->host_count : PLAN_HOSTS_SHOWN;
    uint32_t last = 0;
    for (uint32_t i = 0; i < shown; i++) {
        const uint32_t host = plan->order[i];
        if (plan->hosts[host].batch != last) {
            last = plan->hosts[host].batch;
            text_format(text, "%s  batch %u:", i > 0 ? "\n" : "", last);
        }
        text_format(text, " %s", spec->hosts[host].name);
        if (spec->zone_count > 0)
            text_format(text, " (%s)", spec->zones[spec->hosts[host].zone]);
    }
    text_add(text, "\n");
    if (shown < plan->host_count)
        text_format(text, "  ... and %u more hosts in all of %u batches\n",
                    plan->host_count - shown, plan->batch_count);
}

static void print_warmth(const struct plan *plan, struct text *text)
{
    const struct rollout_spec *spec = plan->request->spec;
    text_format(text, "  one host every %.1f s, at most %u of %u caches warming up at once\n",
                plan->interval_s, plan->warming_max, spec->host_count);
    text_add(text, "  swaps take ");
    print_time(text, plan->duration_s);
    text_add(text, "; the last host is warm and verified after ");
    print_time(text, plan->settled_s);
    if (plan->request->warm.hit_ratio_ppm > 0)
        text_format(text, "\n  extra load of the back end: at most %.1f %%\n",
                    plan->peak_extra_load * 100);
    else
        text_format(text,
                    "\n  up to %.1f %% of the requests meet a cold cache; what that adds to the "
                    "back end's load takes warm.hit_ratio to say\n",
                    plan->peak_extra_load * 100);
}

void plan_print(const struct plan *plan, struct text *text)
{
    const struct rollout_spec *spec = plan->request->spec;
    if (plan->refused) {
        char why[ROLLOUT_TEXT_MAX];
        rollout_narrate(&plan->why, spec, why, sizeof why);
        text_format(text, "%s: would be refused: %s\n", spec->tier, why);
        return;
    }
    text_format(text, "%s: %u of %u hosts, %u batches\n", spec->tier, plan->host_count,
                spec->host_count, plan->batch_count);
    if (plan->host_count == 0)
        return;
    if (plan->warming_max > 0) {
        print_warmth(plan, text);
    } else {
        print_batches(plan, text);
        text_add(text, "  about ");
        print_time(text, plan->duration_s);
        text_format(text, ", if drains take %.0f s, installations %.0f s and reboots %.0f s\n",
                    plan->request->times.drain_ms / 1000.0,
                    plan->request->times.install_ms / 1000.0,
                    plan->request->times.reboot_ms / 1000.0);
        text_format(text, "  the hosts that serve on carry up to %.1f %% more\n",
                    plan->peak_extra_load * 100);
    }
    text_format(text, "  lowest serving capacity %.1f %%, floor %.1f %%\n",
                plan->lowest_capacity * 100, rollout_floor_ppm(spec) / 10000.0);
    text_format(text, "  each host: drain, %sverify, restore; at most %u reboots\n",
                spec->install ? "install, " : "", plan->reboots_max);
}
