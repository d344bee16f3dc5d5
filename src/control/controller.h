/*
 * controller: the process that runs rollouts: store -> pure engine -> drivers, and its API.
 *
 * The only process that can reach a host. It may be killed at any instant: what it decided is in
 * the store before it is ordered, and the next start goes on from there. Traffic does not need it.
 */
#pragma once

#include "base/slice.h"
#include "config/config.h"

struct controller_start {
    struct config *config;    /* A reference, borrowed. */
    struct slice config_text; /* Pinned with each rollout. */
    int admin_fd;             /* controller.sock, listening; taken over. */
};

/*
 * Serves until SIGTERM or SIGINT. Returns the exit status; problems are told on stderr. A store
 * that another controller holds, that is damaged or newer is such a problem.
 */
int controller_run(const struct controller_start *);
