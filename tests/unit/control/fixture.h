/*
 * fixture: a runner on a virtual loop, above four machines and a balancer that outlive it.
 *
 * The machines remember what was begun under which id, as the helper does; the balancer keeps
 * weights. fixture_kill() is kill -9: nothing of the runner is told goodbye but its memory. The
 * machines check what reaches them: nothing is installed on a host that is not drained, no id does
 * its work twice, and never are two hosts out of the traffic.
 */
#pragma once

#include "base/check.h"
#include "control/promise.h"
#include "control/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libcheck writes a note for each of its assertions: too slow for what runs at every step. */
#define FIXTURE_EXPECT(condition, ...)                                                             \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

enum {
    FIXTURE_HOSTS = 4,
    FIXTURE_JOBS_MAX = 64, /* That one machine remembers. */
    FIXTURE_START_MS = 1000000,
    FIXTURE_CALLS_MAX = 32,
    FIXTURE_DRAIN_MS = 300,
    FIXTURE_INSTALL_MS = 700,
    FIXTURE_REBOOT_MS = 1500,
    FIXTURE_SLOW_START_MS = 1000,
    FIXTURE_ROUNDS_MAX = 4000,
};

static const char fixture_config[] =
    "listen: [{ address: 127.0.0.1:8080, tier: web }]\n"
    "tiers:\n"
    "  web:\n"
    "    slow_start: 1s\n"
    "    hosts:\n"
    "      - { name: 'web-[1-4]', address: '10.0.0.[1-4]:80', driver: ssh,\n"
    "          ssh: 'root@10.0.0.[1-4]' }\n"
    "    update:\n"
    "      max_unavailable: 25%\n"
    "      drain: { timeout: 5s }\n"
    "      install: { method: apt, packages: [demo], timeout: 30s }\n"
    "      reboot: when_required\n"
    "      verify: { min_ready: 1s, soak: 2s, healthy_deadline: 30s }\n";

struct fixture_job {
    char id[HOST_ID_MAX + 1];
    uint64_t done_ms;
};

struct fixture_machine {
    struct fixture_job jobs[FIXTURE_JOBS_MAX]; /* INSTALL, PUT_BACK, REBOOT: begin records. */
    size_t job_count;
    uint64_t installed_ms; /* The new version is there from then on; 0: not ordered. */
    uint64_t off_ms;       /* Rebooting from then ... */
    uint64_t on_ms;        /* ... until then. */
    uint32_t installs;
    uint32_t reboots;
    bool zero; /* The balancer's weight. */
    uint64_t zero_ms;
    uint64_t restored_ms;
    bool hangs;         /* The connection neither answers nor ends, whatever the deadline. */
    bool install_fails; /* Half of it was done. */
    uint32_t put_backs;
    char put_back[64]; /* What the last PUT_BACK asked for. */
};

struct fixture_call {
    struct loop_timer timer;
    struct fixture *fixture; /* NULL: free. */
    const struct fixture_machine *of;
    struct balancer_change change;
    bool closes;
    balancer_done *on_done;
    balancer_observed *on_observed;
    void *context;
};

struct fixture {
    struct loop *loop;
    struct fixture_machine machines[FIXTURE_HOSTS];
    struct fixture_call calls[FIXTURE_CALLS_MAX];
    bool dead; /* Killed in the middle of a step: whatever it still orders does not go out. */
    uint32_t jobs_max; /* 0: any number. */
    uint32_t jobs;     /* Running. */
    uint32_t jobs_most;
    uint32_t out_max; /* Hosts out of the traffic; 0: one. */
    bool lost;        /* The store was reported as lost. */
    uint32_t ends;
    uint32_t give_ups; /* Jobs that were cancelled. */
    uint32_t deaths;
    /* One life of the controller. */
    struct arena arena;
    struct config *config;
    struct store *store;
    struct watch watch;
    struct runner *runner;
    char url[256];
    const char *running; /* The config that the next life runs; NULL: fixture_config. */
};

/* The drivers are looked up without a context. */
static struct fixture *fixture_now;

static inline uint64_t fixture_ms(void)
{
    return loop_wall_ms(fixture_now->loop);
}

static inline bool fixture_is_up(const struct fixture_machine *machine)
{
    return fixture_ms() < machine->off_ms || fixture_ms() >= machine->on_ms;
}

