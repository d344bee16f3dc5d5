#include "rollout/ledger.h"

#include "base/check.h"

#include <string.h>

enum { NONE = 0 }; /* links[].list; other lists are 1 + 2 * zone (well), 2 + 2 * zone (ill). */

static const uint32_t IN_FLIGHT_LIST = UINT32_MAX;

bool ledger_in_flight(enum rollout_host_phase phase)
{
    return phase > ROLLOUT_HOST_PENDING && phase < ROLLOUT_HOST_VERIFIED_NEW;
}

bool ledger_ill(const struct rollout *r, uint32_t host)
{
    return !ledger_in_flight(r->arrays.hosts[host].phase) &&
           r->arrays.links[host].weight_milli == 0;
}

/* We keep it at weight 0. One that we are done with is an operator's to restore. */
static bool held_at_zero(const struct rollout_host *row)
{
    return row->weight_zero && ledger_in_flight(row->phase);
}

static uint32_t zone_of(const struct rollout *r, uint32_t host)
{
    return r->spec->failure_domain ? r->spec->hosts[host].zone : 0;
}

static uint32_t zones_used(const struct rollout_spec *spec)
{
    return spec->failure_domain ? spec->zone_count : 1;
}

void ledger_dirty(struct rollout *r, uint32_t host)
{
    struct rollout_link *link = &r->arrays.links[host];
    if (link->dirty)
        return;
    ASSERT(r->dirty_count < r->spec->host_count);
    link->dirty = true;
    r->arrays.dirty[r->dirty_count++] = host;
}

/* ---- Lists. ---- */

static uint32_t list_of(const struct rollout *r, uint32_t host)
{
    const enum rollout_host_phase phase = r->arrays.hosts[host].phase;
    if (ledger_in_flight(phase))
        return IN_FLIGHT_LIST;
    if (phase != ROLLOUT_HOST_PENDING)
        return NONE;
    return 1 + 2 * zone_of(r, host) + (r->arrays.links[host].weight_milli == 0 ? 1 : 0);
}

static void list_ends(struct rollout *r, uint32_t list, uint32_t **first, uint32_t **last)
{
    if (list == IN_FLIGHT_LIST) {
        *first = &r->in_flight_first;
        *last = &r->in_flight_last;
        return;
    }
    struct rollout_zone *zone = &r->arrays.zones[(list - 1) / 2];
    const bool ill = (list - 1) % 2 == 1;
    *first = ill ? &zone->ill : &zone->well;
    *last = ill ? &zone->ill_last : &zone->well_last;
}

static void list_remove(struct rollout *r, uint32_t host)
{
    struct rollout_link *link = &r->arrays.links[host];
    if (link->list == NONE)
        return;
    uint32_t *first;
    uint32_t *last;
    list_ends(r, link->list, &first, &last);
    if (link->previous == ROLLOUT_NO_HOST)
        *first = link->next;
    else
        r->arrays.links[link->previous].next = link->next;
    if (link->next == ROLLOUT_NO_HOST)
        *last = link->previous;
    else
        r->arrays.links[link->next].previous = link->previous;
    link->list = NONE;
}

/*
 * Hosts are taken in the order of the config: a host that comes back to a list (given back, or well
 * again) goes to its front if it precedes the first, else to its end.
 */
static void list_insert(struct rollout *r, uint32_t host, uint32_t list)
{
    struct rollout_link *link = &r->arrays.links[host];
    ASSERT(link->list == NONE);
    link->list = list;
    link->next = ROLLOUT_NO_HOST;
    link->previous = ROLLOUT_NO_HOST;
    if (list == NONE)
        return;
    uint32_t *first;
    uint32_t *last;
    list_ends(r, list, &first, &last);
    if (*first == ROLLOUT_NO_HOST) {
        *first = *last = host;
    } else if (host < *first) {
        link->next = *first;
        r->arrays.links[*first].previous = host;
        *first = host;
    } else {
        link->previous = *last;
        r->arrays.links[*last].next = host;
        *last = host;
    }
}

