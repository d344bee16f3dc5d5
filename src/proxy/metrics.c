#include "proxy/metrics.h"

#include "base/check.h"

#include <stddef.h>

/* Where a metric's value lies in the status struct it is read from. */
struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
};

#define TIER(member)   offsetof(struct tier_status, member)
#define HOST(member)   offsetof(struct target_status, member)
#define WORKER(member) offsetof(struct worker_totals, member)

static const struct metric tier_metrics[] = {
    {"nines_requests_total", "counter", "Requests of users that ended.", TIER(requests)},
    {"nines_requests_failed_total", "counter", "Of them, 5xx or cut off.", TIER(failed)},
    {"nines_requests_held_total", "counter", "Requests that waited for a host.", TIER(held)},
    {"nines_requests_hold_expired_total", "counter", "Requests answered 503 for want of a host.",
     TIER(hold_expired)},
    {"nines_requests_holding", "gauge", "Requests that wait for a host now.", TIER(holding)},
    {"nines_retries_total", "counter", "Tries at another host.", TIER(retries)},
    {"nines_retries_refused_total", "counter", "Retries that the budget did not allow.",
     TIER(retries_refused)},
};

static const struct metric host_metrics[] = {
    {"nines_host_in_flight", "gauge", "Tries under way, tunnels included.", HOST(in_flight)},
    {"nines_host_requests_total", "counter", "Tries that ended.", HOST(requests)},
    {"nines_host_failures_total", "counter", "Of them, 5xx, unreachable, reset, late, or broken.",
     HOST(failures)},
    {"nines_host_retried_total", "counter", "Tries given up for another host.", HOST(retried)},
    {"nines_host_connect_failed_total", "counter", "Connections refused or not made in time.",
     HOST(connect_failed)},
    {"nines_host_reset_total", "counter", "Connections closed before an answer.", HOST(reset)},
    {"nines_host_timeout_total", "counter", "Answers that did not come in time.", HOST(timeout)},
    {"nines_host_bad_total", "counter", "Answers that were not HTTP/1.1 or cut off.", HOST(bad)},
    {"nines_host_received_bytes_total", "counter", "Bytes from clients to the host.",
     HOST(bytes_in)},
    {"nines_host_sent_bytes_total", "counter", "Bytes from the host to clients.", HOST(bytes_out)},
};

static const struct metric worker_metrics[] = {
    {"nines_connections_total", "counter", "Clients' connections accepted.", WORKER(connections)},
    {"nines_connections_open", "gauge", "Clients connected now.", WORKER(connections_open)},
    {"nines_connections_shed_total", "counter", "Connections closed at once, over a limit.",
     WORKER(connections_shed)},
    {"nines_requests_refused_total", "counter", "Requests refused before a tier was chosen.",
     WORKER(requests_refused)},
    {"nines_client_aborts_total", "counter", "Clients that left before their answer ended.",
     WORKER(client_aborts)},
    {"nines_tunnels_open", "gauge", "Upgraded connections now.", WORKER(tunnels_open)},
    {"nines_upstream_connects_total", "counter", "Connections made to hosts.",
     WORKER(upstream_connects)},
    {"nines_upstream_idle", "gauge", "Pooled connections to hosts now.", WORKER(upstream_idle)},
};

static uint64_t value_at(const void *status, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)status + offset, sizeof value);
    return value;
}

static void add_head(struct text *text, const char *name, const char *type, const char *help)
{
    text_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct text *text, uint64_t value)
{
    text_format(text, " %llu\n", (unsigned long long)value);
}

static const char *tier_name(const struct targets *targets, size_t tier)
{
    return targets_config(targets)->tiers[tier].name;
}

