#include "balance/pick.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Virtual time between two turns of a host of weight 1 (a thousandth of a configured one). */
#define STRIDE_ONE (1ULL << 40)
/* Virtual time is set back before it could wrap. */
#define TURN_MAX (1ULL << 62)
/* More in flight on one host than any limit of connections lets through. */
#define IN_FLIGHT_MAX (1U << 22)

struct pick_host {
    uint64_t turn; /* Virtual time of its next turn. */
    uint64_t stride;
    uint32_t weight;
    uint32_t in_flight;
    uint32_t place; /* Index in the heap + 1; 0 when not in it. */
    uint32_t rank;  /* Breaks ties. */
};

static bool uses_heap(const struct pick *pick)
{
    return pick->policy == PICK_ROUND_ROBIN || pick->policy == PICK_LEAST_REQUESTS;
}

/* What a host would carry for its weight with one more request; an idle one carries nothing. */
static uint64_t load_of(const struct pick_host *host)
{
    return host->in_flight == 0 ? 0 : (host->in_flight + 1) * host->stride;
}

static bool before(const struct pick *pick, uint32_t a, uint32_t b)
{
    const struct pick_host *x = &pick->hosts[a];
    const struct pick_host *y = &pick->hosts[b];
    if (pick->policy == PICK_LEAST_REQUESTS) {
        const uint64_t load_x = load_of(x);
        const uint64_t load_y = load_of(y);
        if (load_x != load_y)
            return load_x < load_y;
    }
    return x->turn != y->turn ? x->turn < y->turn : x->rank < y->rank;
}

static void put(struct pick *pick, uint32_t index, uint32_t host)
{
    pick->heap[index] = host;
    pick->hosts[host].place = index + 1;
}

/* Moves a host whose key changed to where it belongs. */
static void sift(struct pick *pick, uint32_t index)
{
    const uint32_t host = pick->heap[index];
    while (index > 0 && before(pick, host, pick->heap[(index - 1) / 2])) {
        put(pick, index, pick->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= pick->pickable)
            break;
        if (child + 1 < pick->pickable && before(pick, pick->heap[child + 1], pick->heap[child]))
            child++;
        if (!before(pick, pick->heap[child], host))
            break;
        put(pick, index, pick->heap[child]);
        index = child;
    }
    put(pick, index, host);
}

static void heap_put(struct pick *pick, uint32_t host)
{
    ASSERT(pick->hosts[host].place == 0);
    put(pick, pick->pickable, host);
    sift(pick, pick->pickable++);
}

static void heap_take(struct pick *pick, uint32_t host)
{
    const uint32_t index = pick->hosts[host].place - 1;
    ASSERT(index < pick->pickable && pick->heap[index] == host);
    const uint32_t last = pick->heap[--pick->pickable];
    pick->hosts[host].place = 0;
    if (last == host)
        return;
    put(pick, index, last);
    sift(pick, index);
}

/* Fenwick tree: sums[i] holds the weights of the hosts i - (i & -i) .. i - 1. */
static void sums_add(struct pick *pick, uint32_t host, uint64_t more)
{
    for (uint32_t i = host + 1; i <= pick->count; i += i & (0U - i))
        pick->sums[i] += more; /* Modulo 2^64: a negative change is its complement. */
    pick->weight_sum += more;
}

/* The host in whose stretch of the summed weights `at` lies. */
static uint32_t sums_find(const struct pick *pick, uint64_t at)
{
    ASSERT(at < pick->weight_sum);
    uint32_t step = 1;
    while (step <= pick->count / 2)
        step *= 2;
    uint32_t host = 0;
    for (; step > 0; step /= 2) {
        if (host + step <= pick->count && pick->sums[host + step] <= at) {
            host += step;
            at -= pick->sums[host];
        }
    }
    ASSERT(host < pick->count && pick->hosts[host].weight > 0);
    return host;
}

