/*
 * pick: which host of a tier takes the next request.
 *
 * One struct a tier and thread; no locks, no clock. Hosts are numbered from 0 as in the config.
 * Weights are in thousandths of a configured weight (PICK_WEIGHT_ONE), so that slow start has
 * steps; a host of weight 0 is never picked. A request that may try several hosts names those it
 * has tried: none of them is picked again while another host has weight.
 *
 * The policies:
 * - round_robin: earliest virtual deadline first. Each host's turn comes every 1/weight of virtual
 *   time (Waldspurger and Weihl, "Stride Scheduling", 1995): a whole cycle gives each host exactly
 *   its weight, and at any moment no two hosts are more than one turn apart.
 * - least_requests: the host that one more request would load least for its weight, least
 *   (in flight + 1) / weight, ties by turn ("shortest expected delay" of the Linux Virtual Server,
 *   Zhang 2000). If that is an idle one, or the turn of an idle one has come, then the idle host
 *   whose turn is first, as round_robin ("never queue" there, but not whatever the weight). So
 *   hosts of equal weight never queue while one is idle; an idle tier is spread by weight; and a
 *   host of little weight gets about its share, however fast it answers: one that fails at once is
 *   idle most of the time. Only where it would be the least loaded, from half the weight of hosts
 *   that have one in flight, or a tenth of hosts that have nine, does it take more.
 * - power_of_two: two hosts drawn by weight, the one with less in flight for its weight
 *   (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
 * - random: drawn by weight.
 * In flight means: taken from this struct and not yet released, so this thread's own requests.
 *
 * Costs O(log hosts) a call; pick_init() is O(hosts).
 */
#pragma once

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pick_policy { PICK_ROUND_ROBIN, PICK_LEAST_REQUESTS, PICK_POWER_OF_TWO, PICK_RANDOM };

enum {
    PICK_WEIGHT_ONE = 1000,    /* A configured weight of 1. */
    PICK_WEIGHT_MAX = 1000000, /* A configured weight of 1000. */
    PICK_HOSTS_MAX = 100000,
    PICK_TRIED_MAX = 16,
};

enum { PICK_HEAPS = 2 };

#define PICK_NONE UINT32_MAX

/* Hosts a request has tried already. Zero-initialised, kept by the caller. */
struct pick_tried {
    uint32_t count;
    uint32_t hosts[PICK_TRIED_MAX];
};

struct pick_host; /* One host's weight, turn and requests in flight. */

struct pick_heap {
    uint32_t *hosts; /* The next one first. */
    uint32_t count;
};

struct pick {
    enum pick_policy policy;
    uint32_t count;
    uint32_t pickable; /* Hosts with weight. */
    struct pick_host *hosts;
    struct pick_heap heaps[PICK_HEAPS]; /* round_robin, least_requests: by turn, by load. */
    uint64_t *sums;      /* power_of_two, random: weights as a Fenwick tree (Fenwick, 1994). */
    uint64_t weight_sum; /* Of all hosts. */
    uint64_t turn_now;   /* Virtual time. */
    struct random random;
};

/*
 * All hosts start at weight 0. `seed` also rotates round_robin's order, so that threads do not
 * start on the same host. False when memory is out.
 */
bool pick_init(struct pick *, enum pick_policy, uint32_t host_count, uint64_t seed);
void pick_done(struct pick *);

/* 0 to PICK_WEIGHT_MAX. Cheap when nothing changes. */
void pick_set_weight(struct pick *, uint32_t host, uint32_t weight);

/*
 * Picks a host and counts one request in flight on it until pick_release(). PICK_NONE when every
 * weight is 0. `tried` may be NULL; a tried host is taken only when no other has weight.
 */
uint32_t pick_take(struct pick *, const struct pick_tried *tried);
void pick_release(struct pick *, uint32_t host);

uint32_t pick_in_flight(const struct pick *, uint32_t host);

/* Remembers one more tried host; past PICK_TRIED_MAX the oldest is forgotten. */
void pick_tried_add(struct pick_tried *, uint32_t host);
bool pick_was_tried(const struct pick_tried *, uint32_t host);