static void write_tiers(struct text *text, const struct targets *targets)
{
    const size_t count = targets_config(targets)->tier_count;
    struct tier_status status;
    for (size_t m = 0; m < COUNT_OF(tier_metrics); m++) {
        const struct metric *metric = &tier_metrics[m];
        add_head(text, metric->name, metric->type, metric->help);
        for (size_t t = 0; t < count; t++) {
            targets_tier_status(targets, t, &status);
            text_format(text, "%s{tier=\"%s\"}", metric->name, tier_name(targets, t));
            add_value(text, value_at(&status, metric->offset));
        }
    }
    add_head(text, "nines_serving_capacity", "gauge",
             "Effective weights of healthy hosts by configured weights.");
    for (size_t t = 0; t < count; t++) {
        targets_tier_status(targets, t, &status);
        text_format(text, "nines_serving_capacity{tier=\"%s\"} %.6f\n", tier_name(targets, t),
                    status.serving_capacity);
    }
    add_head(text, "nines_request_duration_seconds", "summary",
             "From the first byte of a request to the last of its answer; last ten seconds.");
    for (size_t t = 0; t < count; t++) {
        const char *name = tier_name(targets, t);
        targets_tier_status(targets, t, &status);
        text_format(text, "nines_request_duration_seconds{tier=\"%s\",quantile=\"0.5\"} %.6f\n",
                    name, (double)status.latency_p50_us / 1e6);
        text_format(text, "nines_request_duration_seconds{tier=\"%s\",quantile=\"0.99\"} %.6f\n",
                    name, (double)status.latency_p99_us / 1e6);
        text_format(text, "nines_request_duration_seconds_sum{tier=\"%s\"} %.6f\n", name,
                    (double)status.latency_sum_us / 1e6);
        text_format(text, "nines_request_duration_seconds_count{tier=\"%s\"}", name);
        add_value(text, status.latency_count);
    }
}

static void add_host_labels(struct text *text, const struct targets *targets, const char *name,
                            uint32_t target)
{
    text_format(text, "%s{tier=\"%s\",host=\"%s\"", name,
                tier_name(targets, targets_tier_of(targets, target)),
                targets_host(targets, target)->name);
}

static void write_host_states(struct text *text, const struct targets *targets)
{
    struct target_status status;
    add_head(text, "nines_host_up", "gauge", "1 while the host is healthy.");
    for (uint32_t i = 0; i < targets_count(targets); i++) {
        targets_status(targets, i, &status);
        add_host_labels(text, targets, "nines_host_up", i);
        text_add(text, status.healthy ? "} 1\n" : "} 0\n");
    }
    add_head(text, "nines_host_weight", "gauge", "Effective weight; 0 gets no requests.");
    for (uint32_t i = 0; i < targets_count(targets); i++) {
        targets_status(targets, i, &status);
        add_host_labels(text, targets, "nines_host_weight", i);
        text_format(text, "} %.3f\n", (double)status.effective_weight / PICK_WEIGHT_ONE);
    }
    add_head(text, "nines_host_responses_total", "counter", "Answers by class of status.");
    for (uint32_t i = 0; i < targets_count(targets); i++) {
        targets_status(targets, i, &status);
        for (size_t class = 0; class < COUNT_OF(status.classes); class ++) {
            add_host_labels(text, targets, "nines_host_responses_total", i);
            text_format(text, ",class=\"%zuxx\"}", class + 1);
            add_value(text, status.classes[class]);
        }
    }
}

static void write_hosts(struct text *text, const struct targets *targets)
{
    struct target_status status;
    for (size_t m = 0; m < COUNT_OF(host_metrics); m++) {
        const struct metric *metric = &host_metrics[m];
        add_head(text, metric->name, metric->type, metric->help);
        for (uint32_t i = 0; i < targets_count(targets); i++) {
            targets_status(targets, i, &status);
            add_host_labels(text, targets, metric->name, i);
            text_add_char(text, '}');
            add_value(text, value_at(&status, metric->offset));
        }
    }
    write_host_states(text, targets);
}

void metrics_write(struct text *text, const struct targets *targets, const struct access_log *log)
{
    struct worker_totals totals;
    targets_worker_totals(targets, &totals);
    for (size_t m = 0; m < COUNT_OF(worker_metrics); m++) {
        const struct metric *metric = &worker_metrics[m];
        add_head(text, metric->name, metric->type, metric->help);
        text_add(text, metric->name);
        add_value(text, value_at(&totals, metric->offset));
    }
    if (log != NULL) {
        add_head(text, "nines_access_log_dropped_total", "counter",
                 "Lines that a full or stuck file cost.");
        text_add(text, "nines_access_log_dropped_total");
        add_value(text, access_log_dropped(log));
    }
    add_head(text, "nines_generation", "gauge", "Of the newest weights.");
    text_add(text, "nines_generation");
    add_value(text, targets_generation(targets));
    add_head(text, "nines_generation_acknowledged", "gauge", "That every thread obeys.");
    text_add(text, "nines_generation_acknowledged");
    add_value(text, targets_acknowledged(targets));
    write_tiers(text, targets);
    const bool omitted = targets_count(targets) > METRICS_HOSTS_MAX;
    add_head(text, "nines_host_metrics_omitted", "gauge",
             "1 when there are too many hosts to show each.");
    text_add(text, "nines_host_metrics_omitted");
    add_value(text, omitted ? 1 : 0);
    if (!omitted)
        write_hosts(text, targets);
}
