/*
 * rollout: the update engine. What happened goes in as an event, what to do comes out as data.
 *
 * The controller calls rollout_step() with one event at a time and carries out the actions it gets
 * back. The engine has no clock (time is a field of the event), no memory of its own (all arrays
 * are the caller's, sized by the number of hosts) and does no I/O. A step costs the same with 8
 * hosts and with 400,000: work is per event and per host that the event concerns.
 *
 * The contract with the controller:
 *   - One transaction stores the event, every row that the step changed (dirty_rows, and the
 *     rollout's own row if dirty_row), the decisions and the ids of the actions; only then do the
 *     actions go out.
 *   - Each action ends in exactly one ACTION_DONE with its id, at the latest at its deadline.
 *     Reports that are late, doubled or unknown are ignored. When a host or balancer cannot be
 *     reached, the engine orders the action again under the same id; whoever carries it out must
 *     not do the work twice for one id.
 *   - A host has at most one open action at any moment.
 *   - After a restart: load the rows, rollout_load(), then the event RESTART; all open actions are
 *     ordered again under their ids.
 *   - When a step ends with `more`, call it again with CONTINUE and the same time.
 *   - Send OBSERVE about once a second, and TICK no later than wake_at_ms.
 *
 * The engine's promises, checked by rollout_check() and by the tests:
 *   - no order of ours takes serving capacity under the floor, or the last serving host, or more
 *     hosts than max_unavailable (hosts already down or quarantined included), or hosts of a second
 *     zone (failure_domain), or a second member of a replica group;
 *   - a failed host stops the rollout: nobody else is touched;
 *   - every rollout that ends has every host verified new, verified old, untouched or quarantined
 *     with a reason.
 *
 * The time of an OBSERVE is the moment the balancer was asked, so that an answer that crossed an
 * order on its way is not mistaken for its result.
 *
 * Times are milliseconds of the wall clock since 1970; ratios are parts per million; weights are in
 * thousandths ("milli"), so that a host in slow start has a weight between 0 and its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ROLLOUT_ACTIONS_MAX = 64,   /* Of one step; past it, `more`. */
    ROLLOUT_DECISIONS_MAX = 64, /* The same. */
    ROLLOUT_VERSION_MAX = 64,   /* Bytes, with the NUL. */
    ROLLOUT_BOOT_ID_MAX = 40,
    ROLLOUT_TEXT_MAX = 160, /* What a driver says about a result; longer is cut. */
    ROLLOUT_PPM = 1000000,
    ROLLOUT_MILLI = 1000,
};

#define ROLLOUT_NO_HOST  UINT32_MAX
#define ROLLOUT_NEVER_MS UINT64_MAX

/* ---- What is to be done: pinned when the rollout starts, never changed afterwards. ---- */

enum rollout_strategy_kind { ROLLOUT_ROLLING };
enum rollout_reboot { ROLLOUT_REBOOT_NEVER, ROLLOUT_REBOOT_WHEN_REQUIRED, ROLLOUT_REBOOT_ALWAYS };
enum rollout_long_lived { ROLLOUT_LONG_LIVED_WAIT, ROLLOUT_LONG_LIVED_CLOSE };
enum rollout_on_failure { ROLLOUT_ON_FAILURE_REVERT, ROLLOUT_ON_FAILURE_PAUSE };

/* A share (`20%`, value in PPM) or a plain count (`3`). */
struct rollout_amount {
    bool percent;
    uint32_t value;
};

struct rollout_host_spec {
    const char *name;
    uint32_t zone;   /* Index into rollout_spec.zones; any when there are none. */
    uint32_t group;  /* Replica group, from 1; 0: none. Members share the number. */
    uint32_t weight; /* As configured, 1 to 1000. */
    bool driver;     /* Something can act on it. Without: the rollout is refused. */
    bool chosen;     /* False: left out by --only. It still counts for capacity. */
    bool cordoned;   /* Drained by an operator beforehand: updated, but left at weight 0. */
};

