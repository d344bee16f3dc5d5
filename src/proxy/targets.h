/*
 * targets: every host that traffic can go to, what it may get, and what it got.
 *
 * Two sides meet here. The main thread decides: weights set by an operator, health, slow start; it
 * publishes the result as an immutable snapshot with a generation. Each worker thread picks hosts
 * by the snapshot it has taken over, acknowledges its generation, and counts. Nothing else crosses
 * between threads, and no two threads write one cache line while requests run.
 *
 * A target is a host of a tier, numbered through all tiers in config order: tier t owns the targets
 * first .. first + count - 1.
 *
 * The promise that updates rest on: a host is `drained` when weight 0 was published for it at
 * generation G, every worker has acknowledged G or later, and then its summed in-flight count is 0.
 * In flight runs from targets_take() to targets_end(): the whole of a try, tunnels and retries
 * included. A worker acknowledges after its picks obey the snapshot, with release order; the main
 * thread reads the counts after the acknowledgements, with acquire order. So no later request can
 * reach a drained host until its weight is raised again.
 */
#pragma once

#include "balance/pick.h"
#include "base/error.h"
#include "base/histogram.h"
#include "config/config.h"
#include "os/loop.h"
#include "os/socket.h"
#include "proxy/counter.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TARGETS_WORKERS_MAX = 256 };

#define TARGET_NONE UINT32_MAX
/* As a weight to set: the override ends, the config's weight holds again. */
#define TARGET_WEIGHT_RESTORED UINT32_MAX

struct targets;
struct targets_worker;

/* One target as a snapshot has it. */
enum {
    TARGET_UP = 1U << 0,               /* Healthy, or not checked. */
    TARGET_DRAINING = 1U << 1,         /* Its weight was set to 0: idle connections are closed. */
    TARGET_CLOSE_LONG_LIVED = 1U << 2, /* Draining, and its tunnels are to be ended politely. */
};

/* How one try at a host ended. */
enum target_end {
    TARGET_END_ANSWERED,       /* A whole answer, or a tunnel that ran its course. */
    TARGET_END_CONNECT_FAILED, /* Refused, unreachable, or not connected in time. */
    TARGET_END_RESET,          /* Closed or reset before a whole head of an answer came. */
    TARGET_END_TIMEOUT,        /* No answer in time. */
    TARGET_END_BAD_ANSWER,     /* What came is not HTTP/1.1, or over a limit. */
    TARGET_END_TRUNCATED,      /* The answer ended before its body did. */
    TARGET_END_CLIENT_GONE,    /* The client went away first: not the host's fault. */
    TARGET_END_UNUSED,         /* Nothing was sent on a pooled connection that was closed already:
                                  not counted as a request. */
    TARGET_END_COUNT,
};

struct target_result {
    enum target_end end;
    bool retried;       /* The request goes on at another try: users do not see this one. */
    uint16_t status;    /* Final status of the answer, 0 when none came. 101 for a tunnel. */
    uint64_t bytes_in;  /* From the client to the host, bodies and tunnels. */
    uint64_t bytes_out; /* From the host to the client. */
};

/* What one worker counted for one target. Written by that worker alone. */
struct target_counters {
    _Alignas(COUNTER_LINE_BYTES) counter in_flight;
    counter requests;   /* Tries that ended, but for TARGET_END_UNUSED. */
    counter failures;   /* 5xx answers and ends from CONNECT_FAILED to TRUNCATED. */
    counter classes[5]; /* Answers by status: 1xx (tunnels) to 5xx. */
    counter bytes_in;
    counter bytes_out;
    counter retried; /* Tries given up for another. */
    counter streak;  /* Failed connects and resets since the last answer. */
    counter connect_failed;
    counter reset;
    counter timeout;
    counter bad; /* Bad or truncated answers. */
};

/* How a request ended for its user. */
struct tier_result {
    uint64_t latency_us; /* From the head's first byte to the answer's last one. */
    bool failed;         /* 5xx made by the host or by nines, or truncated. */
    bool tunnel;         /* Its latency is not counted. */
};

struct tier_counters {
    _Alignas(COUNTER_LINE_BYTES) counter requests;
    counter failed;
    counter held;         /* Had to wait for a host. */
    counter hold_expired; /* 503 after the wait, or with too many waiting. */
    counter retries;
    counter retries_refused;  /* The budget was used up. */
    struct histogram latency; /* Microseconds. */
};

/* What belongs to no tier. */
struct worker_counters {
    _Alignas(COUNTER_LINE_BYTES) counter connections; /* Accepted since the start. */
    counter connections_open;
    counter connections_shed; /* Closed at once: over limits.connections, or no fd left. */
    counter requests_refused; /* Answered by nines before a tier was chosen: 400, 431, ... */
    counter client_aborts;
    counter tunnels_open;
    counter upstream_connects;
    counter upstream_idle; /* Pooled connections. */
};

/* --- A worker's side. All calls on the worker's own thread, but for targets_worker_attach(). ---
 */

/*
 * Makes worker `index` a reader of snapshots, before its thread starts. `on_change` runs on its
 * loop after each new snapshot was taken over, just before it is acknowledged: the place to wake
 * held requests, close idle connections of draining targets, end tunnels. NULL when memory is out.
 */
struct targets_worker *targets_worker_attach(struct targets *, uint32_t index, struct loop *,
                                             void (*on_change)(void *context), void *context,
                                             struct error *);
/* After its thread was joined: nothing waits for its acknowledgement any more. Accepts NULL. */
void targets_worker_detach(struct targets_worker *);

