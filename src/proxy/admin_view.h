/*
 * admin_view: the JSON that the admin interface answers with. Used by admin.c alone.
 */
#pragma once

#include "base/text.h"
#include "proxy/targets.h"

void admin_view_tiers(struct text *, const struct targets *);
void admin_view_tier(struct text *, const struct targets *, size_t tier);
void admin_view_hosts(struct text *, const struct targets *, size_t tier);
void admin_view_host(struct text *, const struct targets *, uint32_t target);
void admin_view_process(struct text *, const struct targets *, uint32_t threads,
                        uint64_t started_wall_ms, uint64_t wall_ms);
/* One line of the stream of events. */
void admin_view_event(struct text *, const struct targets *, uint32_t target, enum target_change,
                      uint64_t wall_ms);
/* The line a stream begins with. */
void admin_view_begin(struct text *, const struct targets *, uint64_t wall_ms);
