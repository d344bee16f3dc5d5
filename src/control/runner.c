#include "control/runner.h"

#include "base/check.h"
#include "control/promise.h"
#include "control/runner_state.h"
#include "control/spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = STORE_VALUE_BYTES_MAX };

/* --- Keys and transactions --- */

void runner_key(uint64_t id, char *out, size_t size, const char *format, ...)
{
    const int used = snprintf(out, size, "rollout/%010llu/", (unsigned long long)id);
    ASSERT(used > 0 && (size_t)used < size);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(out + used, size - (size_t)used, format, arguments);
    va_end(arguments);
}

static void batch_clear(struct runner_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free((char *)(uintptr_t)batch->writes[i].key.data);
        free((char *)(uintptr_t)batch->writes[i].value.data);
    }
    batch->count = 0;
    batch->failed = false;
}

/* Takes the text's memory over. */
static void batch_put(struct runner_batch *batch, const char *key, struct text *value)
{
    if (batch->count == batch->capacity) {
        const size_t capacity = batch->capacity == 0 ? 64 : batch->capacity * 2;
        struct store_write *writes = realloc(batch->writes, capacity * sizeof *writes);
        if (writes == NULL) {
            batch->failed = true;
            text_done(value);
            return;
        }
        batch->writes = writes;
        batch->capacity = capacity;
    }
    char *copy = strdup(key);
    if (copy == NULL || value->failed) {
        batch->failed = true;
        free(copy);
        text_done(value);
        return;
    }
    batch->writes[batch->count++] =
        (struct store_write){.key = slice_of(copy), .value = text_slice(value)};
    *value = (struct text){.limit = value->limit};
}

/* Which rollouts there are, without reading them: INDEX_OPEN ones must be taken up again. */
static void put_index(struct runner *runner, const char *state)
{
    char key[RUNNER_KEY_MAX];
    struct text text;
    text_init(&text, TEXT_LIMIT);
    (void)snprintf(key, sizeof key, RUNNER_INDEX "%010llu", (unsigned long long)runner->head.id);
    text_add(&text, state);
    batch_put(&runner->batch, key, &text);
}

static void put_head(struct runner *runner, struct slice config_text)
{
    char key[RUNNER_KEY_MAX];
    struct text text;
    text_init(&text, TEXT_LIMIT);
    runner_key(runner->head.id, key, sizeof key, "head");
    rows_put_head(&text, &runner->head);
    batch_put(&runner->batch, key, &text);
    runner_key(runner->head.id, key, sizeof key, "config");
    text_append(&text, config_text);
    batch_put(&runner->batch, key, &text);
    runner_key(runner->head.id, key, sizeof key, "config-file");
    text_add(&text, runner->config->file);
    batch_put(&runner->batch, key, &text);
    put_index(runner, RUNNER_INDEX_OPEN);
}

static void put_host(struct runner *runner, uint32_t index)
{
    char key[RUNNER_KEY_MAX];
    struct text text;
    text_init(&text, TEXT_LIMIT);
    runner_key(runner->head.id, key, sizeof key, "host/%06u", index);
    rows_put_host(&text, &runner->rollout.arrays.hosts[index]);
    batch_put(&runner->batch, key, &text);
}

static void put_decision(struct runner *runner, const struct rollout_decision *decision)
{
    char key[RUNNER_KEY_MAX];
    struct text text;
    const char *host =
        decision->host == ROLLOUT_NO_HOST ? NULL : runner->spec.hosts[decision->host].name;
    rollout_narrate(decision, &runner->spec, runner->sentence, sizeof runner->sentence);
    text_init(&text, TEXT_LIMIT);
    runner_key(runner->head.id, key, sizeof key, "say/%010llu",
               (unsigned long long)decision->number);
    rows_put_decision(&text, decision, host, runner->sentence);
    batch_put(&runner->batch, key, &text);
}