/* Borrowed by struct rollout until it is no longer used; so is everything it points to. */
struct rollout_spec {
    const char *tier;
    const char *to_version; /* NULL or "": the newest that the driver finds (facts.candidate). */
    enum rollout_strategy_kind strategy;

    const struct rollout_host_spec *hosts; /* Standbys are not among them. */
    uint32_t host_count;
    const char *const *zones; /* Names, for the narration. */
    uint32_t zone_count;
    uint32_t group_count; /* The largest group number. */

    struct rollout_amount max_unavailable; /* Rounds down; 0 becomes 1. */
    uint32_t first_batch_max; /* Until a host that was well when taken is verified; 0: no limit. */
    bool floor_given;
    uint32_t floor_ppm;  /* Not given: what max_unavailable leaves. */
    bool failure_domain; /* Never two zones disturbed at once. */

    uint32_t drain_timeout_ms;
    enum rollout_long_lived long_lived;
    bool install; /* False: nothing is installed, only rebooted (`install: reboot`). */
    uint32_t install_timeout_ms;
    enum rollout_reboot reboot;
    uint32_t reboot_deadline_ms; /* From the order until it answers with a new boot_id. */
    uint32_t min_ready_ms;
    uint32_t healthy_deadline_ms; /* From installed (rebooted) until healthy for min_ready. */
    uint32_t slow_start_ms;       /* The balancer's; the engine only waits for it to end. */
    uint32_t soak_ms;             /* At full weight. */
    uint32_t error_ratio_max_ppm; /* How much over the compared hosts' ratio is tolerated. */
    enum rollout_on_failure on_failure;

    uint32_t facts_timeout_ms;     /* Reading versions and boot_id. */
    uint32_t weight_timeout_ms;    /* Telling the balancer(s) a weight. */
    uint32_t observe_age_max_ms;   /* Older news from the balancer: nobody new is taken. */
    uint32_t progress_deadline_ms; /* No host can be taken for so long: the rollout pauses. */
};

/* Sets the times that a config does not hold to what nines uses, e.g. facts_timeout_ms. */
void rollout_spec_defaults(struct rollout_spec *);

/* max_unavailable in hosts: rounded down, and at least 1 (surge is a later strategy's matter). */
uint32_t rollout_unavailable_max(struct rollout_amount, uint32_t host_count);
/* The floor that holds: the given one, or what the heaviest max_unavailable hosts leave. */
uint32_t rollout_floor_ppm(const struct rollout_spec *);

/* ---- The rows: what the store keeps. ---- */

enum rollout_phase {
    ROLLOUT_NEW,
    ROLLOUT_RUNNING,
    ROLLOUT_PAUSED,
    ROLLOUT_VERIFYING, /* Running, and every host that is taken is past its installation. */
    ROLLOUT_REVERTING, /* It failed or was aborted: what was taken is brought to a safe end. */
    ROLLOUT_DONE,
    ROLLOUT_ABORTED,
    ROLLOUT_FAILED,
    ROLLOUT_PHASES
};

enum rollout_host_phase {
    ROLLOUT_HOST_PENDING,      /* Not taken (yet, or given back). */
    ROLLOUT_HOST_CHECKING,     /* Its facts are read; nothing is disturbed. */
    ROLLOUT_HOST_DRAINING,     /* Weight 0 ordered; until drained. */
    ROLLOUT_HOST_INSTALLING,   /* The new version, or with goal BACK the old one. */
    ROLLOUT_HOST_REBOOTING,    /* The order to reboot is out. */
    ROLLOUT_HOST_RETURNING,    /* Until it answers with a new boot_id. */
    ROLLOUT_HOST_READING,      /* Version and boot_id are read back. */
    ROLLOUT_HOST_SETTLING,     /* At weight 0 until healthy for min_ready. */
    ROLLOUT_HOST_RESTORING,    /* Its weight rises. */
    ROLLOUT_HOST_SOAKING,      /* Full weight, judged by real traffic. */
    ROLLOUT_HOST_VERIFIED_NEW, /* From here on: ends. */
    ROLLOUT_HOST_VERIFIED_OLD, /* The old version was put back and is healthy. */
    ROLLOUT_HOST_UNTOUCHED,
    ROLLOUT_HOST_QUARANTINED, /* Left as it is, by name and with a reason. */
    ROLLOUT_HOST_PHASES
};