/* Uniform in [0, bound): the bias of the remainder is below 2^-26 for any sum of weights. */
static uint64_t draw_below(struct pick *pick, uint64_t bound)
{
    return random_u64(&pick->random) % bound;
}

bool pick_init(struct pick *pick, enum pick_policy policy, uint32_t host_count, uint64_t seed)
{
    ASSERT(host_count > 0 && host_count <= PICK_HOSTS_MAX);
    *pick = (struct pick){.policy = policy, .count = host_count};
    random_init(&pick->random, seed);
    pick->hosts = calloc(host_count, sizeof *pick->hosts);
    if (uses_heap(pick))
        pick->heap = calloc(host_count, sizeof *pick->heap);
    else
        pick->sums = calloc(host_count + 1, sizeof *pick->sums);
    if (pick->hosts == NULL || (pick->heap == NULL && pick->sums == NULL)) {
        pick_done(pick);
        return false;
    }
    const uint32_t start = random_below(&pick->random, host_count);
    for (uint32_t i = 0; i < host_count; i++)
        pick->hosts[i].rank = (i + host_count - start) % host_count;
    return true;
}

void pick_done(struct pick *pick)
{
    free(pick->hosts);
    free(pick->heap);
    free(pick->sums);
    *pick = (struct pick){0};
}

/*
 * A host that gets weight waits one stride for its first turn; one whose weight changes keeps the
 * part of its stride that is left (Waldspurger and Weihl, section 3.2).
 */
static void set_turn(struct pick *pick, struct pick_host *host, uint32_t weight)
{
    uint64_t left = STRIDE_ONE / weight;
    if (host->weight > 0) /* At most a stride is left: the product fits. */
        left = host->turn <= pick->turn_now ? 0
                                            : (host->turn - pick->turn_now) * host->weight / weight;
    host->turn = pick->turn_now + left;
    host->stride = STRIDE_ONE / weight;
}

void pick_set_weight(struct pick *pick, uint32_t index, uint32_t weight)
{
    ASSERT(index < pick->count && weight <= PICK_WEIGHT_MAX);
    struct pick_host *host = &pick->hosts[index];
    if (host->weight == weight)
        return;
    const uint32_t former = host->weight;
    if (uses_heap(pick)) {
        if (former > 0)
            heap_take(pick, index);
        if (weight > 0)
            set_turn(pick, host, weight);
        host->weight = weight;
        if (weight > 0)
            heap_put(pick, index);
        return;
    }
    host->weight = weight;
    if (weight > 0)
        host->stride = STRIDE_ONE / weight;
    sums_add(pick, index, (uint64_t)weight - former);
    if (former == 0)
        pick->pickable++;
    else if (weight == 0)
        pick->pickable--;
}

/* The heap's first host that was not tried. PICK_NONE when all were. */
static uint32_t first_untried(struct pick *pick, const struct pick_tried *tried)
{
    uint32_t aside[PICK_TRIED_MAX];
    uint32_t aside_count = 0;
    uint32_t found = PICK_NONE;
    while (pick->pickable > 0 && found == PICK_NONE) {
        const uint32_t host = pick->heap[0];
        if (!pick_was_tried(tried, host)) {
            found = host;
        } else {
            ASSERT(aside_count < PICK_TRIED_MAX);
            heap_take(pick, host);
            aside[aside_count++] = host;
        }
    }
    while (aside_count > 0)
        heap_put(pick, aside[--aside_count]);
    return found;
}

/* Virtual time starts again near 0 for all. */
static void set_back(struct pick *pick)
{
    for (uint32_t i = 0; i < pick->count; i++) {
        struct pick_host *host = &pick->hosts[i];
        host->turn = host->turn > pick->turn_now ? host->turn - pick->turn_now : 0;
    }
    pick->turn_now = 0;
}

