/*
 * probe: asks every host whether it is well, again and again.
 *
 * One small state machine a host on the main thread's loop: connect, for `health: {path: ...}` send
 * a GET and read the status line, close. 200 to 399 is a pass; for a TCP check the connection is.
 * Each host is asked every interval, give or take a tenth, so that the checks of a large tier
 * spread out; the first round is spread over one interval, at most PROBE_FIRST_MS. At most
 * PROBE_OPEN_MAX checks are under way at once; the others wait their turn.
 *
 * Hosts at weight 0 are checked like all others: a host that comes back from a reboot is known to
 * be well before traffic returns. Results go to targets_check().
 */
#pragma once

#include "base/error.h"
#include "os/loop.h"
#include "proxy/targets.h"

enum {
    PROBE_OPEN_MAX = 256,
    PROBE_FIRST_MS = 1000,
    PROBE_HEAD_BYTES = 256, /* Of the answer that are looked at: the status line. */
};

struct probes;

/* Starts checking all hosts of tiers whose health is not off. */
struct probes *probes_open(struct loop *, struct targets *, struct error *);
/* Accepts NULL. */
void probes_close(struct probes *);
