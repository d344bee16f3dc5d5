/*
 * listener: a worker's listening socket. Takes one client an event, turns clients away when there
 * are too many or no descriptor is left, and knows which tier a request goes to.
 */
#pragma once

#include "base/slice.h"
#include "config/config.h"
#include "os/loop.h"

#include <stdint.h>

struct worker;

/* What listener_route() returns when no route matches. */
#define LISTENER_NO_TIER UINT16_MAX

struct listener {
    struct loop_watch watch;
    struct worker *worker;
    const struct config_listener *config;
    uint16_t index;
};

/* Takes the fd over on success. */
bool listener_open(struct listener *, struct worker *, uint16_t index, int fd, struct error *);
/* Takes everyone who waits in its queue: as they see it, they are connected already. */
void listener_drain(struct listener *);
/* Nothing when it is not open. */
void listener_close(struct listener *);

/* The tier of the first route that matches. `host` as sent, with or without a port. */
uint16_t listener_route(const struct listener *, struct slice host, struct slice path);
/* The tier whose timeouts hold before a request is known: that of the last route. */
uint16_t listener_default_tier(const struct listener *);
