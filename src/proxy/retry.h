/*
 * retry: when a request may be tried at another host. Rules alone; the budget is targets.h's.
 *
 * Never after a byte of an answer went to the client, and at most `retry.attempts` times. If
 * nothing was sent, any method may be tried again. What was sent can be sent again only if it is
 * GET, HEAD or OPTIONS without a body, and either nothing came back or the answer was a 502 or 503
 * head. `retry.when` of the tier says which of these are wanted.
 */
#pragma once

#include "config/config.h"
#include "proxy/targets.h"

#include <stdbool.h>
#include <stdint.h>

/* `flags` are REQUEST_*, `retries` those made so far, `status` that of the answer or 0. */
bool retry_allowed(const struct config_tier *, uint32_t flags, uint32_t retries,
                   enum target_end end, uint16_t status);