enum rollout_goal {
    ROLLOUT_GOAL_FORWARD, /* To the new version. */
    ROLLOUT_GOAL_BACK,    /* Back to the old version. */
    ROLLOUT_GOAL_LEAVE,   /* Only drained so far: its weight is restored, nothing else. */
    ROLLOUT_GOAL_KEEP,    /* Failed, and kept at weight 0 as it is (on_failure: pause). */
};

enum rollout_action_kind {
    ROLLOUT_NO_ACTION,
    ROLLOUT_FACTS,            /* Host: read version, candidate, boot_id, reboot_required. */
    ROLLOUT_SET_WEIGHT,       /* Balancer: `weight`, or back to the config's (restore). */
    ROLLOUT_CLOSE_LONG_LIVED, /* Balancer: end this host's long-lived connections politely. */
    ROLLOUT_INSTALL,          /* Host: `version`, "" for the newest. */
    ROLLOUT_PUT_BACK,         /* Host: `version`, what INSTALL `undoes` had replaced. */
    ROLLOUT_REBOOT,           /* Host: give the order; OK means it was accepted. */
    ROLLOUT_WAIT_BACK,        /* Host: OK, with facts, once it answers with another boot_id. */
    ROLLOUT_ACTION_KINDS
};

/* The action a host is waiting for. */
struct rollout_open {
    uint64_t id; /* 0: none is open. */
    enum rollout_action_kind kind;
    uint32_t sent; /* How many times it was ordered. */
    uint64_t ordered_ms;
    uint64_t deadline_ms;
    uint64_t resend_ms; /* When it is ordered again; ROLLOUT_NEVER_MS: not. */
};

/* Two arms of a comparison. */
struct rollout_counts {
    uint64_t requests;
    uint64_t failures;
};

/* One host's row. Plain data without pointers. */
struct rollout_host {
    enum rollout_host_phase phase;
    enum rollout_goal goal;
    uint32_t batch;     /* In which it was taken, from 1; 0: never. */
    bool was_ill;       /* When it was taken. */
    bool weight_zero;   /* We ordered weight 0 and did not restore it. */
    bool long_lived;    /* CLOSE_LONG_LIVED was ordered in this drain. */
    bool drain_late;    /* Past its drain timeout, and said so. */
    bool drain_wanted;  /* Serves a version that failed elsewhere; drained when the floor allows. */
    bool install_due;   /* By its facts, there is something to install. */
    bool install_begun; /* INSTALL was ordered: the version can no longer be taken for granted. */
    bool rebooted;      /* REBOOT was ordered while going forward. */
    bool reboot_due;    /* After the last installation, by policy and facts. */
    bool put_back;      /* PUT_BACK was done. */
    bool ill_said;      /* The narration named it as ill. */

    uint64_t since_ms; /* When it entered the phase. */
    uint64_t taken_ms;
    uint64_t ended_ms;
    uint64_t acked_ms;         /* When the balancer confirmed its last weight. */
    uint64_t drained_ms;       /* When it was seen drained. */
    uint64_t rebooted_ms;      /* When the last order to reboot went out. */
    uint64_t deadline_ms;      /* Of the phase; ROLLOUT_NEVER_MS: the open action's alone. */
    uint64_t healthy_since_ms; /* While settling; 0: not healthy. */
    struct rollout_open open;
    uint64_t install_id; /* Of the last INSTALL. */