/* What this step changed. A new rollout's hosts are all new. */
static void put_step(struct runner *runner, const struct rollout_event *event)
{
    const struct rollout_actions *actions = &runner->actions;
    char key[RUNNER_KEY_MAX];
    struct text text;
    text_init(&text, TEXT_LIMIT);
    if (event->kind == ROLLOUT_START) {
        for (uint32_t i = 0; i < runner->spec.host_count; i++)
            put_host(runner, i);
    } else {
        for (uint32_t i = 0; i < actions->dirty_count; i++)
            put_host(runner, actions->dirty[i]);
    }
    runner_key(runner->head.id, key, sizeof key, "row");
    rows_put_row(&text, &runner->rollout.row);
    batch_put(&runner->batch, key, &text);
    runner_key(runner->head.id, key, sizeof key, "traffic");
    rows_put_traffic(&text, &runner->traffic);
    batch_put(&runner->batch, key, &text);
    if (event->kind != ROLLOUT_TICK && event->kind != ROLLOUT_OBSERVE &&
        event->kind != ROLLOUT_CONTINUE) {
        runner_key(runner->head.id, key, sizeof key, "event/%016llu/%06u/%u",
                   (unsigned long long)event->time_ms, event->host, (unsigned)event->kind);
        rows_put_event(&text, event);
        batch_put(&runner->batch, key, &text);
    }
    for (uint32_t i = 0; i < actions->decision_count; i++)
        put_decision(runner, &actions->decisions[i]);
    if (rollout_ended(&runner->rollout))
        put_index(runner, RUNNER_INDEX_ENDED);
}

/* --- Steps --- */

static bool on_replaced(void *context, const struct store_row *row)
{
    char **versions = context;
    if (row->damage == NULL)
        *versions = strndup(row->value.data, row->value.size);
    return true;
}

/* The versions that the installation of this host replaced, from the store; NULL: not known. */
static char *replaced_versions(const struct runner *runner, uint32_t host)
{
    char key[RUNNER_KEY_MAX];
    char *versions = NULL;
    runner_key(runner->head.id, key, sizeof key, "replaced/%06u", host);
    if (!store_scan(runner->place.store, key, on_replaced, &versions, NULL))
        return NULL;
    return versions;
}

static void send_actions(struct runner *runner)
{
    for (uint32_t i = 0; i < runner->actions.count; i++) {
        const struct rollout_action *action = &runner->actions.items[i];
        char *versions =
            action->kind == ROLLOUT_PUT_BACK ? replaced_versions(runner, action->host) : NULL;
        dispatch_order(runner->dispatch, action, versions);
        free(versions);
    }
}

/* Stores what the last step changed. False: not yet (blocked), or never (the process ends). */
static bool commit(struct runner *runner)
{
    struct error *error = &runner->store_error;
    const unsigned long long id = runner->head.id;
    if (runner->batch.failed)
        error_set(error, ERROR_SYSTEM, "not enough memory to store a step");
    else if (store_commit(runner->place.store, runner->batch.writes, runner->batch.count, error)) {
        if (runner->blocked)
            (void)fprintf(stderr, "nines: rollout %llu goes on: the store takes rows again\n", id);
        runner->blocked = false;
        runner->stored = true;
        batch_clear(&runner->batch);
        return true;
    }
    if (error->kind == ERROR_LIMIT) {
        if (!runner->blocked)
            (void)fprintf(stderr, "nines: rollout %llu waits: %s\n", id, error->text);
        loop_timer_set_in(runner->place.loop, &runner->retry, RUNNER_RETRY_MS);
    }
    runner->blocked = true;
    if (error->kind != ERROR_LIMIT)
        runner->place.on_store_lost(runner->place.context, error);
    return false;
}

/*
 * Nothing more is done for it, also not by the next controller: by then another rollout of the tier
 * may be under way. Its other rows stay as they were before the step that went wrong.
 */
static void freeze(struct runner *runner, const char *why)
{
    char key[RUNNER_KEY_MAX];
    struct text text;
    (void)snprintf(runner->frozen, sizeof runner->frozen, "%s", why);
    (void)fprintf(stderr, "nines: rollout %llu is frozen, nothing more is done for it: %s\n",
                  (unsigned long long)runner->head.id, why);
    loop_timer_clear(runner->place.loop, &runner->wake);
    batch_clear(&runner->batch);
    if (!runner->stored)
        return;
    text_init(&text, TEXT_LIMIT);
    runner_key(runner->head.id, key, sizeof key, "frozen");
    text_add(&text, why);
    batch_put(&runner->batch, key, &text);
    put_index(runner, RUNNER_INDEX_ENDED);
    (void)commit(runner);
}

static void arm(struct runner *runner)
{
    const uint64_t at = runner->actions.wake_at_ms;
    const uint64_t now = loop_wall_ms(runner->place.loop);
    if (at == ROLLOUT_NEVER_MS || rollout_ended(&runner->rollout))
        loop_timer_clear(runner->place.loop, &runner->wake);
    else
        loop_timer_set_in(runner->place.loop, &runner->wake, at > now ? at - now : 1);
}