static inline bool fixture_is_drained(const struct fixture_machine *machine)
{
    return machine->zero && fixture_ms() >= machine->zero_ms + FIXTURE_DRAIN_MS;
}

static inline bool fixture_is_new(const struct fixture_machine *machine)
{
    return machine->installed_ms != 0 && fixture_ms() >= machine->installed_ms;
}

static inline void fixture_check_capacity(const struct fixture *fixture)
{
    uint32_t out = 0;
    for (size_t i = 0; i < FIXTURE_HOSTS; i++)
        out += fixture->machines[i].zero || !fixture_is_up(&fixture->machines[i]);
    FIXTURE_EXPECT(out <= (fixture->out_max > 0 ? fixture->out_max : 1),
                   "%u hosts are out of the traffic", out);
}

/* ---- The host driver. ---- */

struct host {
    struct fixture_machine *machine;
    struct loop_timer timer;
    const struct host_job *job;
    host_done *on_done;
    void *context;
};

static inline struct fixture_job *fixture_record(struct fixture_machine *machine, const char *id,
                                                 bool *first)
{
    for (size_t i = 0; i < machine->job_count; i++) {
        *first = false;
        if (strcmp(machine->jobs[i].id, id) == 0)
            return &machine->jobs[i];
    }
    FIXTURE_EXPECT(machine->job_count < FIXTURE_JOBS_MAX, "too many jobs");
    struct fixture_job *job = &machine->jobs[machine->job_count++];
    (void)snprintf(job->id, sizeof job->id, "%s", id);
    *first = true;
    return job;
}

/* What the helper does when the job arrives; how long its answer takes. */
static inline uint64_t fixture_take_job(struct fixture_machine *machine, const struct host_job *job)
{
    bool first = false;
    if (job->verb == HOST_FACTS)
        return 20;
    FIXTURE_EXPECT(fixture_is_drained(machine), "%s on a host that serves",
                   host_verb_name(job->verb));
    struct fixture_job *record = fixture_record(machine, job->id, &first);
    if (first && job->verb == HOST_INSTALL) {
        machine->installs++;
        record->done_ms = fixture_ms() + FIXTURE_INSTALL_MS;
        machine->installed_ms = record->done_ms;
    } else if (first && job->verb == HOST_PUT_BACK) {
        machine->put_backs++;
        (void)snprintf(machine->put_back, sizeof machine->put_back, "%s", job->versions);
        machine->installed_ms = 0;
        record->done_ms = fixture_ms() + FIXTURE_INSTALL_MS;
    } else if (first) {
        ck_assert(job->verb == HOST_REBOOT);
        machine->reboots++;
        machine->off_ms = fixture_ms() + 50;
        machine->on_ms = machine->off_ms + FIXTURE_REBOOT_MS;
        record->done_ms = fixture_ms() + 20;
    }
    return record->done_ms > fixture_ms() ? record->done_ms - fixture_ms() : 20;
}

static inline void fixture_host_answer(struct loop_timer *timer)
{
    struct host *host = CONTAINER_OF(timer, struct host, timer);
    const struct fixture_machine *machine = host->machine;
    const struct host_job *job = host->job;
    char boot_id[16];
    (void)snprintf(boot_id, sizeof boot_id, "boot-%u",
                   machine->reboots - (fixture_ms() < machine->on_ms));
    const char *versions = fixture_is_new(machine) ? "demo=2" : "demo=1";
    const bool install = job->verb == HOST_INSTALL;
    const struct host_result result = {
        .outcome = !fixture_is_up(machine)             ? HOST_UNREACHABLE
                   : install && machine->install_fails ? HOST_FAILED
                                                       : HOST_OK,
        .before = {.boot_id = boot_id,
                   .kernel = "6.1",
                   .versions = install ? "demo=1" : "",
                   .candidates = ""},
        .after = {.boot_id = boot_id,
                  .kernel = "6.1",
                  .versions = versions,
                  .candidates = "demo=2",
                  .reboot_required = fixture_is_new(machine) && machine->reboots == 0},
        .output = "",
        .sentence = install && machine->install_fails ? "dpkg says no" : "",
    };
    host->job = NULL;
    fixture_now->jobs--;
    host->on_done(host->context, &result);
}