    struct rollout_counts window;  /* Since its weight was restored. */
    struct rollout_counts compare; /* Hosts not yet updated, since then. */
    struct rollout_counts peers;   /* Verified hosts, since then. */
    struct rollout_counts before;  /* Its own record from the start until it was taken. */
    uint32_t looks;                /* How often the judge has looked at it. */
    uint64_t failures_looked;      /* What the judge has seen. */

    char version_before[ROLLOUT_VERSION_MAX];
    char version_wanted[ROLLOUT_VERSION_MAX];
    char version_after[ROLLOUT_VERSION_MAX]; /* The last one read. */
    char boot_id_before[ROLLOUT_BOOT_ID_MAX];
    char boot_id_after[ROLLOUT_BOOT_ID_MAX]; /* The last one read. */
    char kernel[ROLLOUT_VERSION_MAX];
    char reason[ROLLOUT_TEXT_MAX]; /* Why it was put back or quarantined; "" otherwise. */
};

enum rollout_stop { ROLLOUT_STOP_NONE, ROLLOUT_STOP_FAILED, ROLLOUT_STOP_ABORTED };
enum rollout_pause {
    ROLLOUT_PAUSE_NONE,
    ROLLOUT_PAUSE_OPERATOR,
    ROLLOUT_PAUSE_DRAIN,   /* `long_lived: wait`, and the drain timeout has passed. */
    ROLLOUT_PAUSE_STALLED, /* The progress deadline has passed. */
    ROLLOUT_PAUSE_FAILURE, /* `on_failure: pause`. */
};

/* The rollout's own row. Plain data without pointers. */
struct rollout_row {
    enum rollout_phase phase;
    enum rollout_stop stop;
    enum rollout_pause pause;
    uint32_t batch;        /* The last one begun. */
    bool proven;           /* A host that was well when taken is verified. */
    uint32_t blocked_said; /* Bits: reasons for taking nobody that were said already. */
    uint64_t blocked_ms;   /* Since when nobody can be taken; 0: not so. */
    uint64_t started_ms;
    uint64_t ended_ms;
    uint64_t now_ms; /* Of the last event; never goes back. */
    uint64_t next_action_id;
    uint64_t next_decision;
    uint32_t capacity_least_ppm;   /* The least serving capacity seen since the start. */
    char reason[ROLLOUT_TEXT_MAX]; /* Why it is paused or failed. */
};

/* ---- What happens: events. ---- */

struct rollout_facts {
    char version[ROLLOUT_VERSION_MAX];   /* Installed; "" where the method has no version. */
    char candidate[ROLLOUT_VERSION_MAX]; /* What INSTALL without a version would bring. */
    char boot_id[ROLLOUT_BOOT_ID_MAX];
    char kernel[ROLLOUT_VERSION_MAX];
    bool reboot_required;
    bool checked; /* The method has a check of its own, and `current` is its answer. */
    bool current; /* What is wanted is there already. */
};

enum rollout_result_code {
    ROLLOUT_OK,
    ROLLOUT_ACTION_FAILED, /* It was tried and did not work. */
    ROLLOUT_UNREACHABLE,   /* Not known whether it was done; the same id may be sent again. */
    ROLLOUT_TIMEOUT,       /* Its deadline has passed. */
    ROLLOUT_REFUSED,       /* Not done: by policy of the driver or host, or an old token. */
};

struct rollout_result {
    enum rollout_result_code code;
    struct rollout_facts facts; /* FACTS, INSTALL, PUT_BACK, WAIT_BACK when OK. */
    const char *text;           /* Why not; NULL or "" when there is nothing to say. */
};

/* What the balancer (all of them together) says about one host. */
struct rollout_observation {
    uint32_t host;
    bool healthy;
    bool drained;          /* As the balancer defines it: a fact, not an estimate. */
    uint32_t weight_milli; /* Effective: 0 while drained, rising in slow start. */
    uint64_t in_flight;
    uint64_t requests; /* Since the balancer started. */
    uint64_t failures;
};

