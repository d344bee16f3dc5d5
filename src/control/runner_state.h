/*
 * runner_state: what a runner is made of. For runner.c and runner_view.c alone.
 */
#pragma once

#include "control/runner.h"

enum { RUNNER_KEY_MAX = 96 };

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
    struct watch *watch; /* Of the tier in the running config. */
    struct rows_head head;
    struct rows_traffic traffic;
    struct rollout_spec spec;
    struct rollout rollout;
    struct rollout_actions actions;
    struct dispatch *dispatch;
    struct loop_timer wake;
    struct loop_timer retry;
    struct runner_batch batch; /* Not yet stored when `blocked`. */
    bool blocked;
    bool stepping;
    struct runner_waiting *waiting;
    struct rollout_observation *observations;
    char sentence[512];
    char frozen[256];
};

/* "rollout/ID/" and what the format gives: the key of a row. */
void runner_key(const struct runner *, char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