/* After a step is stored: its actions go out. True when the engine has more to say. */
static bool conclude(struct runner *runner)
{
    send_actions(runner);
    if (runner->actions.more)
        return true;
    arm(runner);
    return false;
}

struct guarded_step {
    struct runner *runner;
    const struct rollout_event *event;
    bool dirty;
};

static void take_step(void *context)
{
    struct guarded_step *guarded = context;
    guarded->dirty =
        rollout_step(&guarded->runner->rollout, guarded->event, &guarded->runner->actions);
}

/* The event, and CONTINUE of the same time for as long as the engine has more to say. */
static void take_steps(struct runner *runner, struct rollout_event event)
{
    ASSERT(!runner->stepping && !runner->blocked && runner->frozen[0] == '\0');
    runner->stepping = true;
    runner->step_ms = event.time_ms;
    for (bool more = true; more; event.kind = ROLLOUT_CONTINUE) {
        struct guarded_step guarded = {.runner = runner, .event = &event};
        char why[256];
        if (!promise_kept(take_step, &guarded, why, sizeof why)) {
            freeze(runner, why);
            break;
        }
        if (guarded.dirty || event.kind == ROLLOUT_START)
            put_step(runner, &event);
        /* The batch may hold what the caller put beside the step. */
        if (runner->batch.count > 0 && !commit(runner))
            break;
        more = conclude(runner);
    }
    runner->stepping = false;
}

static void step(struct runner *runner, struct rollout_event event)
{
    /* What the balancer said is as old as the question. */
    event.time_ms =
        event.kind == ROLLOUT_OBSERVE ? runner->watch->asked_ms : loop_wall_ms(runner->place.loop);
    take_steps(runner, event);
}

/* Told once, when it is stored that nothing more will happen. */
static void check_end(struct runner *runner)
{
    if (runner->blocked || runner->end_told || !runner_ended(runner))
        return;
    runner->end_told = true;
    runner->place.on_end(runner->place.context, runner);
}

static void handle(struct runner *runner, const struct rollout_event *event)
{
    if (runner_ended(runner) || runner->blocked)
        return;
    step(runner, *event);
    check_end(runner);
}

/* --- What happens --- */

static void take_result(struct runner *runner, const struct dispatch_result *done)
{
    char key[RUNNER_KEY_MAX];
    const struct rollout_event event = {.kind = ROLLOUT_ACTION_DONE,
                                        .host = done->host,
                                        .action_id = done->action_id,
                                        .result = done->result};
    if (done->replaced != NULL) {
        struct text text;
        text_init(&text, TEXT_LIMIT);
        text_add(&text, done->replaced);
        runner_key(runner->head.id, key, sizeof key, "replaced/%06u", done->host);
        batch_put(&runner->batch, key, &text);
    }
    handle(runner, &event);
}

/* A report while the store takes nothing is kept: at most one a host can be under way. */
static void keep_result(struct runner *runner, const struct dispatch_result *done)
{
    struct runner_waiting *waiting = calloc(1, sizeof *waiting);
    if (waiting == NULL)
        return; /* The engine has it as not answered at its deadline. */
    waiting->result = *done;
    (void)snprintf(waiting->text, sizeof waiting->text, "%.*s", ROLLOUT_TEXT_MAX - 1,
                   done->result.text != NULL ? done->result.text : "");
    waiting->result.result.text = waiting->text;
    waiting->replaced = done->replaced != NULL ? strdup(done->replaced) : NULL;
    waiting->result.replaced = waiting->replaced;
    waiting->next = runner->waiting;
    runner->waiting = waiting;
}

static void on_action_done(void *context, const struct dispatch_result *done)
{
    struct runner *runner = context;
    if (runner_ended(runner))
        return;
    if (runner->blocked)
        keep_result(runner, done);
    else
        take_result(runner, done);
}

static void free_waiting(struct runner_waiting *waiting)
{
    free(waiting->replaced);
    free(waiting);
}

static void on_retry(struct loop_timer *timer)
{
    struct runner *runner = CONTAINER_OF(timer, struct runner, retry);
    ASSERT(runner->blocked);
    if (!commit(runner))
        return;
    if (runner->frozen[0] == '\0' && conclude(runner))
        take_steps(runner,
                   (struct rollout_event){.kind = ROLLOUT_CONTINUE, .time_ms = runner->step_ms});
    while (runner->waiting != NULL && !runner->blocked && !runner_ended(runner)) {
        struct runner_waiting *waiting = runner->waiting;
        runner->waiting = waiting->next;
        take_result(runner, &waiting->result);
        free_waiting(waiting);
    }
    check_end(runner);
}

