/*
 * dispatch: carries out the engine's actions with the drivers, and reports each exactly once.
 *
 * One dispatch a rollout. Actions on traffic go to the balancer driver, actions on hosts to each
 * host's driver; WAIT_BACK is a chain of FACTS until another boot_id answers. Nothing here decides:
 * results go back as they came.
 *
 * The engine waits for a report until a little after its deadline, then orders what comes next. A
 * driver that is slower than that is told to give up: what it began on the machine goes on there,
 * its report is never seen.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "control/rows.h"
#include "drive/balancer.h"
#include "drive/host.h"
#include "os/loop.h"
#include "rollout/rollout.h"

struct dispatch;

/* What an INSTALL replaced, in full: what PUT_BACK needs. NULL otherwise. Borrowed. */
struct dispatch_result {
    uint32_t host;
    uint64_t action_id;
    struct rollout_result result;
    const char *replaced;
};

typedef void dispatch_done(void *context, const struct dispatch_result *);

struct dispatch_start {
    struct arena *arena; /* Of the rollout; the drivers take from it. */
    struct loop *loop;
    const struct config *config; /* The pinned one. */
    const struct config_tier *tier;
    const struct rows_head *head;
    const struct host_driver *(*find_driver)(enum config_driver); /* NULL: there is none. */
    const struct balancer_driver *balancer_driver;
    struct balancer *balancer; /* Outlives the dispatch. */
    uint32_t jobs_max;         /* On hosts, at once; more wait for their turn. */
    uint64_t token;            /* Fencing: of this controller's life. */
    dispatch_done *on_done;
    void *context;
};

struct dispatch *dispatch_open(const struct dispatch_start *, struct error *);
/* Accepts NULL. What was begun on hosts goes on there; nothing is reported any more. */
void dispatch_close(struct dispatch *);

/* `versions`: of PUT_BACK, what INSTALL replaced; copied. on_done follows from the loop. */
void dispatch_order(struct dispatch *, const struct rollout_action *, const char *versions);