static inline struct host *fixture_host_open(struct arena *arena, struct loop *loop,
                                             const struct config *config,
                                             const struct config_tier *tier,
                                             const struct config_host *of, struct error *error)
{
    struct host *host = arena_allocate(arena, sizeof *host);
    (void)loop, (void)config, (void)error;
    ck_assert_ptr_nonnull(host);
    host->machine = &fixture_now->machines[of - tier->hosts];
    host->timer.on_time = fixture_host_answer;
    return host;
}

static inline void fixture_host_start(struct host *host, const struct host_job *job,
                                      host_done *on_done, void *context)
{
    FIXTURE_EXPECT(host->job == NULL, "a second job at once");
    host->job = job;
    if (++fixture_now->jobs > fixture_now->jobs_most)
        fixture_now->jobs_most = fixture_now->jobs;
    host->on_done = on_done;
    host->context = context;
    if (fixture_now->dead || host->machine->hangs)
        return;
    const uint64_t in_ms = fixture_is_up(host->machine) ? fixture_take_job(host->machine, job) : 20;
    loop_timer_set_in(fixture_now->loop, &host->timer, in_ms);
}

static inline void fixture_host_cancel(struct host *host)
{
    fixture_now->give_ups += host->job != NULL;
    fixture_now->jobs -= host->job != NULL;
    host->job = NULL;
    loop_timer_clear(fixture_now->loop, &host->timer);
}

static const struct host_driver fixture_host_driver = {
    .name = "fixture",
    .open = fixture_host_open,
    .start = fixture_host_start,
    .cancel = fixture_host_cancel,
    .close = fixture_host_cancel,
};

static inline const struct host_driver *fixture_find_driver(enum config_driver driver)
{
    return driver == CONFIG_DRIVER_SSH ? &fixture_host_driver : NULL;
}

/* ---- The balancer driver. ---- */

static inline struct fixture_call *fixture_call_new(void *context)
{
    size_t i = 0;
    while (i < FIXTURE_CALLS_MAX && fixture_now->calls[i].fixture != NULL)
        i++;
    FIXTURE_EXPECT(i < FIXTURE_CALLS_MAX, "too many calls of the balancer");
    struct fixture_call *call = &fixture_now->calls[i];
    *call = (struct fixture_call){.fixture = fixture_now, .context = context};
    return call;
}

static inline void fixture_call_drop(struct fixture_call *call)
{
    loop_timer_clear(fixture_now->loop, &call->timer);
    call->fixture = NULL;
}

static inline void fixture_on_change(struct loop_timer *timer)
{
    struct fixture_call *call = CONTAINER_OF(timer, struct fixture_call, timer);
    const struct fixture_call done = *call;
    struct fixture_machine *machine =
        &fixture_now->machines[call->change.host[strlen(call->change.host) - 1] - '1'];
    fixture_call_drop(call);
    if (config_host_find(&fixture_now->config->tiers[0], done.change.host) == NULL) {
        const struct error unknown = {.kind = ERROR_NOT_FOUND, .text = "no such host"};
        done.on_done(done.context, &unknown);
        return;
    }
    if (done.change.restore && machine->zero)
        machine->restored_ms = fixture_ms();
    if (!done.change.restore && !machine->zero)
        machine->zero_ms = fixture_ms();
    machine->zero = !done.change.restore;
    fixture_check_capacity(fixture_now);
    done.on_done(done.context, NULL);
}

static inline void fixture_apply(struct balancer *balancer, const struct balancer_change *change,
                                 balancer_done *on_done, void *context)
{
    struct fixture_call *call = fixture_call_new(context);
    (void)balancer;
    call->change = *change;
    call->on_done = on_done;
    call->timer.on_time = fixture_on_change;
    if (!fixture_now->dead)
        loop_timer_set_in(fixture_now->loop, &call->timer, 5);
}

static inline uint32_t fixture_weight_milli(const struct fixture_machine *machine)
{
    const uint64_t rising_ms = fixture_ms() - machine->restored_ms;
    if (machine->zero)
        return 0;
    if (rising_ms >= FIXTURE_SLOW_START_MS)
        return 100 * 1000;
    return (uint32_t)(1 + rising_ms * 99999 / FIXTURE_SLOW_START_MS);
}

