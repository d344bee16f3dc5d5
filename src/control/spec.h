/*
 * spec: what a rollout is to do, built for the engine from the config and the operator's order.
 *
 * The config is the one pinned with the rollout; everything in the spec points into it or into the
 * arena. Hosts keep the order of the config; standbys are left out.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "config/config.h"
#include "control/rows.h"
#include "drive/host.h"
#include "rollout/rollout.h"

#include <stdbool.h>

/* Fills *spec. An error names what the operator asked for that cannot be. */
bool spec_build(struct arena *, const struct config_tier *, const struct rows_head *,
                struct rollout_spec *, struct error *);

/* The same for a plan, which may be made before install and drivers are given. */
bool spec_build_plan(struct arena *, const struct config_tier *, const struct rows_head *,
                     struct rollout_spec *, struct error *);

/* Memory for the engine's rows, from the arena; false when it is out. */
bool spec_arrays(struct arena *, const struct rollout_spec *, struct rollout_arrays *);

/* Whether a comma-separated list of names has this one. */
bool spec_names(const char *list, const char *name);

/*
 * "a=1.0-1" gives "1.0-1"; several packages of one version give that version, of several versions
 * the whole text, cut and with a hash at its end when it is too long. `out` has ROLLOUT_VERSION_MAX
 * bytes.
 */
void spec_version(const char *versions, char *out);
