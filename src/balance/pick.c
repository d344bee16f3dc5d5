#include "balance/pick.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* Virtual time between two turns of a host of weight 1 (a thousandth of a configured one). */
#define STRIDE_ONE (1ULL << 40)
/* Virtual time is set back before it could wrap. */
#define TURN_MAX (1ULL << 62)
/*
 * How many strides before its turn least_requests takes a host without moving virtual time along.
 * More of them follow the weights closer where hosts are taken by load, in any order; a host that
 * was busy for long gets as many requests more when it is idle again.
 */
#define STRIDES_AHEAD_MAX 3
/* More in flight on one host than any limit of connections lets through. */
#define IN_FLIGHT_MAX (1U << 22)

/*
 * The heaps. BY_TURN holds the hosts whose turn decides: with round_robin all that have weight,
 * with least_requests the idle ones among these. BY_LOAD is least_requests' and holds all with
 * weight.
 */
enum order { BY_TURN, BY_LOAD };

struct pick_host {
    uint64_t turn; /* Virtual time of its next turn. */
    uint64_t stride;
    uint32_t weight;
    uint32_t in_flight;
    uint32_t places[PICK_HEAPS]; /* Index in each heap + 1; 0 when not in it. */
    uint32_t rank;               /* Breaks ties. */
};

static bool takes_turns(const struct pick *pick)
{
    return pick->policy == PICK_ROUND_ROBIN || pick->policy == PICK_LEAST_REQUESTS;
}

/* What a host would carry for its weight with one more request. */
static uint64_t load_of(const struct pick_host *host)
{
    return (host->in_flight + 1) * host->stride;
}

static bool before(const struct pick *pick, enum order order, uint32_t a, uint32_t b)
{
    const struct pick_host *x = &pick->hosts[a];
    const struct pick_host *y = &pick->hosts[b];
    if (order == BY_LOAD) {
        const uint64_t load_x = load_of(x);
        const uint64_t load_y = load_of(y);
        if (load_x != load_y)
            return load_x < load_y;
        if ((x->in_flight == 0) != (y->in_flight == 0))
            return x->in_flight == 0;
    }
    return x->turn != y->turn ? x->turn < y->turn : x->rank < y->rank;
}

static void put(struct pick *pick, enum order order, uint32_t index, uint32_t host)
{
    pick->heaps[order].hosts[index] = host;
    pick->hosts[host].places[order] = index + 1;
}

/* Moves a host whose key changed to where it belongs. */
static void sift(struct pick *pick, enum order order, uint32_t index)
{
    const uint32_t *heap = pick->heaps[order].hosts;
    const uint32_t count = pick->heaps[order].count;
    const uint32_t host = heap[index];
    while (index > 0 && before(pick, order, host, heap[(index - 1) / 2])) {
        put(pick, order, index, heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= count)
            break;
        if (child + 1 < count && before(pick, order, heap[child + 1], heap[child]))
            child++;
        if (!before(pick, order, heap[child], host))
            break;
        put(pick, order, index, heap[child]);
        index = child;
    }
    put(pick, order, index, host);
}

static void heap_put(struct pick *pick, enum order order, uint32_t host)
{
    ASSERT(pick->hosts[host].places[order] == 0);
    put(pick, order, pick->heaps[order].count, host);
    sift(pick, order, pick->heaps[order].count++);
}

static void heap_take(struct pick *pick, enum order order, uint32_t host)
{
    struct pick_heap *heap = &pick->heaps[order];
    const uint32_t index = pick->hosts[host].places[order] - 1;
    ASSERT(index < heap->count && heap->hosts[index] == host);
    const uint32_t last = heap->hosts[--heap->count];
    pick->hosts[host].places[order] = 0;
    if (last == host)
        return;
    put(pick, order, index, last);
    sift(pick, order, index);
}

