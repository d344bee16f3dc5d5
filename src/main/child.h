/*
 * child: one child process of the parent: started, watched, started again.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct child {
    const char *name; /* "balancer": also the subcommand, child-balancer. */
    struct loop *loop;
    struct loop_child process;
    struct loop_timer restart;
    uint64_t started_ms;
    uint32_t restart_ms; /* The pause before the next start. */
    uint32_t starts;
    bool running;
    bool stopping; /* Not to be started again. */
    bool proven;   /* It has run for PARENT_YOUNG_MS once. */
    int status;    /* Exit status of the last end; 128 + signal. */
    /* Starts the process and returns its pid, or -1. */
    int (*start)(struct child *, struct error *);
    /* It ended and will not be started again: stopped, or it said at its first start that it
     * cannot. */
    void (*on_over)(struct child *);
    void *context;
};

bool child_start(struct child *, struct error *);
/* SIGTERM now; on_over follows. */
void child_stop(struct child *);
/* SIGKILL. */
void child_kill(const struct child *);

/*
 * Fds are handed to a child as words "name=3,4,5". child_fds_add() writes one; child_fds_take()
 * reads them back in the child, setting close-on-exec again; it returns how many (at most max), or
 * -1 when the word is missing or malformed.
 */
void child_fds_add(struct text *, const char *name, const int *fds, size_t count);
int child_fds_take(const char *const *words, size_t word_count, const char *name, int *fds,
                   size_t max);