enum rollout_event_kind {
    ROLLOUT_START,
    ROLLOUT_CONTINUE, /* After `more`. */
    ROLLOUT_TICK,
    ROLLOUT_OBSERVE,
    ROLLOUT_ACTION_DONE,
    ROLLOUT_PAUSE,
    ROLLOUT_RESUME,
    ROLLOUT_ABORT,
    ROLLOUT_RESTART, /* The controller came back: open actions are ordered again. */
};

struct rollout_event {
    enum rollout_event_kind kind;
    uint64_t time_ms;
    /* OBSERVE: any number of hosts; those left out are as they were. */
    bool balancer_reachable;
    const struct rollout_observation *observations;
    uint32_t observation_count;
    /* ACTION_DONE */
    uint32_t host;
    uint64_t action_id;
    struct rollout_result result;
    /* PAUSE, RESUME, ABORT: who and why, for the narration; may be NULL. */
    const char *text;
};

/* ---- What to do: actions, decisions. ---- */

struct rollout_action {
    uint64_t id; /* Unique in this rollout; the same when it is ordered again. */
    enum rollout_action_kind kind;
    uint32_t host;
    bool again; /* Ordered before under this id. */
    uint64_t deadline_ms;
    bool restore;                      /* SET_WEIGHT: the config's weight, not `weight`. */
    uint32_t weight;                   /* SET_WEIGHT: 0. */
    uint64_t undoes;                   /* PUT_BACK: the id of the INSTALL. */
    char version[ROLLOUT_VERSION_MAX]; /* INSTALL, PUT_BACK. */
    char boot_id[ROLLOUT_BOOT_ID_MAX]; /* REBOOT, WAIT_BACK: the one to get rid of. */
};

/* Codes of decisions: see narrate.c for the sentence of each and what its arguments mean. */
enum rollout_code {
    ROLLOUT_SAY_NOTHING,
    ROLLOUT_SAY_STARTED,
    ROLLOUT_SAY_REFUSED_ONE_HOST,
    ROLLOUT_SAY_REFUSED_FLOOR,
    ROLLOUT_SAY_REFUSED_NO_DRIVER,
    ROLLOUT_SAY_TAKEN_ILL,
    ROLLOUT_SAY_CURRENT,
    ROLLOUT_SAY_DRAINING,
    ROLLOUT_SAY_INSTALLING,
    ROLLOUT_SAY_REBOOT_ONLY,
    ROLLOUT_SAY_DRAIN_WAITS,
    ROLLOUT_SAY_DRAIN_CLOSES,
    ROLLOUT_SAY_DRAIN_CUT,
    ROLLOUT_SAY_INSTALLED,
    ROLLOUT_SAY_BACK,
    ROLLOUT_SAY_READ_BACK,
    ROLLOUT_SAY_RESTORED,
    ROLLOUT_SAY_LEFT_CORDONED,
    ROLLOUT_SAY_SOAKING,
    ROLLOUT_SAY_VERIFIED,
    ROLLOUT_SAY_VERIFIED_NO_DATA,
    ROLLOUT_SAY_VERIFIED_ALONE,
    ROLLOUT_SAY_GIVEN_BACK,
    ROLLOUT_SAY_FAILED,
    ROLLOUT_SAY_PUTTING_BACK,
    ROLLOUT_SAY_PUT_BACK,
    ROLLOUT_SAY_VERIFIED_OLD,
    ROLLOUT_SAY_QUARANTINED,
    ROLLOUT_SAY_SENT_AGAIN,
    ROLLOUT_SAY_ILL,
    ROLLOUT_SAY_BLOCKED_UNAVAILABLE,
    ROLLOUT_SAY_BLOCKED_FLOOR,
    ROLLOUT_SAY_BLOCKED_LAST,
    ROLLOUT_SAY_BLOCKED_ZONE,
    ROLLOUT_SAY_BLOCKED_GROUP,
    ROLLOUT_SAY_BLOCKED_SILENT,
    ROLLOUT_SAY_PAUSED,
    ROLLOUT_SAY_PAUSED_STALLED,
    ROLLOUT_SAY_RESUMED,
    ROLLOUT_SAY_RESUMED_DRAINED,
    ROLLOUT_SAY_ABORTING,
    ROLLOUT_SAY_RESTARTED,
    ROLLOUT_SAY_DONE,
    ROLLOUT_SAY_ABORTED,
    ROLLOUT_SAY_ENDED_FAILED,
    ROLLOUT_CODES
};