/* Puts a host where its weight, its turn and its requests in flight say. */
static void place(struct pick *pick, uint32_t index)
{
    const struct pick_host *host = &pick->hosts[index];
    const bool least = pick->policy == PICK_LEAST_REQUESTS;
    const bool wanted[PICK_HEAPS] = {
        [BY_TURN] = host->weight > 0 && !(least && host->in_flight > 0),
        [BY_LOAD] = host->weight > 0 && least,
    };
    for (enum order order = BY_TURN; order <= BY_LOAD; order++) {
        if (host->places[order] == 0 && wanted[order])
            heap_put(pick, order, index);
        else if (host->places[order] > 0 && !wanted[order])
            heap_take(pick, order, index);
        else if (wanted[order])
            sift(pick, order, host->places[order] - 1);
    }
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
    bool complete = pick->hosts != NULL;
    if (takes_turns(pick)) {
        for (uint32_t i = 0; i < PICK_HEAPS; i++) {
            pick->heaps[i].hosts = calloc(host_count, sizeof *pick->heaps[i].hosts);
            complete = complete && pick->heaps[i].hosts != NULL;
        }
    } else {
        pick->sums = calloc(host_count + 1, sizeof *pick->sums);
        complete = complete && pick->sums != NULL;
    }
    if (!complete) {
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
    for (uint32_t i = 0; i < PICK_HEAPS; i++)
        free(pick->heaps[i].hosts);
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
    if (host->weight > 0) /* At most STRIDES_AHEAD_MAX + 1 strides are left: it fits. */
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
    if (former == 0)
        pick->pickable++;
    else if (weight == 0)
        pick->pickable--;
    if (takes_turns(pick)) {
        if (weight > 0)
            set_turn(pick, host, weight);
        host->weight = weight;
        pick->weight_sum += (uint64_t)weight - former;
        place(pick, index);
        return;
    }
    host->weight = weight;
    if (weight > 0)
        host->stride = STRIDE_ONE / weight;
    sums_add(pick, index, (uint64_t)weight - former);
}

/* A heap's first host that was not tried. PICK_NONE when all were, or it is empty. */
static uint32_t first(struct pick *pick, enum order order, const struct pick_tried *tried)
{
    const struct pick_heap *heap = &pick->heaps[order];
    uint32_t aside[PICK_TRIED_MAX];
    uint32_t aside_count = 0;
    uint32_t found = PICK_NONE;
    while (heap->count > 0 && found == PICK_NONE) {
        const uint32_t host = heap->hosts[0];
        if (tried == NULL || !pick_was_tried(tried, host)) {
            found = host;
        } else {
            ASSERT(aside_count < PICK_TRIED_MAX);
            heap_take(pick, order, host);
            aside[aside_count++] = host;
        }
    }
    while (aside_count > 0)
        heap_put(pick, order, aside[--aside_count]);
    return found;
}

/*
 * The idle host whose turn is first, if that turn has come or if an idle host is the least loaded;
 * else the least loaded. An idle host of little weight so gets its share and no more, however often
 * it is the only idle one; and where it does not go first, neither does it hide the other idle
 * ones.
 */
static uint32_t least_requests(struct pick *pick, const struct pick_tried *tried)
{
    const uint32_t idle = first(pick, BY_TURN, tried);
    if (idle == PICK_NONE)
        return first(pick, BY_LOAD, tried);
    ASSERT(pick->hosts[idle].in_flight == 0);
    if (pick->hosts[idle].turn <= pick->turn_now)
        return idle;
    const uint32_t least = first(pick, BY_LOAD, tried);
    ASSERT(least != PICK_NONE);
    return pick->hosts[least].in_flight == 0 ? idle : least;
}

/* Virtual time starts again near 0 for all. Turns that differed may be equal now: new heaps. */
static void set_back(struct pick *pick)
{
    for (uint32_t i = 0; i < PICK_HEAPS; i++)
        pick->heaps[i].count = 0;
    for (uint32_t i = 0; i < pick->count; i++) {
        struct pick_host *host = &pick->hosts[i];
        host->turn = host->turn > pick->turn_now ? host->turn - pick->turn_now : 0;
        memset(host->places, 0, sizeof host->places);
        place(pick, i);
    }
    pick->turn_now = 0;
}

/*
 * Virtual time as a host takes a request.
 *
 * round_robin takes hosts in the order of their turns: it is the turn of the last one.
 * least_requests does not. A request moves time by its part of a cycle of all weights (the "global
 * pass" of Waldspurger and Weihl, section 3.2), though not past the turn of the host that takes it.
 * Some hosts may take none for long, and the others then their parts too: so time does not stay
 * behind these by more than STRIDES_AHEAD_MAX (as it keeps up with the starts of packets in WF2Q+:
 * Bennett and Zhang, "Hierarchical Packet Fair Queueing Algorithms", 1996). A host of little weight
 * taken once far ahead of its turn does not take time along.
 */
static uint64_t time_after(const struct pick *pick, const struct pick_host *host)
{
    if (host->turn <= pick->turn_now)
        return pick->turn_now;
    if (pick->policy == PICK_ROUND_ROBIN)
        return host->turn;
    ASSERT(pick->weight_sum >= host->weight);
    const uint64_t ahead_max = STRIDES_AHEAD_MAX * host->stride;
    uint64_t time = pick->turn_now + STRIDE_ONE / pick->weight_sum;
    if (host->turn > time + ahead_max)
        time = host->turn - ahead_max;
    return time < host->turn ? time : host->turn;
}

static void take_turn(struct pick *pick, uint32_t index)
{
    struct pick_host *host = &pick->hosts[index];
    pick->turn_now = time_after(pick, host);
    /* A host that was busy for long does not get all ties until its turns have caught up. */
    if (pick->policy == PICK_LEAST_REQUESTS && host->turn < pick->turn_now)
        host->turn = pick->turn_now;
    host->turn += host->stride;
    host->in_flight++;
    place(pick, index);
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
    const uint32_t one = draw(pick, tried);
    if (one == PICK_NONE || pick->pickable == 1)
        return one;
    /* The other is another host: the one is out of the draw. */
    const uint32_t weight = pick->hosts[one].weight;
    sums_add(pick, one, 0 - (uint64_t)weight);
    const uint32_t other = draw(pick, tried);
    sums_add(pick, one, weight);
    /* Of two idle ones the first drawn stays: the draw has respected their weights. */
    if (other == PICK_NONE || pick->hosts[one].in_flight == 0)
        return one;
    if (pick->hosts[other].in_flight == 0)
        return other;
    return load_of(&pick->hosts[other]) < load_of(&pick->hosts[one]) ? other : one;
}

static uint32_t choose(struct pick *pick, const struct pick_tried *tried)
{
    switch (pick->policy) {
    case PICK_ROUND_ROBIN: return first(pick, BY_TURN, tried);
    case PICK_LEAST_REQUESTS: return least_requests(pick, tried);
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
    if (takes_turns(pick))
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
    if (pick->policy == PICK_LEAST_REQUESTS)
        place(pick, index);
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