/* ---- Counting. A host leaves the books, changes, and enters them again. ---- */

static void books_leave(struct rollout *r, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    const struct rollout_link *link = &r->arrays.links[host];
    struct rollout_zone *zone = &r->arrays.zones[zone_of(r, host)];
    const bool taken = ledger_in_flight(row->phase);
    const bool ill = ledger_ill(r, host);
    r->phases[row->phase]--;
    r->serving_milli -= link->weight_milli;
    if (row->phase == ROLLOUT_HOST_CHECKING)
        r->checking_milli -= link->weight_milli;
    r->in_flight -= taken;
    zone->taken -= taken;
    r->ill -= ill;
    r->ill_new -= ill && !link->ill_known;
    zone->ill_new -= ill && !link->ill_known;
    r->late -= taken && row->drain_late;
    r->arrays.groups[r->spec->hosts[host].group] -= taken || ill;
}

static void books_enter(struct rollout *r, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    const struct rollout_link *link = &r->arrays.links[host];
    struct rollout_zone *zone = &r->arrays.zones[zone_of(r, host)];
    const bool taken = ledger_in_flight(row->phase);
    const bool ill = ledger_ill(r, host);
    r->phases[row->phase]++;
    r->serving_milli += link->weight_milli;
    if (row->phase == ROLLOUT_HOST_CHECKING)
        r->checking_milli += link->weight_milli;
    r->in_flight += taken;
    zone->taken += taken;
    r->ill += ill;
    r->ill_new += ill && !link->ill_known;
    zone->ill_new += ill && !link->ill_known;
    r->late += taken && row->drain_late;
    r->arrays.groups[r->spec->hosts[host].group] += taken || ill;
    const uint32_t list = list_of(r, host);
    if (list != link->list) {
        list_remove(r, host);
        list_insert(r, host, list);
    }
}

void ledger_phase(struct rollout *r, uint32_t host, enum rollout_host_phase phase)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    ASSERT(row->open.id == 0);
    books_leave(r, host);
    row->phase = phase;
    row->since_ms = r->row.now_ms;
    row->deadline_ms = ROLLOUT_NEVER_MS;
    row->drain_late = false;
    books_enter(r, host);
    ledger_dirty(r, host);
}

void ledger_drain_late(struct rollout *r, uint32_t host, bool late)
{
    ASSERT(r->arrays.hosts[host].phase == ROLLOUT_HOST_DRAINING);
    books_leave(r, host);
    r->arrays.hosts[host].drain_late = late;
    books_enter(r, host);
    ledger_dirty(r, host);
}

void ledger_weight_zero(struct rollout *r, uint32_t host)
{
    books_leave(r, host);
    r->arrays.links[host].weight_milli = 0;
    books_enter(r, host);
}

void ledger_given_back(struct rollout *r, uint32_t host)
{
    books_leave(r, host);
    r->arrays.links[host].ill_known = true;
    books_enter(r, host);
}

void ledger_ill_known(struct rollout *r)
{
    for (uint32_t host = 0; host < r->spec->host_count; host++) {
        if (!ledger_ill(r, host))
            continue;
        books_leave(r, host);
        r->arrays.links[host].ill_known = true;
        books_enter(r, host);
        if (r->arrays.hosts[host].ill_said) {
            r->arrays.hosts[host].ill_said = false;
            ledger_dirty(r, host);
        }
    }
}

/* ---- Observations. ---- */

/* What was added to a cumulative counter; it starts anew when the balancer restarts. */
static uint64_t increase(uint64_t from, uint64_t to)
{
    return to >= from ? to - from : to;
}

