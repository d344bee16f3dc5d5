/*
 * runner: one rollout's life in the controller: event -> engine -> store -> drivers.
 *
 * Whatever happens to the rollout, the engine takes a step, one transaction stores the event, the
 * changed rows and the decisions, and only then are the actions carried out. When the disk is full
 * nothing goes out and nothing more is taken in until the transaction succeeds; when the store
 * fails otherwise, the process ends and its next start reads the rows anew.
 *
 * A rollout that breaks a promise of the engine (a bug) is frozen: it is reported, its rows stay as
 * they were, and nothing is done on its behalf any more, also not after a restart. The process goes
 * on, and another rollout of the tier may be started.
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

enum { RUNNER_ARENA_MAX = 512 * 1024 * 1024, RUNNER_RETRY_MS = 1000, RUNNER_IDS_MAX = 64 };

struct runner;

struct runner_place {
    struct loop *loop;
    struct store *store;
    const char *config_file; /* Of the running config. */
    const struct host_driver *(*find_driver)(enum config_driver);
    const struct balancer_driver *balancer_driver;
    struct balancer *balancer;
    uint32_t jobs_max;                                            /* On hosts, at once. */
    struct watch *(*find_watch)(void *context, const char *tier); /* NULL: no such tier. */
    /* The store cannot be trusted any more: the process must end. */
    void (*on_store_lost)(void *context, const struct error *);
    /* Once, when it has ended or is frozen, and that is stored. Not from within runner_start(). */
    void (*on_end)(void *context, struct runner *);
    void *context;
};

/*
 * A new rollout: builds its spec, refuses what cannot begin, stores it, and starts it. Takes over
 * no reference: `config_text` is copied into the store and parsed again for the rollout itself.
 */
struct runner *runner_start(const struct runner_place *, const struct rows_head *,
                            struct slice config_text, struct error *);
/* One that the store has, as it was. Does nothing until it is resumed. */
struct runner *runner_load(const struct runner_place *, uint64_t id, struct error *);
/* Goes on with a loaded one: open actions are ordered again. Nothing when it has ended. */
void runner_resume(struct runner *);
/* Instead of resuming it: never again. Not of one that has ended. */
void runner_freeze(struct runner *, const char *why);
/* Accepts NULL. */
void runner_close(struct runner *);

/* The watch of the tier has looked. */
void runner_observe(struct runner *);
/* PAUSE, RESUME or ABORT, by `who`. False with the reason when the engine refuses it. */
bool runner_operate(struct runner *, enum rollout_event_kind, const char *who, struct error *);

const struct rows_head *runner_head(const struct runner *);
const struct rows_traffic *runner_traffic(const struct runner *);
const struct rollout *runner_rollout(const struct runner *);
/* Index of a host in the rollout's spec; ROLLOUT_NO_HOST: it is not among them. */
uint32_t runner_host(const struct runner *, const char *name);
/* Ended or frozen, and that is stored: nothing more will happen. */
bool runner_ended(const struct runner *);
const char *runner_frozen(const struct runner *);   /* Why, or NULL. */
const char *runner_sentence(const struct runner *); /* The last one said; "" before the first. */
/* Time, host and text of each decision from number `since` on, in order, from the store. */
typedef bool runner_said(void *context, struct slice decision_json); /* False: enough. */
bool runner_log(struct store *, uint64_t id, uint64_t since, runner_said *, void *context,
                struct error *);

/*
 * Ids of a store's rollouts, ascending: all that are open, and the newest others, `max` in all (in
 * *count). *last is the greatest id ever given; 0: none. ERROR_LIMIT when more than `max` are open.
 */
bool runner_ids(struct store *, uint64_t *ids, size_t max, size_t *count, uint64_t *last,
                struct error *);