static inline void fixture_on_observe(struct loop_timer *timer)
{
    struct fixture_call *call = CONTAINER_OF(timer, struct fixture_call, timer);
    const struct fixture_call done = *call;
    struct balancer_host hosts[FIXTURE_HOSTS];
    char names[FIXTURE_HOSTS][8];
    fixture_call_drop(call);
    for (size_t i = 0; i < FIXTURE_HOSTS; i++) {
        const struct fixture_machine *machine = &fixture_now->machines[i];
        (void)snprintf(names[i], sizeof names[i], "web-%zu", i + 1);
        hosts[i] = (struct balancer_host){
            .name = names[i],
            .healthy = fixture_is_up(machine),
            .drained = fixture_is_drained(machine),
            .weight = 100,
            .effective_milli = fixture_weight_milli(machine),
            .requests = fixture_ms() / 2 + i,
        };
    }
    const struct balancer_view view = {
        .hosts = hosts, .count = FIXTURE_HOSTS, .requests = fixture_ms() * 2, .process = 7};
    done.on_observed(done.context, &view, NULL);
}

static inline void fixture_observe(struct balancer *balancer, const char *tier, uint32_t timeout_ms,
                                   balancer_observed *on_observed, void *context)
{
    struct fixture_call *call = fixture_call_new(context);
    (void)balancer, (void)tier, (void)timeout_ms;
    call->on_observed = on_observed;
    call->timer.on_time = fixture_on_observe;
    loop_timer_set_in(fixture_now->loop, &call->timer, 5);
}

static inline void fixture_cancel(struct balancer *balancer, const void *context)
{
    (void)balancer;
    for (size_t i = 0; i < FIXTURE_CALLS_MAX; i++) {
        if (fixture_now->calls[i].fixture != NULL && fixture_now->calls[i].context == context)
            fixture_call_drop(&fixture_now->calls[i]);
    }
}

static const struct balancer_driver fixture_balancer_driver = {
    .name = "fixture",
    .apply = fixture_apply,
    .close_long_lived = fixture_apply,
    .observe = fixture_observe,
    .cancel = fixture_cancel,
};

/* ---- The controller's part. ---- */

static inline struct watch *fixture_find_watch(void *context, const char *tier)
{
    struct fixture *fixture = context;
    return strcmp(tier, "web") == 0 ? &fixture->watch : NULL;
}

static inline void fixture_on_look(void *context, struct watch *watch)
{
    struct fixture *fixture = context;
    (void)watch;
    if (fixture->runner != NULL)
        runner_observe(fixture->runner);
}

static inline void fixture_on_lost(void *context, const struct error *error)
{
    struct fixture *fixture = context;
    ck_assert(error->kind != ERROR_NONE && error->kind != ERROR_LIMIT);
    fixture->lost = true;
    fixture->dead = true;
}

static inline void fixture_on_end(void *context, struct runner *runner)
{
    struct fixture *fixture = context;
    ck_assert(runner == fixture->runner && runner_ended(runner));
    fixture->ends++;
}

static inline struct runner_place fixture_place(struct fixture *fixture)
{
    return (struct runner_place){
        .loop = fixture->loop,
        .store = fixture->store,
        .config_file = "nines.yaml",
        .find_driver = fixture_find_driver,
        .balancer_driver = &fixture_balancer_driver,
        .jobs_max = fixture->jobs_max > 0 ? fixture->jobs_max : UINT32_MAX,
        .find_watch = fixture_find_watch,
        .on_store_lost = fixture_on_lost,
        .on_end = fixture_on_end,
        .context = fixture,
    };
}

/* A controller's life begins: store, config, watch. */
static inline void fixture_live(struct fixture *fixture)
{
    static struct config_problems problems;
    struct error error = {0};
    fixture->dead = fixture->lost = false;
    arena_init(&fixture->arena, 16 * 1024 * 1024);
    config_problems_init(&problems);
    fixture->config = config_parse(
        "nines.yaml", slice_of(fixture->running != NULL ? fixture->running : fixture_config),
        &problems);
    ck_assert_msg(fixture->config != NULL, "%s", problems.count > 0 ? problems.items[0].text : "");
    config_problems_done(&problems);
    fixture->store = store_open(fixture->url, &error);
    ck_assert_msg(fixture->store != NULL, "%s", error.text);
    ck_assert(watch_init(&fixture->watch, &fixture->arena, fixture->loop,
                         &fixture->config->tiers[0], &fixture_balancer_driver, NULL,
                         fixture_on_look, fixture));
    watch_set_active(&fixture->watch, true);
}