static void book_traffic(struct rollout *r, uint32_t host, const struct rollout_counts *delta)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    struct rollout_link *link = &r->arrays.links[host];
    struct rollout_counts *into = NULL;
    switch (row->phase) {
    case ROLLOUT_HOST_PENDING:
    case ROLLOUT_HOST_CHECKING:
    case ROLLOUT_HOST_UNTOUCHED:
        link->record.requests += delta->requests;
        link->record.failures += delta->failures;
        into = &r->old_counts;
        break;
    case ROLLOUT_HOST_VERIFIED_NEW: into = &r->new_counts; break;
    case ROLLOUT_HOST_RESTORING:
    case ROLLOUT_HOST_SOAKING:
        if (row->open.id == 0)
            into = &row->window;
        break;
    default: break;
    }
    if (into == NULL)
        return;
    into->requests += delta->requests;
    into->failures += delta->failures;
}

void ledger_compare(struct rollout *r, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    const struct rollout_link *link = &r->arrays.links[host];
    row->compare.requests = r->old_counts.requests - link->compare_base.requests;
    row->compare.failures = r->old_counts.failures - link->compare_base.failures;
    row->peers.requests = r->new_counts.requests - link->peers_base.requests;
    row->peers.failures = r->new_counts.failures - link->peers_base.failures;
}

static bool in_window(const struct rollout_host *row)
{
    return (row->phase == ROLLOUT_HOST_RESTORING || row->phase == ROLLOUT_HOST_SOAKING) &&
           row->open.id == 0;
}

bool ledger_observe(struct rollout *r, const struct rollout_observation *seen, uint64_t asked_ms)
{
    ASSERT(seen->host < r->spec->host_count);
    struct rollout_host *row = &r->arrays.hosts[seen->host];
    struct rollout_link *link = &r->arrays.links[seen->host];
    if (link->seen && (asked_ms <= row->acked_ms || asked_ms < link->seen_ms))
        return false; /* It crossed an order, or a later answer, on its way. */
    struct rollout_counts delta = {0};
    if (link->seen) {
        delta.requests = increase(link->last.requests, seen->requests);
        delta.failures = increase(link->last.failures, seen->failures);
    }
    if (delta.failures > delta.requests) /* Counted at different moments of a request's life. */
        delta.failures = delta.requests;
    link->last = (struct rollout_counts){seen->requests, seen->failures};
    book_traffic(r, seen->host, &delta);

    const uint32_t full_milli = r->spec->hosts[seen->host].weight * ROLLOUT_MILLI;
    uint32_t weight_milli = seen->healthy && !held_at_zero(row) ? seen->weight_milli : 0;
    if (weight_milli > full_milli)
        weight_milli = full_milli;
    const bool first = !link->seen;
    const bool fell_ill = link->weight_milli > 0 && weight_milli == 0;
    books_leave(r, seen->host);
    link->weight_milli = weight_milli;
    if (weight_milli > 0)
        link->ill_known = false;
    else if (first)
        link->ill_known = !row->ill_said;
    link->seen = true;
    books_enter(r, seen->host);
    r->seen += first;
    link->healthy = seen->healthy;
    link->drained = seen->drained;
    link->in_flight = seen->in_flight;
    link->seen_ms = asked_ms;
    if (in_window(row))
        ledger_dirty(r, seen->host);
    return ledger_in_flight(row->phase) || (fell_ill && !first);
}

bool ledger_observed_since(const struct rollout *r, uint32_t host, uint64_t since_ms)
{
    const struct rollout_link *link = &r->arrays.links[host];
    return link->seen && link->seen_ms > since_ms;
}

void ledger_window_begin(struct rollout *r, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    struct rollout_link *link = &r->arrays.links[host];
    link->compare_base = r->old_counts;
    link->peers_base = r->new_counts;
    row->window = row->compare = row->peers = (struct rollout_counts){0};
    row->looks = 0;
    ledger_dirty(r, host);
}

/* ---- Who has to be looked at. ---- */