static void take_turn(struct pick *pick, uint32_t index)
{
    struct pick_host *host = &pick->hosts[index];
    if (host->turn > pick->turn_now)
        pick->turn_now = host->turn;
    /* A host that was busy for long does not get all ties until its turns have caught up. */
    if (pick->policy == PICK_LEAST_REQUESTS)
        host->turn = pick->turn_now;
    host->turn += host->stride;
    host->in_flight++;
    sift(pick, host->place - 1);
    if (pick->turn_now > TURN_MAX)
        set_back(pick);
}

static uint32_t draw(struct pick *pick, const struct pick_tried *tried)
{
    const uint32_t excluded = tried == NULL ? 0 : tried->count;
    for (uint32_t i = 0; i < excluded; i++)
        sums_add(pick, tried->hosts[i], 0 - (uint64_t)pick->hosts[tried->hosts[i]].weight);
    uint32_t found = PICK_NONE;
    if (pick->weight_sum > 0)
        found = sums_find(pick, draw_below(pick, pick->weight_sum));
    for (uint32_t i = 0; i < excluded; i++)
        sums_add(pick, tried->hosts[i], pick->hosts[tried->hosts[i]].weight);
    return found;
}

static uint32_t draw_two(struct pick *pick, const struct pick_tried *tried)
{
    const uint32_t first = draw(pick, tried);
    if (first == PICK_NONE || pick->pickable == 1)
        return first;
    /* The second one is another host: the first is out of the draw. */
    const uint32_t weight = pick->hosts[first].weight;
    sums_add(pick, first, 0 - (uint64_t)weight);
    const uint32_t second = draw(pick, tried);
    sums_add(pick, first, weight);
    if (second == PICK_NONE)
        return first;
    return load_of(&pick->hosts[second]) < load_of(&pick->hosts[first]) ? second : first;
}

static uint32_t choose(struct pick *pick, const struct pick_tried *tried)
{
    switch (pick->policy) {
    case PICK_ROUND_ROBIN:
    case PICK_LEAST_REQUESTS:
        if (tried != NULL)
            return first_untried(pick, tried);
        return pick->pickable == 0 ? PICK_NONE : pick->heap[0];
    case PICK_POWER_OF_TWO: return draw_two(pick, tried);
    case PICK_RANDOM: return draw(pick, tried);
    }
    UNREACHABLE();
}

uint32_t pick_take(struct pick *pick, const struct pick_tried *tried)
{
    const bool any_tried = tried != NULL && tried->count > 0;
    uint32_t host = choose(pick, any_tried ? tried : NULL);
    if (host == PICK_NONE && any_tried)
        host = choose(pick, NULL);
    if (host == PICK_NONE)
        return PICK_NONE;
    ASSERT(pick->hosts[host].weight > 0);
    ASSERT(pick->hosts[host].in_flight < IN_FLIGHT_MAX);
    if (uses_heap(pick))
        take_turn(pick, host);
    else
        pick->hosts[host].in_flight++;
    return host;
}

void pick_release(struct pick *pick, uint32_t index)
{
    ASSERT(index < pick->count);
    struct pick_host *host = &pick->hosts[index];
    ASSERT(host->in_flight > 0);
    host->in_flight--;
    if (pick->policy == PICK_LEAST_REQUESTS && host->place > 0)
        sift(pick, host->place - 1);
}

uint32_t pick_in_flight(const struct pick *pick, uint32_t host)
{
    ASSERT(host < pick->count);
    return pick->hosts[host].in_flight;
}

bool pick_was_tried(const struct pick_tried *tried, uint32_t host)
{
    ASSERT(tried->count <= PICK_TRIED_MAX);
    for (uint32_t i = 0; i < tried->count; i++) {
        if (tried->hosts[i] == host)
            return true;
    }
    return false;
}

void pick_tried_add(struct pick_tried *tried, uint32_t host)
{
    if (pick_was_tried(tried, host))
        return;
    if (tried->count == PICK_TRIED_MAX) {
        memmove(tried->hosts, tried->hosts + 1, sizeof tried->hosts - sizeof tried->hosts[0]);
        tried->count--;
    }
    tried->hosts[tried->count++] = host;
}
