/*
 * runner: one rollout's life in the controller: event -> engine -> store -> drivers.
 *
 * Everything that happens to the rollout goes through runner_event(): the engine takes a step, one
 * transaction stores the event, the changed rows and the decisions, and only then are the actions
 * carried out. When the disk is full nothing goes out and nothing more is taken in until the
 * transaction succeeds; when the store fails otherwise, the process ends and its next start reads
 * the rows anew.
 *
 * A rollout that breaks a promise of the engine (a bug) is frozen: it is reported, its rows stay as
 * they were, and nothing is done on its behalf any more. The process goes on.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "config/config.h"
#include "control/dispatch.h"
#include "control/rows.h"
#include "control/watch.h"
#include "drive/store.h"
#include "os/loop.h"
#include "rollout/rollout.h"

#include <stdbool.h>

enum { RUNNER_ARENA_MAX = 512 * 1024 * 1024, RUNNER_RETRY_MS = 1000 };

struct runner;

struct runner_place {
    struct loop *loop;
    struct store *store;
    const struct balancer_driver *balancer_driver;
    struct balancer *balancer;
    struct watch *(*find_watch)(void *context, const char *tier); /* NULL: no such tier. */
    /* The store cannot be trusted any more: the process must end. */
    void (*on_store_lost)(void *context, const struct error *);
    void (*on_end)(void *context, struct runner *);
    void *context;
};

/*
 * A new rollout: builds its spec, refuses what cannot begin, stores it, and starts it. Takes over
 * no reference: `config_text` is copied into the store and parsed again for the rollout itself.
 */
struct runner *runner_start(const struct runner_place *, const struct rows_head *,
                            const char *config_file, struct slice config_text, struct error *);
/* One that the store has: resumes it where it was, or just keeps it for show when it has ended. */
struct runner *runner_load(const struct runner_place *, uint64_t id, struct error *);
/* Accepts NULL. */
void runner_close(struct runner *);

/* The watch of the tier has looked. */
void runner_observe(struct runner *);
/* PAUSE, RESUME or ABORT, by `who`. False with the reason when the engine refuses it. */
bool runner_operate(struct runner *, enum rollout_event_kind, const char *who, struct error *);

const struct rows_head *runner_head(const struct runner *);
const struct rows_traffic *runner_traffic(const struct runner *);
const struct rollout *runner_rollout(const struct runner *);
bool runner_ended(const struct runner *);           /* Ended or frozen: nothing more will happen. */
const char *runner_frozen(const struct runner *);   /* Why, or NULL. */
const char *runner_sentence(const struct runner *); /* The last one said; "" before the first. */
/* Time, host and text of each decision from number `since` on, in order, from the store. */
typedef bool runner_said(void *context, struct slice decision_json);
bool runner_log(const struct runner *, uint64_t since, runner_said *, void *context,
                struct error *);

/* Ids of all rollouts of a store, ascending. */
bool runner_ids(struct store *, uint64_t *ids, size_t max, size_t *count, struct error *);