/*
 * Picks a target of the tier and counts one try in flight on it until targets_end(). `tried` (may
 * be NULL) belongs to one request and one tier, zero at first: it remembers the picks, and none is
 * picked again while another host can take the request. TARGET_NONE: no target can take it now
 * (hold it). `now_ms` is the loop's time.
 */
uint32_t targets_take(struct targets_worker *, size_t tier, struct pick_tried *tried,
                      uint64_t now_ms);
/* Ends the try: exactly once after each targets_take(). */
void targets_end(struct targets_worker *, uint32_t target, const struct target_result *);

/* Whether the tier's budget has a retry left; if so it is spent. */
bool targets_may_retry(struct targets_worker *, size_t tier, uint64_t now_ms);

/* Whether any target of the tier can be picked now. */
bool targets_available(const struct targets_worker *, size_t tier);

/* TARGET_* bits as this worker's snapshot has them. */
uint32_t targets_flags(const struct targets_worker *, uint32_t target);

/* One request of a user ended. */
void targets_request_end(struct targets_worker *, size_t tier, const struct tier_result *);

/*
 * Holding: at most hold.requests of a tier wait at once, over all threads. False: too many, answer
 * 503 (counted in hold_expired). A wait that began ends with targets_hold_end().
 */
bool targets_hold_begin(struct targets_worker *, size_t tier);
void targets_hold_end(struct targets_worker *, size_t tier, bool expired);

struct worker_counters *targets_worker_counters(struct targets_worker *);

/* --- Either side: what does not change while the process runs. --- */

uint32_t targets_count(const struct targets *);
uint32_t targets_tier_first(const struct targets *, size_t tier);
uint32_t targets_tier_count(const struct targets *, size_t tier);
size_t targets_tier_of(const struct targets *, uint32_t target);
const struct config_host *targets_host(const struct targets *, uint32_t target);
const struct socket_address *targets_address(const struct targets *, uint32_t target);
const struct config *targets_config(const struct targets *);

/* --- The main thread's side. --- */

/*
 * Takes a reference to the config and resolves every host's address (names: once, blocking). All
 * hosts start up, standbys at weight 0. `loop` is the main thread's: reports of workers arrive on
 * it. NULL: memory, or an address that cannot be resolved.
 */
struct targets *targets_open(struct config *, uint32_t worker_count, struct loop *, struct error *);
/* All workers detached. Accepts NULL. */
void targets_close(struct targets *);

/* Told of everything that changes; called on the main thread. Texts are borrowed. */
enum target_change {
    TARGET_CHANGE_WEIGHT,  /* Override set or restored. */
    TARGET_CHANGE_UP,      /* Healthy again. */
    TARGET_CHANGE_DOWN,    /* Unhealthy. */
    TARGET_CHANGE_DRAINED, /* Nothing in flight, nothing will come. */
    TARGET_CHANGE_FULL,    /* Slow start is over. */
};
typedef void targets_observer(void *context, uint32_t target, enum target_change);
void targets_observe(struct targets *, targets_observer *, void *context);

/* 0 to 1000, or TARGET_WEIGHT_RESTORED. Published at once. False when memory is out. */
bool targets_set_weight(struct targets *, uint32_t target, uint32_t weight, struct error *);
/* Only while it drains; ends by itself when the weight is raised. */
bool targets_close_long_lived(struct targets *, uint32_t target, struct error *);
/* The result of one active check; `text` says what was seen, in a few words. */
void targets_check(struct targets *, uint32_t target, bool passed, const char *text);

enum target_state {
    TARGET_STATE_UP,
    TARGET_STATE_DOWN,
    TARGET_STATE_DRAINING,
    TARGET_STATE_DRAINED
};
const char *target_state_name(enum target_state);

enum { TARGET_CHECK_TEXT_MAX = 96 };

struct target_status {
    enum target_state state;
    bool healthy;
    bool drained;
    bool overridden;
    bool slow_start;           /* Its weight is still rising. */
    uint32_t override;         /* When overridden. */
    uint32_t effective_weight; /* In thousandths. */
    uint64_t generation;       /* The one that published its present weight. */
    uint64_t in_flight;
    uint64_t requests;
    uint64_t failures;
    uint64_t classes[5];
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t retried;
    uint64_t connect_failed;
    uint64_t reset;
    uint64_t timeout;
    uint64_t bad;
    char check[TARGET_CHECK_TEXT_MAX]; /* The last check, "" before the first. */
};
void targets_status(const struct targets *, uint32_t target, struct target_status *);

struct tier_status {
    double serving_capacity; /* Effective weights of healthy hosts / configured weights. */
    uint64_t requests;
    uint64_t failed;
    uint64_t held;
    uint64_t hold_expired;
    uint64_t holding; /* Waiting now. */
    uint64_t retries;
    uint64_t retries_refused;
    double requests_per_second; /* Over the last ten seconds, as the quantiles. */
    uint64_t latency_p50_us;
    uint64_t latency_p99_us;
    uint64_t latency_sum_us; /* Since the start. */
    uint64_t latency_count;
};
void targets_tier_status(const struct targets *, size_t tier, struct tier_status *);

/* Sums over all workers. */
struct worker_totals {
    uint64_t connections;
    uint64_t connections_open;
    uint64_t connections_shed;
    uint64_t requests_refused;
    uint64_t client_aborts;
    uint64_t tunnels_open;
    uint64_t upstream_connects;
    uint64_t upstream_idle;
};
void targets_worker_totals(const struct targets *, struct worker_totals *);

/* Of the newest snapshot, and the oldest one that some worker still obeys. */
uint64_t targets_generation(const struct targets *);
uint64_t targets_acknowledged(const struct targets *);
