/*
 * view_fleet: what the demo's view knows: the fleet as `nines status --json` tells it, and the
 * traffic as nines-load counted it.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VIEW_HOSTS_MAX = 64,
    VIEW_NAME_MAX = 32,
    VIEW_SENTENCE_MAX = 256,
    VIEW_SAMPLES_MAX = 512 /* Of traffic: as many as a wide terminal shows. */
};

struct view_host {
    char name[VIEW_NAME_MAX];
    char zone[VIEW_NAME_MAX];
    char state[VIEW_NAME_MAX];
    char version[VIEW_NAME_MAX];
    uint64_t in_flight;
    bool healthy;
};

struct view_fleet {
    bool known; /* A status has been read. */
    double capacity, lowest_capacity;
    struct view_host hosts[VIEW_HOSTS_MAX];
    size_t host_count;
    char phase[VIEW_NAME_MAX];
    char sentence[VIEW_SENTENCE_MAX];
    uint64_t hosts_done, hosts_total;
};

struct view_sample {
    double rate;
    uint64_t failed;
};

struct view_traffic {
    struct view_sample samples[VIEW_SAMPLES_MAX]; /* The last sample_count, oldest first. */
    size_t sample_count;
    double rate;
    double p50_ms, p99_ms;
    uint64_t sent, failed;
};

/* The answer of `nines status --json`; false (and nothing changed) if it is not that. */
bool view_fleet_read(struct view_fleet *, struct slice json);
/* One line of nines-load --live. */
bool view_traffic_read(struct view_traffic *, struct slice json);
