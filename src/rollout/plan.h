/*
 * plan: what an update would do, before anything is touched. For `nines plan`.
 *
 * plan_make() runs the very engine on an ideal fleet (every host well, every action succeeding in
 * its usual time), so that the batches of the plan are those of the update by construction.
 *
 * A keyed tier with `warm` is paced by its caches instead: substitutes take over one host after the
 * other, so slowly that no more than cold_max of the hosts are warming up at the same time:
 *     warming_max = floor(hosts x cold_max), at least 1
 *     interval    = warm time / warming_max
 *     duration    = hosts x interval (start of the first swap to start of the last, plus one)
 * backend_load_max bounds what cold caches add to the back end's load. A warm cache lets 1 - h of
 * its requests through (h the hit ratio), a cold one all of them; c cold ones of n add
 * (c / n) h / (1 - h), so c = floor(n x load_max x (1 - h) / h). The stricter of both rules.
 */
#pragma once

#include "base/text.h"
#include "base/writer.h"
#include "rollout/rollout.h"

/* How long things take on a host that behaves; measured ones may be given instead. */
struct plan_times {
    uint32_t drain_ms;
    uint32_t install_ms;
    uint32_t reboot_ms;
};

struct plan_warm {
    uint32_t time_ms;              /* 0: the tier has no `warm`. */
    uint32_t cold_max_ppm;         /* 0: not given. */
    uint32_t backend_load_max_ppm; /* 0: not given. */
    uint32_t hit_ratio_ppm;        /* 0: not known; then cold_max alone rules. */
};

struct plan_request {
    const struct rollout_spec *spec;
    bool keyed; /* `balance: key`: slots are part of the plan. */
    struct plan_warm warm;
    struct plan_times times;
    uint32_t standby_count;
};

struct plan {
    const struct plan_request *request;
    const uint32_t *order;            /* The hosts to be updated, batch by batch. */
    const struct rollout_host *hosts; /* The rows at the end: `batch` is what counts. */
    bool refused;                     /* The update would be refused: `why`. */
    struct rollout_decision why;
    uint32_t host_count; /* To be updated. */
    uint32_t batch_count;
    uint32_t warming_max; /* 0: not paced by warmth. */
    double interval_s;    /* From one batch, or swap, to the next, on average. */
    double duration_s;
    double settled_s;       /* Until the last host is warm and verified, too. */
    double lowest_capacity; /* 0 to 1. */
    /* Of those that serve on. With `warm`: of the back end, at most; or, when the hit ratio is not
     * known, the share of all requests that meet a cold cache. */
    double peak_extra_load;
    uint32_t reboots_max;
};

void plan_times_defaults(struct plan_times *);

/* `arrays` and `scratch` are the caller's, as for a rollout, and live as long as the plan. */
void plan_make(struct plan *, const struct plan_request *, struct rollout_arrays arrays,
               struct rollout *engine, struct rollout_actions *scratch);

/* The members of interface `plan --json`, into an object that the caller has opened. */
void plan_json(const struct plan *, struct writer *);

/* The same for people, in lines that end in a newline. */
void plan_print(const struct plan *, struct text *);
