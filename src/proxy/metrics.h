/*
 * metrics: the balancer's numbers as Prometheus reads them (text exposition format 0.0.4).
 *
 * Counters since the start of the process, per tier and per host; quantiles over the last ten
 * seconds. docs/internals/admin-api.md lists them.
 */
#pragma once

#include "base/text.h"
#include "proxy/access_log.h"
#include "proxy/targets.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* `log` may be NULL. The text fails when it grows over its own limit. */
void metrics_write(struct text *, const struct targets *, const struct access_log *log);
