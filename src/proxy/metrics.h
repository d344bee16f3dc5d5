/*
 * metrics: the balancer's numbers as Prometheus reads them (text exposition format 0.0.4).
 *
 * Counters since the start of the process, per tier and per host; quantiles over the last ten
 * seconds. docs/internals/admin-api.md lists them. With more than METRICS_HOSTS_MAX hosts the ones
 * per host are left out, and nines_host_metrics_omitted says so: no scraper wants 100 MB.
 */
#pragma once

#include "base/text.h"
#include "proxy/access_log.h"
#include "proxy/targets.h"

enum { METRICS_HOSTS_MAX = 10000 };

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* `log` may be NULL. The text fails when it grows over its own limit. */
void metrics_write(struct text *, const struct targets *, const struct access_log *log);
