/*
 * hold: requests that no host can take wait, first come first served, instead of failing.
 *
 * A tier's queue is looked through whenever a new snapshot of targets was taken over. A request
 * that was refused by every host it may try is held as well, if the tier's hosts are checked, and
 * tries again after a pause that grows: a host that restarts refuses for a moment before anything
 * says it is down. Waiting ends in 503 after hold.time, counted from the first time it was held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct worker;

enum { HOLD_PAUSE_MS = 50, HOLD_PAUSES_MAX = 3 }; /* 50, 100, 200, then always 400 ms. */

/* False: the tier holds none, or as many as it may, or this one's time is over. */
bool hold_begin(struct request *);
/* The same after a failed connect: it goes on by itself after a pause. */
bool hold_after_failure(struct request *);
/* Takes it out of the queue; it goes on or is answered by the caller. */
void hold_end(struct request *, bool expired);
/* Its client's deadline has passed: tries again, or answers 503. */
void hold_look(struct request *);
/* Lets everyone go on for whom there may be a host. */
void hold_wake(struct worker *, size_t tier);
