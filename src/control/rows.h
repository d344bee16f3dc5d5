/*
 * rows: the engine's rows as JSON, and back.
 *
 * One table a struct names each field once; encoding and decoding both follow it. Fields that a row
 * lacks are zero and fields that nobody knows are passed over, so that a newer or older program
 * reads what this one wrote; ROWS_VERSION changes when a field changes its meaning.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "base/writer.h"
#include "rollout/rollout.h"

#include <stdbool.h>
#include <stdint.h>

enum { ROWS_VERSION = 1 };

/* What a rollout is, beside its engine rows: written once, when it starts. */
struct rows_head {
    uint64_t id;
    uint64_t created_ms; /* Makes the ids of its jobs unique, also after a store was lost. */
    char tier[64];
    char to_version[ROLLOUT_VERSION_MAX]; /* "": the newest. */
    char strategy[16];
    char who[64];
    char only[4096];     /* Host names, comma-separated; "": all. */
    char cordoned[4096]; /* Hosts that an operator had drained before. */
};

/* What users saw while it ran, by the balancer's own counts. */
struct rows_traffic {
    uint64_t requests;
    uint64_t failed;
    uint64_t last_requests; /* The balancer's counts when last looked at. */
    uint64_t last_failed;
    uint64_t process; /* The balancer process that counted so. */
};

void rows_put_head(struct text *, const struct rows_head *);
void rows_put_row(struct text *, const struct rollout_row *);
void rows_put_host(struct text *, const struct rollout_host *);
void rows_put_decision(struct text *, const struct rollout_decision *, const char *host,
                       const char *sentence);
void rows_put_traffic(struct text *, const struct rows_traffic *);
/* An event, for the record: what happened, when, to whom. */
void rows_put_event(struct text *, const struct rollout_event *);

/* The struct is zeroed first. False: not JSON, another version, or a field of another type. */
bool rows_get_head(struct slice, struct rows_head *, struct error *);
bool rows_get_row(struct slice, struct rollout_row *, struct error *);
bool rows_get_host(struct slice, struct rollout_host *, struct error *);
bool rows_get_traffic(struct slice, struct rows_traffic *, struct error *);