/* kill -9. */
static inline void fixture_kill(struct fixture *fixture)
{
    runner_close(fixture->runner);
    fixture->runner = NULL;
    watch_done(&fixture->watch);
    for (size_t i = 0; i < FIXTURE_CALLS_MAX; i++) {
        struct fixture_call *call = &fixture->calls[i];
        /* dispatch_close() has taken its own back; the watch's ends with the balancer's driver. */
        ck_assert(call->fixture == NULL || call->context == &fixture->watch);
        if (call->fixture != NULL)
            fixture_call_drop(call);
    }
    store_close(fixture->store);
    config_unref(fixture->config);
    arena_done(&fixture->arena);
}

static inline void fixture_open(struct fixture *fixture, const char *url)
{
    struct error error = {0};
    memset(fixture, 0, sizeof *fixture);
    fixture_now = fixture;
    promise_install();
    (void)snprintf(fixture->url, sizeof fixture->url, "%s", url);
    fixture->loop = loop_open_virtual(1000000000, FIXTURE_START_MS, &error);
    ck_assert_ptr_nonnull(fixture->loop);
    fixture_live(fixture);
}

static inline void fixture_close(struct fixture *fixture)
{
    fixture_kill(fixture);
    loop_close(fixture->loop);
}

static inline bool fixture_start(struct fixture *fixture, struct error *error)
{
    const struct rows_head head = {
        .id = 1, .created_ms = 77, .tier = "web", .strategy = "rolling", .who = "test"};
    const struct runner_place place = fixture_place(fixture);
    fixture->runner =
        runner_start(&place, &head,
                     slice_of(fixture->running != NULL ? fixture->running : fixture_config), error);
    return fixture->runner != NULL;
}

/* The next controller: takes up what the store has. False: it has no open rollout. */
static inline bool fixture_reload(struct fixture *fixture)
{
    uint64_t ids[4];
    uint64_t last = 0;
    size_t count = 0;
    struct error error = {0};
    fixture_kill(fixture);
    fixture_live(fixture);
    fixture->deaths++;
    const struct runner_place place = fixture_place(fixture);
    ck_assert_msg(runner_ids(fixture->store, ids, 4, &count, &last, &error), "%s", error.text);
    if (count == 0)
        return false;
    ck_assert(count == 1 && ids[0] == 1 && last == 1);
    fixture->runner = runner_load(&place, ids[0], &error);
    ck_assert_msg(fixture->runner != NULL, "%s", error.text);
    runner_resume(fixture->runner);
    return true;
}

/* One batch of the loop. False when the rollout has ended. */
static inline bool fixture_step(struct fixture *fixture)
{
    if (runner_ended(fixture->runner))
        return false;
    (void)loop_run_once(fixture->loop, -1);
    return true;
}

static inline void fixture_run(struct fixture *fixture)
{
    uint32_t rounds = 0;
    while (fixture_step(fixture)) {
        if (fixture->dead)
            ck_assert(fixture_reload(fixture));
        FIXTURE_EXPECT(rounds++ < FIXTURE_ROUNDS_MAX, "no end: %s",
                       runner_sentence(fixture->runner));
    }
}

/* As it should end, however it came there. */
static inline void fixture_check_done(const struct fixture *fixture)
{
    const struct rollout *rollout = runner_rollout(fixture->runner);
    ck_assert_msg(rollout->row.phase == ROLLOUT_DONE, "%s: %s",
                  rollout_phase_name(rollout->row.phase), runner_sentence(fixture->runner));
    for (uint32_t i = 0; i < FIXTURE_HOSTS; i++) {
        const struct fixture_machine *machine = &fixture->machines[i];
        ck_assert_int_eq(rollout->arrays.hosts[i].phase, ROLLOUT_HOST_VERIFIED_NEW);
        ck_assert_str_eq(rollout->arrays.hosts[i].version_after, "2");
        ck_assert_uint_eq(machine->installs, 1);
        ck_assert_uint_eq(machine->reboots, 1);
        ck_assert(!machine->zero && machine->put_backs == 0);
    }
}
