/*
 * loop: one thread's events: file descriptors, timers, calls from other threads, ended children.
 *
 * Two back ends: the real one is epoll and the monotonic clock; the virtual one has no file
 * descriptors, and its clock jumps to the next timer, so that a day of a controller passes in
 * milliseconds and a run can be replayed. What runs on a loop does not know which it is.
 *
 * All calls but loop_post() belong to the loop's own thread. Callbacks run on that thread, one at a
 * time. A watch is put into epoll once, edge-triggered for in, out and peer-closed, and never
 * modified: its owner keeps track of what is readable and writable. After loop_watch_remove() no
 * callback of that watch runs, also not for events already fetched in this batch, provided that the
 * memory of the watch stays valid until the batch ends: free it with loop_defer().
 */
#pragma once

#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

enum {
    LOOP_READABLE = 1U << 0,
    LOOP_WRITABLE = 1U << 1,
    LOOP_PEER_CLOSED = 1U << 2, /* The peer will send no more: reads end after what is there. */
    LOOP_ERROR = 1U << 3,
};

enum { LOOP_EVENTS_MAX = 256 }; /* Fetched in one batch. */

struct loop_watch {
    int fd; /* Negative once removed. */
    void (*on_event)(struct loop_watch *, uint32_t events);
};

struct loop_timer {
    struct heap_node node;
    void (*on_time)(struct loop_timer *);
};

/* Runs once, at the end of the present batch. */
struct loop_defer {
    struct list node;
    void (*on_defer)(struct loop_defer *);
};

/* A call from another thread. Left alone by its owner until on_post runs, on the loop's thread. */
struct loop_post {
    struct list node;
    void (*on_post)(struct loop_post *);
};

/* A child process, watched by pidfd and reaped here. `wait_status` is as waitpid() gives it. */
struct loop_child {
    struct loop_watch watch;
    struct loop *loop;
    int pid;
    void (*on_exit)(struct loop_child *, int wait_status);
};

struct loop *loop_open(struct error *);
/* A virtual loop whose clocks start at these values. */
struct loop *loop_open_virtual(uint64_t now_ns, uint64_t wall_ms, struct error *);
/* Accepts NULL. Deferred calls still waiting run first. */
void loop_close(struct loop *);

/* Runs until loop_stop(). A virtual loop also returns when nothing is left to happen. */
void loop_run(struct loop *);
/* One batch; waits at most `wait_ms` (-1: until something happens). False once stopped. */
bool loop_run_once(struct loop *, int wait_ms);
void loop_stop(struct loop *);

/* Monotonic time, read once a batch. */
uint64_t loop_now_ns(const struct loop *);
uint64_t loop_now_ms(const struct loop *);
/* Milliseconds since 1970, read once a batch. For people and records, never for waiting. */
uint64_t loop_wall_ms(const struct loop *);

/* The watch's fd must be non-blocking. False: epoll refused. Not on a virtual loop. */
bool loop_watch_add(struct loop *, struct loop_watch *, struct error *);
/* Level-triggered and readable only: listening sockets, pipes read a bit at a time. */
bool loop_watch_add_level(struct loop *, struct loop_watch *, struct error *);
/* Takes it out of epoll and sets watch->fd to -1; closing the fd is the owner's. */
void loop_watch_remove(struct loop *, struct loop_watch *);
/*
 * Takes it out of epoll by closing its fd, a system call less. Only for an fd that has no duplicate
 * anywhere: the kernel forgets a watch when the last one is closed.
 */
void loop_watch_close(struct loop *, struct loop_watch *);

/* Arms or moves a timer. It fires once, in the first batch at or after that time. */
void loop_timer_set(struct loop *, struct loop_timer *, uint64_t at_ns);
void loop_timer_set_in(struct loop *, struct loop_timer *, uint64_t in_ms);
void loop_timer_clear(struct loop *, struct loop_timer *); /* Nothing when it is not armed. */

static inline bool loop_timer_armed(const struct loop_timer *timer)
{
    return heap_contains(&timer->node);
}

void loop_defer(struct loop *, struct loop_defer *);
/* Thread-safe, and the only call that is. */
void loop_post(struct loop *, struct loop_post *);

bool loop_child_watch(struct loop *, struct loop_child *, int pid, struct error *);
void loop_child_unwatch(struct loop_child *); /* The child is then somebody else's to reap. */
