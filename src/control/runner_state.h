/*
 * runner_state: what a runner is made of. For the runner's own files.
 *
 * Rows of the store: "rollouts/ID" says whether the rollout is open; under "rollout/ID/" stand its
 * head, config, config-file, row, host/N, traffic, replaced/N (what an installation replaced),
 * say/N (decisions), event/..., and frozen (why).
 */
#pragma once

#include "control/runner.h"

enum { RUNNER_KEY_MAX = 96 };

#define RUNNER_INDEX       "rollouts/"
#define RUNNER_INDEX_OPEN  "open"
#define RUNNER_INDEX_ENDED "ended" /* Or frozen: not to be taken up again. */

/* Rows written in one transaction. */
struct runner_batch {
    struct store_write *writes;
    size_t count;
    size_t capacity;
    bool failed; /* Memory. */
};

/* An event that waits while the store does not take anything. */
struct runner_waiting {
    struct runner_waiting *next;
    struct dispatch_result result;
    char text[ROLLOUT_TEXT_MAX];
    char *replaced;
};

struct runner {
    struct runner_place place;
    struct arena arena;
    struct config *config;
    const struct config_tier *tier;
    struct watch *watch; /* Of the tier in the running config; NULL once ended. */
    struct rows_head head;
    struct rows_traffic traffic;
    struct rollout_spec spec;
    struct rollout rollout;
    struct rollout_actions actions;
    struct dispatch *dispatch; /* NULL when it had ended before it was loaded. */
    struct loop_timer wake;
    struct loop_timer retry;
    struct runner_batch batch; /* Not yet stored when `blocked`. */
    bool blocked;
    bool stepping;
    bool stored;              /* The store knows of it. */
    bool end_told;            /* on_end was called. */
    uint64_t step_ms;         /* Time of the last event. */
    struct error store_error; /* Of the last commit that failed. */
    struct runner_waiting *waiting;
    struct rollout_observation *observations;
    char sentence[512];
    char frozen[256];
};

/* "rollout/ID/" and what the format gives: the key of a row. */
void runner_key(uint64_t id, char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* An empty runner; runner_close() ends it, however far it came. */
struct runner *runner_make(const struct runner_place *, struct error *);
/* Its own config, from the text that is pinned with it; spec and arrays. Head is set by then. */
bool runner_pin(struct runner *, const char *file, struct slice config_text,
                struct rollout_arrays *, struct error *);
/* Watch and drivers: what one that has not ended needs to go on. */
bool runner_equip(struct runner *, struct error *);
