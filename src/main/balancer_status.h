/*
 * balancer_status: what `nines status` shows of a balancer that runs without a controller.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"

#include <jansson.h>

/*
 * The members of the controller's status, by the balancer's admin API: versions are not known, and
 * there are no rollouts; "controller" is false. The caller releases it. NULL: an error.
 */
json_t *balancer_status(const struct config *, struct error *);