enum { ROLLOUT_NUMBERS_MAX = 6 };

/* One decision, as data. Plain data without pointers: it can be stored and rendered later. */
struct rollout_decision {
    uint64_t number; /* From 1, without gaps. */
    uint64_t time_ms;
    enum rollout_code code;
    uint32_t host; /* ROLLOUT_NO_HOST: the rollout as a whole. */
    uint64_t numbers[ROLLOUT_NUMBERS_MAX];
    char version[ROLLOUT_VERSION_MAX];
    char text[ROLLOUT_TEXT_MAX];
};

/* Why an operator's event was refused; nothing was changed then. */
enum rollout_refusal {
    ROLLOUT_ACCEPTED,
    ROLLOUT_REFUSED_ENDED,      /* The rollout has ended. */
    ROLLOUT_REFUSED_NOT_PAUSED, /* RESUME. */
    ROLLOUT_REFUSED_PAUSED,     /* PAUSE of a paused one. */
    ROLLOUT_REFUSED_STOPPING,   /* It is being brought to its end already. */
};

/* What a step gives back. About 40 KiB: keep one per controller, not on small stacks. */
struct rollout_actions {
    uint32_t count;
    uint32_t decision_count;
    bool more;      /* Call again with CONTINUE. */
    bool dirty_row; /* The rollout's own row changed. */
    enum rollout_refusal refusal;
    uint64_t wake_at_ms; /* Send TICK no later; ROLLOUT_NEVER_MS: nothing to wait for. */
    uint32_t dirty_count;
    const uint32_t *dirty; /* Hosts whose rows changed; valid until the next step. */
    struct rollout_action items[ROLLOUT_ACTIONS_MAX];
    struct rollout_decision decisions[ROLLOUT_DECISIONS_MAX];
};

/* ---- The engine. ---- */

/* What the engine knows of a host beside its row; built anew by rollout_load(). */
struct rollout_link {
    uint32_t next; /* In its list: pending (well or ill) of a zone, or in flight. */
    uint32_t previous;
    uint32_t list;
    uint32_t timer; /* Place in the timers' heap; ROLLOUT_NO_HOST: not in it. */
    uint64_t timer_ms;
    bool ready; /* In the queue of hosts to look at. */
    bool dirty;
    bool seen; /* Observed since the start or load. */
    bool healthy;
    bool drained;
    bool ill_known;        /* Ill at the start or at a resume: does not hold up other zones. */
    uint32_t weight_milli; /* Serving: what the capacity counts for it. */
    uint64_t seen_ms;
    uint64_t in_flight;
    struct rollout_counts last;         /* The balancer's cumulative figures. */
    struct rollout_counts record;       /* Its own since the start. */
    struct rollout_counts compare_base; /* The accumulators when its window began. */
    struct rollout_counts peers_base;
};

struct rollout_zone {
    uint32_t well; /* First pending host that serves. */
    uint32_t well_last;
    uint32_t ill; /* First pending host that does not. */
    uint32_t ill_last;
    uint32_t taken;   /* Hosts of the zone in flight. */
    uint32_t ill_new; /* Not in flight, ill, and not known to be from the start. */
};