static void on_wake(struct loop_timer *timer)
{
    struct runner *runner = CONTAINER_OF(timer, struct runner, wake);
    handle(runner, &(struct rollout_event){.kind = ROLLOUT_TICK});
}

static void count_traffic(struct runner *runner)
{
    const struct watch *watch = runner->watch;
    struct rows_traffic *traffic = &runner->traffic;
    const bool same = traffic->process == (uint64_t)watch->process &&
                      watch->last_requests >= traffic->last_requests &&
                      watch->last_failed >= traffic->last_failed;
    if (same) {
        traffic->requests += watch->last_requests - traffic->last_requests;
        traffic->failed += watch->last_failed - traffic->last_failed;
    } else if (traffic->process != 0) {
        traffic->requests += watch->last_requests;
        traffic->failed += watch->last_failed;
    }
    traffic->process = (uint64_t)watch->process;
    traffic->last_requests = watch->last_requests;
    traffic->last_failed = watch->last_failed;
}

void runner_observe(struct runner *runner)
{
    const struct watch *watch = runner->watch;
    uint32_t count = 0;
    if (runner_ended(runner) || runner->blocked)
        return;
    if (watch->reachable)
        count_traffic(runner);
    for (uint32_t i = 0; watch->reachable && i < runner->spec.host_count; i++) {
        const char *name = runner->spec.hosts[i].name;
        const struct config_host *host = config_host_find(watch->tier, name);
        if (host == NULL) {
            /* It left the running config: nobody is sent there, and the balancer refuses it. */
            runner->observations[count++] =
                (struct rollout_observation){.host = i, .drained = true};
            continue;
        }
        const struct watch_host *seen = &watch->hosts[host - watch->tier->hosts];
        if (!seen->seen)
            continue;
        runner->observations[count++] = (struct rollout_observation){
            .host = i,
            .healthy = seen->healthy,
            .drained = seen->drained,
            .weight_milli = seen->effective_weight,
            .in_flight = seen->in_flight,
            .requests = seen->requests,
            .failures = seen->failures,
        };
    }
    handle(runner, &(struct rollout_event){.kind = ROLLOUT_OBSERVE,
                                           .balancer_reachable = watch->reachable,
                                           .observations = runner->observations,
                                           .observation_count = count});
}

bool runner_operate(struct runner *runner, enum rollout_event_kind kind, const char *who,
                    struct error *error)
{
    ASSERT(kind == ROLLOUT_PAUSE || kind == ROLLOUT_RESUME || kind == ROLLOUT_ABORT);
    if (runner->frozen[0] != '\0')
        return error_set(error, ERROR_CONFLICT, "rollout %llu is frozen: %s",
                         (unsigned long long)runner->head.id, runner->frozen);
    if (runner->blocked)
        return error_set(error, ERROR_LIMIT, "rollout %llu waits for its store: %s",
                         (unsigned long long)runner->head.id, runner->store_error.text);
    if (rollout_ended(&runner->rollout))
        return error_set(error, ERROR_CONFLICT, "rollout %llu: %s",
                         (unsigned long long)runner->head.id,
                         rollout_refusal_text(ROLLOUT_REFUSED_ENDED));
    step(runner, (struct rollout_event){.kind = kind, .text = who});
    if (runner->frozen[0] != '\0') {
        check_end(runner);
        return error_set(error, ERROR_FAILED, "rollout %llu is frozen: %s",
                         (unsigned long long)runner->head.id, runner->frozen);
    }
    const enum rollout_refusal refusal = runner->actions.refusal;
    check_end(runner);
    return refusal == ROLLOUT_ACCEPTED ||
           error_set(error, ERROR_CONFLICT, "rollout %llu: %s", (unsigned long long)runner->head.id,
                     rollout_refusal_text(refusal));
}

/* --- Birth and death --- */

struct runner *runner_make(const struct runner_place *place, struct error *error)
{
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) {
        error_set(error, ERROR_SYSTEM, "not enough memory for a rollout");
        return NULL;
    }
    runner->place = *place;
    runner->wake.on_time = on_wake;
    runner->retry.on_time = on_retry;
    arena_init(&runner->arena, RUNNER_ARENA_MAX);
    return runner;
}

