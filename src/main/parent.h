/*
 * parent: the privileged process above the balancer and the controller.
 *
 * It opens every listening socket, keeps them and the weights set by operators and rollouts across
 * the death of a child, starts and restarts the children, and parses nothing that comes from the
 * network. A child that dies is started again, after a pause that doubles up to
 * PARENT_RESTART_MS_MAX; only one that exits by itself, with a status that is not 0, right after
 * its very first start ends the parent, since then the config or the machine is wrong.
 *
 * SIGTERM and SIGINT end everything, requests in flight first; a second one at once. SIGUSR1 opens
 * the access log anew (after a rotation). SIGHUP and SIGUSR2 are told and otherwise ignored.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"

#include <stdbool.h>

enum {
    PARENT_RESTART_MS_MIN = 100,
    PARENT_RESTART_MS_MAX = 5000,
    PARENT_YOUNG_MS = 1000, /* A first start that fails this early ends the parent. */
    PARENT_STOP_MS = 35000, /* Children get this long to end, then SIGKILL. */
};

struct parent_start {
    const struct config *config;
    struct slice config_text;
    const char *program; /* The executable to start the children from. */
    bool balancer;
    bool controller;
};

/* Returns the exit status. */
int parent_run(const struct parent_start *);