/* The caller's arrays; they live as long as the struct rollout. */
struct rollout_arrays {
    struct rollout_host *hosts; /* [host_count]; the rows. */
    struct rollout_link *links; /* [host_count] */
    uint32_t *dirty;            /* [host_count] */
    uint32_t *ready;            /* [host_count] */
    uint32_t *timers;           /* [host_count] */
    struct rollout_zone *zones; /* [zone_count, at least 1] */
    uint32_t *groups;           /* [group_count + 1] */
};

struct rollout {
    struct rollout_row row;
    const struct rollout_spec *spec;
    struct rollout_arrays arrays;

    uint32_t max_unavailable;
    uint32_t floor_ppm;
    uint64_t weight_total_milli;
    uint64_t weight_floor_milli;
    uint64_t serving_milli;
    uint64_t checking_milli; /* The part of it on hosts that are CHECKING: about to go. */

    uint32_t chosen;                      /* Hosts to be updated. */
    uint32_t phases[ROLLOUT_HOST_PHASES]; /* Hosts in each. */
    uint32_t in_flight;                   /* Hosts taken and not yet at an end. */
    uint32_t in_flight_first;             /* Their list. */
    uint32_t in_flight_last;
    uint32_t ill;     /* Not in flight and not serving. */
    uint32_t ill_new; /* Of those: not known from the start. */
    uint32_t late;    /* Hosts with drain_late. */
    bool filling;     /* A batch is being taken, over several steps. */
    uint32_t seen;    /* Observed since the start or load. */
    uint64_t observed_ms;
    struct rollout_counts old_counts; /* Of hosts not yet updated. */
    struct rollout_counts new_counts; /* Of verified ones. */

    uint32_t ready_first; /* A ring in arrays.ready. */
    uint32_t ready_count;
    uint32_t timer_count;
    uint32_t dirty_count;
    uint64_t steps; /* For the sampled recount. */
};

/*
 * A new rollout: fills the rows. Spec and arrays are borrowed. Values of the spec are the config's,
 * within its limits; the engine asserts what it relies on.
 */
void rollout_init(struct rollout *, const struct rollout_spec *, struct rollout_arrays);

/* After a restart: `row` and arrays.hosts are what was stored. Send RESTART next. */
void rollout_load(struct rollout *, const struct rollout_spec *, const struct rollout_row *row,
                  struct rollout_arrays);

/*
 * Why this rollout could not even begin (one host, a floor that cannot be kept, no driver): fills
 * the decision and returns true. START ends such a rollout as failed; asking first lets the caller
 * refuse it (exit 4).
 */
bool rollout_refused(const struct rollout_spec *, struct rollout_decision *);

/* One event. True when there is something to write or to do; see the top of this file. */
bool rollout_step(struct rollout *, const struct rollout_event *, struct rollout_actions *);

/* Serving capacity: effective weights of healthy hosts / configured weights of all. */
uint32_t rollout_capacity_ppm(const struct rollout *);

bool rollout_ended(const struct rollout *);

/* Asserts the promises; `recount` also compares every counter and list with the rows: O(hosts). */
void rollout_check(const struct rollout *, bool recount);

/*
 * The decision as one plain sentence without a full stop, NUL-terminated, cut to size:
 * "web-3: 0 requests in flight after 4.2 s, installing 1.0-2".
 */
void rollout_narrate(const struct rollout_decision *, const struct rollout_spec *, char *out,
                     size_t size);

/* Names as in JSON and in the store: "running", "draining", "install" ... */
const char *rollout_phase_name(enum rollout_phase);
const char *rollout_host_phase_name(enum rollout_host_phase);
/* The word of `status` for a host: serving, draining, drained, updating, verifying, ... */
const char *rollout_host_state(const struct rollout *, uint32_t host);
const char *rollout_action_name(enum rollout_action_kind);
const char *rollout_refusal_text(enum rollout_refusal);