bool runner_pin(struct runner *runner, const char *file, struct slice config_text,
                struct rollout_arrays *arrays, struct error *error)
{
    struct config_problems *problems = malloc(sizeof *problems);
    if (problems == NULL)
        return error_set(error, ERROR_SYSTEM, "not enough memory for a config");
    config_problems_init(problems);
    runner->config = config_parse(file, config_text, problems);
    config_problems_done(problems);
    free(problems);
    if (runner->config == NULL)
        return error_set(error, ERROR_USAGE, "the config pinned with the rollout is not valid");
    runner->tier = config_tier_find(runner->config, runner->head.tier);
    if (runner->tier == NULL)
        return error_set(error, ERROR_NOT_FOUND, "its config has no tier '%s'", runner->head.tier);
    if (!spec_build(&runner->arena, runner->tier, &runner->head, &runner->spec, error))
        return false;
    runner->observations =
        arena_array(&runner->arena, runner->spec.host_count, sizeof *runner->observations);
    return (runner->observations != NULL && spec_arrays(&runner->arena, &runner->spec, arrays)) ||
           error_set(error, ERROR_SYSTEM, "not enough memory for a rollout");
}

bool runner_equip(struct runner *runner, struct error *error)
{
    runner->watch = runner->place.find_watch(runner->place.context, runner->head.tier);
    if (runner->watch == NULL)
        return error_set(error, ERROR_NOT_FOUND, "there is no tier '%s' any more",
                         runner->head.tier);
    const struct dispatch_start start = {
        .arena = &runner->arena,
        .loop = runner->place.loop,
        .config = runner->config,
        .tier = runner->tier,
        .head = &runner->head,
        .find_driver = runner->place.find_driver,
        .balancer_driver = runner->place.balancer_driver,
        .balancer = runner->place.balancer,
        .jobs_max = runner->place.jobs_max,
        .token = store_token(runner->place.store),
        .on_done = on_action_done,
        .context = runner,
    };
    runner->dispatch = dispatch_open(&start, error);
    return runner->dispatch != NULL;
}

/* Begins it. False: nothing of it was stored, there is no such rollout. */
static bool begin(struct runner *runner, struct slice config_text, struct error *error)
{
    struct rollout_arrays arrays;
    struct rollout_decision refusal;
    if (!runner_pin(runner, runner->place.config_file, config_text, &arrays, error) ||
        !runner_equip(runner, error))
        return false;
    if (rollout_refused(&runner->spec, &refusal)) {
        rollout_narrate(&refusal, &runner->spec, runner->sentence, sizeof runner->sentence);
        return error_set(error, ERROR_REFUSED, "%s", runner->sentence);
    }
    rollout_init(&runner->rollout, &runner->spec, arrays);
    put_head(runner, config_text);
    step(runner, (struct rollout_event){.kind = ROLLOUT_START, .text = runner->head.who});
    if (runner->stored)
        return true;
    if (runner->frozen[0] != '\0')
        return error_set(error, ERROR_FAILED, "nines has a fault and did not begin: %s",
                         runner->frozen);
    return error_set(error, runner->store_error.kind, "%s", runner->store_error.text);
}

struct runner *runner_start(const struct runner_place *place, const struct rows_head *head,
                            struct slice config_text, struct error *error)
{
    struct runner *runner = runner_make(place, error);
    if (runner == NULL)
        return NULL;
    runner->head = *head;
    if (begin(runner, config_text, error))
        return runner;
    runner_close(runner);
    return NULL;
}

void runner_resume(struct runner *runner)
{
    if (runner_ended(runner))
        return;
    step(runner, (struct rollout_event){.kind = ROLLOUT_RESTART});
    check_end(runner);
}

void runner_freeze(struct runner *runner, const char *why)
{
    ASSERT(!runner->blocked && !runner_ended(runner));
    freeze(runner, why);
    runner->end_told = true;
}

void runner_close(struct runner *runner)
{
    if (runner == NULL)
        return;
    loop_timer_clear(runner->place.loop, &runner->wake);
    loop_timer_clear(runner->place.loop, &runner->retry);
    dispatch_close(runner->dispatch);
    batch_clear(&runner->batch);
    free(runner->batch.writes);
    while (runner->waiting != NULL) {
        struct runner_waiting *waiting = runner->waiting;
        runner->waiting = waiting->next;
        free_waiting(waiting);
    }
    config_unref(runner->config);
    arena_done(&runner->arena);
    free(runner);
}
