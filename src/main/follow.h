/*
 * follow: watches a rollout until it ends or pauses, for whoever ordered it.
 *
 * On a terminal: one line a host (state, version, in flight, elapsed, bar), one for the traffic,
 * redrawn in place in one write a frame. Elsewhere: one plain line a decision. Ctrl-C only
 * detaches, and says so. A controller that is away for a while (killed, restarted) is waited for.
 */
#pragma once

#include "config/config.h"
#include "main/cmd.h"

#include <stdbool.h>
#include <stdint.h>

enum { FOLLOW_PERIOD_MS = 200, FOLLOW_AWAY_MS_MAX = 60000, FOLLOW_TRAFFIC_LINE_MS = 5000 };

/* Returns the exit code that stands for the rollout's end. */
int follow(const struct cmd *, const struct config *, uint64_t rollout);

/* The exit code of a rollout in this state: `phase` and `frozen` as in its JSON. */
int follow_exit_code(const char *phase, bool frozen);
