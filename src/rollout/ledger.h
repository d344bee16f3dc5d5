/*
 * ledger: the books of a rollout. Which host is in which phase, list and count, what is dirty, who
 * has to be looked at, and when the next timer rings.
 *
 * The rest of the engine changes a host's phase, timer or observed state only through here, so that
 * all counters stay right by increments; ledger_check() proves it by counting anew. Every function
 * costs O(1), the timers O(log hosts).
 */
#pragma once

#include "rollout/rollout.h"

/* Builds lists and counters from the rows; nothing has been observed yet. O(hosts). */
void ledger_build(struct rollout *);

/* The row changed and must be written. */
void ledger_dirty(struct rollout *, uint32_t host);

/* Moves a host to a phase, from now on; without a deadline until one is set. */
void ledger_phase(struct rollout *, uint32_t host, enum rollout_host_phase);

/* A draining host is past its timeout, or waits anew. */
void ledger_drain_late(struct rollout *, uint32_t host, bool late);

/* Its serving weight is taken as 0 from now on: ordered, or worthless since it failed. */
void ledger_weight_zero(struct rollout *, uint32_t host);

/* Books an observation. True when the host has to be looked at. */
bool ledger_observe(struct rollout *, const struct rollout_observation *, uint64_t asked_ms);

/* Was the host observed after this moment? An earlier observation says nothing about it. */
bool ledger_observed_since(const struct rollout *, uint32_t host, uint64_t since_ms);

/* All hosts that are ill now are known to be (START, RESUME). O(hosts). */
void ledger_ill_known(struct rollout *);

/* The host's window of traffic begins now. */
void ledger_window_begin(struct rollout *, uint32_t host);
/* Brings the other hosts' figures of the same window into its row, once all were observed. */
void ledger_compare(struct rollout *, uint32_t host);
/* It was given back and is not seen to serve yet: that is no illness. */
void ledger_given_back(struct rollout *, uint32_t host);

/* The queue of hosts to look at. */
void ledger_ready(struct rollout *, uint32_t host);
uint32_t ledger_ready_take(struct rollout *); /* ROLLOUT_NO_HOST: empty. */

/* When to look at the host anew; ROLLOUT_NEVER_MS removes the timer. */
void ledger_timer(struct rollout *, uint32_t host, uint64_t at_ms);
uint64_t ledger_timer_next(const struct rollout *);
/* Puts the hosts whose timers have rung into the queue. */
void ledger_timers_ring(struct rollout *);

/* Taken and not yet at an end. */
bool ledger_in_flight(enum rollout_host_phase);
/* Not in flight and not serving. */
bool ledger_ill(const struct rollout *, uint32_t host);

/* Compares every counter, list and heap with the rows. O(hosts). */
void ledger_check(const struct rollout *);