void ledger_ready(struct rollout *r, uint32_t host)
{
    struct rollout_link *link = &r->arrays.links[host];
    if (link->ready)
        return;
    ASSERT(r->ready_count < r->spec->host_count);
    link->ready = true;
    const uint32_t place =
        (uint32_t)(((uint64_t)r->ready_first + r->ready_count) % r->spec->host_count);
    r->arrays.ready[place] = host;
    r->ready_count++;
}

uint32_t ledger_ready_take(struct rollout *r)
{
    if (r->ready_count == 0)
        return ROLLOUT_NO_HOST;
    const uint32_t host = r->arrays.ready[r->ready_first];
    ASSERT(r->arrays.links[host].ready);
    r->arrays.links[host].ready = false;
    r->ready_first = (r->ready_first + 1) % r->spec->host_count;
    r->ready_count--;
    return host;
}

/* ---- Timers: a binary heap of hosts (Williams 1964), the earliest at place 0. ---- */

static void heap_put(struct rollout *r, uint32_t place, uint32_t host)
{
    r->arrays.timers[place] = host;
    r->arrays.links[host].timer = place;
}

static uint64_t heap_key(const struct rollout *r, uint32_t place)
{
    return r->arrays.links[r->arrays.timers[place]].timer_ms;
}

static void heap_settle(struct rollout *r, uint32_t place)
{
    const uint32_t host = r->arrays.timers[place];
    const uint64_t key = r->arrays.links[host].timer_ms;
    while (place > 0 && key < heap_key(r, (place - 1) / 2)) {
        heap_put(r, place, r->arrays.timers[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= r->timer_count)
            break;
        if (child + 1 < r->timer_count && heap_key(r, child + 1) < heap_key(r, child))
            child++;
        if (key <= heap_key(r, child))
            break;
        heap_put(r, place, r->arrays.timers[child]);
        place = child;
    }
    heap_put(r, place, host);
}

static void heap_remove(struct rollout *r, uint32_t place)
{
    ASSERT(place < r->timer_count);
    r->arrays.links[r->arrays.timers[place]].timer = ROLLOUT_NO_HOST;
    const uint32_t last = r->arrays.timers[--r->timer_count];
    if (place == r->timer_count)
        return;
    heap_put(r, place, last);
    heap_settle(r, place);
}

void ledger_timer(struct rollout *r, uint32_t host, uint64_t at_ms)
{
    struct rollout_link *link = &r->arrays.links[host];
    if (at_ms == ROLLOUT_NEVER_MS) {
        if (link->timer != ROLLOUT_NO_HOST)
            heap_remove(r, link->timer);
        return;
    }
    link->timer_ms = at_ms;
    if (link->timer == ROLLOUT_NO_HOST)
        heap_put(r, r->timer_count++, host);
    heap_settle(r, link->timer);
}

uint64_t ledger_timer_next(const struct rollout *r)
{
    return r->timer_count == 0 ? ROLLOUT_NEVER_MS : heap_key(r, 0);
}

void ledger_timers_ring(struct rollout *r)
{
    while (r->timer_count > 0 && heap_key(r, 0) <= r->row.now_ms) {
        const uint32_t host = r->arrays.timers[0];
        heap_remove(r, 0);
        ledger_ready(r, host);
    }
}

/* ---- Building and proving. ---- */

void ledger_build(struct rollout *r)
{
    const struct rollout_spec *spec = r->spec;
    for (uint32_t zone = 0; zone < zones_used(spec); zone++) {
        r->arrays.zones[zone] = (struct rollout_zone){.well = ROLLOUT_NO_HOST,
                                                      .well_last = ROLLOUT_NO_HOST,
                                                      .ill = ROLLOUT_NO_HOST,
                                                      .ill_last = ROLLOUT_NO_HOST};
    }
    memset(r->arrays.groups, 0, ((size_t)spec->group_count + 1) * sizeof *r->arrays.groups);
    r->in_flight_first = r->in_flight_last = ROLLOUT_NO_HOST;
    for (uint32_t host = 0; host < spec->host_count; host++) {
        const struct rollout_host *row = &r->arrays.hosts[host];
        ASSERT(zone_of(r, host) < zones_used(spec) && spec->hosts[host].group <= spec->group_count);
        r->arrays.links[host] = (struct rollout_link){
            .list = NONE,
            .timer = ROLLOUT_NO_HOST,
            .ill_known = !row->ill_said,
            /* So that accumulator - base is what the row has counted already (modulo 2^64). */
            .compare_base = {0 - row->compare.requests, 0 - row->compare.failures},
            .peers_base = {0 - row->peers.requests, 0 - row->peers.failures},
            .record = row->before,
        };
        books_enter(r, host);
    }
}

static uint32_t list_length(const struct rollout *r, uint32_t first, uint32_t last, uint32_t list)
{
    uint32_t length = 0;
    uint32_t previous = ROLLOUT_NO_HOST;
    for (uint32_t host = first; host != ROLLOUT_NO_HOST; host = r->arrays.links[host].next) {
        ASSERT(r->arrays.links[host].list == list && r->arrays.links[host].previous == previous);
        ASSERT(list_of(r, host) == list);
        previous = host;
        length++;
        ASSERT(length <= r->spec->host_count);
    }
    ASSERT(last == previous);
    return length;
}

static void check_lists(const struct rollout *r)
{
    uint32_t pending = 0;
    for (uint32_t zone = 0; zone < zones_used(r->spec); zone++) {
        const struct rollout_zone *z = &r->arrays.zones[zone];
        pending += list_length(r, z->well, z->well_last, 1 + 2 * zone);
        pending += list_length(r, z->ill, z->ill_last, 2 + 2 * zone);
    }
    ASSERT(pending == r->phases[ROLLOUT_HOST_PENDING]);
    ASSERT(list_length(r, r->in_flight_first, r->in_flight_last, IN_FLIGHT_LIST) == r->in_flight);
    for (uint32_t place = 0; place < r->timer_count; place++) {
        ASSERT(r->arrays.links[r->arrays.timers[place]].timer == place);
        ASSERT(place == 0 || heap_key(r, (place - 1) / 2) <= heap_key(r, place));
    }
}

void ledger_check(const struct rollout *r)
{
    uint32_t phases[ROLLOUT_HOST_PHASES] = {0};
    uint64_t serving_milli = 0;
    uint64_t checking_milli = 0;
    uint32_t in_flight = 0;
    uint32_t ill = 0;
    uint32_t ill_new = 0;
    uint32_t seen = 0;
    uint32_t late = 0;
    uint32_t dirty = 0;
    uint32_t ready = 0;
    for (uint32_t host = 0; host < r->spec->host_count; host++) {
        const struct rollout_host *row = &r->arrays.hosts[host];
        const struct rollout_link *link = &r->arrays.links[host];
        const bool taken = ledger_in_flight(row->phase);
        phases[row->phase]++;
        serving_milli += link->weight_milli;
        checking_milli += row->phase == ROLLOUT_HOST_CHECKING ? link->weight_milli : 0;
        in_flight += taken;
        ill += ledger_ill(r, host);
        ill_new += ledger_ill(r, host) && !link->ill_known;
        seen += link->seen;
        late += taken && row->drain_late;
        dirty += link->dirty;
        ready += link->ready;
        ASSERT(taken || row->open.id == 0);
        ASSERT(!held_at_zero(row) || link->weight_milli == 0);
    }
    ASSERT(memcmp(phases, r->phases, sizeof phases) == 0);
    ASSERT(serving_milli == r->serving_milli && checking_milli == r->checking_milli);
    ASSERT(in_flight == r->in_flight && ill == r->ill && ill_new == r->ill_new);
    ASSERT(seen == r->seen && late == r->late);
    ASSERT(dirty == r->dirty_count && ready == r->ready_count);
    check_lists(r);
}
