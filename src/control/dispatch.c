#include "control/dispatch.h"

#include "base/check.h"
#include "control/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS_MIN = 1000,    /* An action ordered late still gets a moment. */
    WAIT_BACK_PAUSE_MS = 500, /* Between two attempts to reach a host that reboots. */
    WAIT_BACK_TRY_MS = 10000, /* One attempt. */
};

/* One host: the driver's handle and the action under way. */
struct slot {
    struct dispatch *dispatch;
    uint32_t index;
    struct host *host; /* NULL: no driver, or one that could not be opened. */
    struct rollout_action action;
    bool busy;
    bool running;            /* The driver has its job. */
    struct list queue;       /* Its node, while queued. */
    struct loop_timer pause; /* WAIT_BACK; also reports what could not be started. */
    struct host_job job;     /* Borrowed by the driver until its on_done. */
    char job_id[HOST_ID_MAX + 1];
    char *versions;                 /* Of PUT_BACK; the job borrows it. */
    char failure[ROLLOUT_TEXT_MAX]; /* To be reported when `pause` fires; "" for none. */
};

struct dispatch {
    struct dispatch_start start;
    struct slot *slots;
    uint32_t count;
    uint32_t jobs;     /* Running. */
    struct list queue; /* Slots whose job waits for a place, the oldest first. */
    bool closing;
};

static void on_pause(struct loop_timer *);

static const struct host_driver *driver_of(const struct slot *slot)
{
    const struct dispatch_start *start = &slot->dispatch->start;
    return start->find_driver(start->tier->hosts[slot->index].driver);
}

struct dispatch *dispatch_open(const struct dispatch_start *start, struct error *error)
{
    const struct config_tier *tier = start->tier;
    struct dispatch *dispatch = arena_allocate(start->arena, sizeof *dispatch);
    if (dispatch != NULL) {
        dispatch->start = *start;
        list_init(&dispatch->queue);
        dispatch->count = (uint32_t)(tier->host_count - tier->standby_count);
        dispatch->slots = arena_array(start->arena, dispatch->count, sizeof *dispatch->slots);
    }
    if (dispatch == NULL || dispatch->slots == NULL) {
        error_set(error, ERROR_SYSTEM, "not enough memory for this rollout");
        return NULL;
    }
    for (uint32_t i = 0; i < dispatch->count; i++) {
        struct slot *slot = &dispatch->slots[i];
        slot->dispatch = dispatch;
        slot->index = i;
        slot->pause.on_time = on_pause;
        const struct host_driver *driver = driver_of(slot);
        if (driver == NULL)
            continue;
        slot->host =
            driver->open(start->arena, start->loop, start->config, tier, &tier->hosts[i], error);
        if (slot->host == NULL) {
            dispatch_close(dispatch);
            return NULL;
        }
    }
    return dispatch;
}

static bool on_traffic(const struct rollout_action *action)
{
    return action->kind == ROLLOUT_SET_WEIGHT || action->kind == ROLLOUT_CLOSE_LONG_LIVED;
}

static void start_job(struct slot *slot);

/* The driver is done with the slot's job, or never had it: the next one's turn. */
static void leave_job(struct slot *slot)
{
    struct dispatch *dispatch = slot->dispatch;
    if (list_linked(&slot->queue))
        list_remove(&slot->queue);
    if (slot->running)
        dispatch->jobs--;
    slot->running = false;
    if (dispatch->closing || dispatch->jobs >= dispatch->start.jobs_max ||
        list_empty(&dispatch->queue))
        return;
    struct slot *next = CONTAINER_OF(list_pop_front(&dispatch->queue), struct slot, queue);
    start_job(next);
}

static void set_idle(struct slot *slot)
{
    slot->busy = false;
    slot->failure[0] = '\0';
    free(slot->versions);
    slot->versions = NULL;
}

/* Nothing of the slot's action will be reported any more. */
static void give_up(struct slot *slot)
{
    if (!slot->busy)
        return;
    const struct dispatch_start *start = &slot->dispatch->start;
    loop_timer_clear(start->loop, &slot->pause);
    if (on_traffic(&slot->action))
        start->balancer_driver->cancel(start->balancer, slot);
    else if (slot->running)
        driver_of(slot)->cancel(slot->host);
    leave_job(slot);
    set_idle(slot);
}

void dispatch_close(struct dispatch *dispatch)
{
    if (dispatch == NULL)
        return;
    dispatch->closing = true;
    for (uint32_t i = 0; i < dispatch->count; i++) {
        struct slot *slot = &dispatch->slots[i];
        give_up(slot);
        if (slot->host != NULL)
            driver_of(slot)->close(slot->host);
        slot->host = NULL;
    }
}

static void report(struct slot *slot, const struct rollout_result *result, const char *replaced)
{
    ASSERT(slot->busy);
    const struct dispatch_result done = {
        .host = slot->index, .action_id = slot->action.id, .result = *result, .replaced = replaced};
    set_idle(slot); /* Before the report: the next order may follow from within it. */
    slot->dispatch->start.on_done(slot->dispatch->start.context, &done);
}

/* Reports from the loop, never from within dispatch_order(). */
static void report_failure_later(struct slot *slot, const char *text)
{
    (void)snprintf(slot->failure, sizeof slot->failure, "%s", text);
    loop_timer_set_in(slot->dispatch->start.loop, &slot->pause, 0);
}

static uint32_t time_left_ms(const struct slot *slot)
{
    const uint64_t now = loop_wall_ms(slot->dispatch->start.loop);
    if (slot->action.deadline_ms <= now + TIMEOUT_MS_MIN)
        return TIMEOUT_MS_MIN;
    const uint64_t left = slot->action.deadline_ms - now;
    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static enum rollout_result_code code_of(enum host_outcome outcome)
{
    switch (outcome) {
    case HOST_OK: return ROLLOUT_OK;
    case HOST_FAILED: return ROLLOUT_ACTION_FAILED;
    case HOST_UNREACHABLE: return ROLLOUT_UNREACHABLE;
    case HOST_TIMEOUT: return ROLLOUT_TIMEOUT;
    case HOST_REFUSED: return ROLLOUT_REFUSED;
    default: UNREACHABLE();
    }
}

static void copy_text(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%.*s", (int)size - 1, text != NULL ? text : "");
}

static void take_facts(const struct slot *slot, const struct host_facts *from,
                       struct rollout_facts *to)
{
    const struct config_update *update = &slot->dispatch->start.tier->update;
    memset(to, 0, sizeof *to);
    if (update->install == CONFIG_INSTALL_APT) {
        spec_version(from->versions != NULL ? from->versions : "", to->version);
        spec_version(from->candidates != NULL ? from->candidates : "", to->candidate);
    }
    if (update->security) {
        /* Versions lists only what has an update pending: nothing listed is what is wanted. */
        to->checked = true;
        to->current = from->candidates == NULL || from->candidates[0] == '\0';
    }
    copy_text(to->boot_id, sizeof to->boot_id, from->boot_id);
    copy_text(to->kernel, sizeof to->kernel, from->kernel);
    to->reboot_required = from->reboot_required;
}

/* A host that came back with the old boot_id, or not at all: another attempt, within the deadline.
 */
static bool still_away(const struct slot *slot, const struct host_result *result)
{
    if (slot->action.kind != ROLLOUT_WAIT_BACK ||
        loop_wall_ms(slot->dispatch->start.loop) >= slot->action.deadline_ms)
        return false;
    if (result->outcome == HOST_UNREACHABLE || result->outcome == HOST_TIMEOUT)
        return true;
    return result->outcome == HOST_OK &&
           (result->after.boot_id == NULL || result->after.boot_id[0] == '\0' ||
            strcmp(result->after.boot_id, slot->action.boot_id) == 0);
}

static void on_host_done(void *context, const struct host_result *result)
{
    struct slot *slot = context;
    struct rollout_result done = {.code = code_of(result->outcome), .text = result->sentence};
    const char *replaced = NULL;
    leave_job(slot);
    if (still_away(slot, result)) {
        loop_timer_set_in(slot->dispatch->start.loop, &slot->pause, WAIT_BACK_PAUSE_MS);
        return;
    }
    take_facts(slot, &result->after, &done.facts);
    if (slot->action.kind == ROLLOUT_INSTALL && result->before.versions != NULL &&
        result->before.versions[0] != '\0')
        replaced = result->before.versions;
    report(slot, &done, replaced);
}

static enum host_verb verb_of(const struct slot *slot)
{
    switch (slot->action.kind) {
    case ROLLOUT_FACTS:
    case ROLLOUT_WAIT_BACK: return HOST_FACTS;
    case ROLLOUT_PUT_BACK: return HOST_PUT_BACK;
    case ROLLOUT_REBOOT: return HOST_REBOOT;
    case ROLLOUT_INSTALL: break;
    default: UNREACHABLE();
    }
    switch (slot->dispatch->start.tier->update.install) {
    case CONFIG_INSTALL_APT: return HOST_INSTALL;
    case CONFIG_INSTALL_COMMAND: return HOST_COMMAND;
    case CONFIG_INSTALL_RESTART: return HOST_RESTART;
    default: UNREACHABLE();
    }
}

static void start_job(struct slot *slot)
{
    const struct dispatch_start *start = &slot->dispatch->start;
    ASSERT(slot->busy && !slot->running && !list_linked(&slot->queue));
    if (slot->dispatch->jobs >= start->jobs_max) {
        list_push_back(&slot->dispatch->queue, &slot->queue);
        return;
    }
    slot->running = true;
    slot->dispatch->jobs++;
    const struct config_update *update = &start->tier->update;
    /* Back from a reboot only its boot_id is asked for: no package lists are fetched. */
    const bool waits = slot->action.kind == ROLLOUT_WAIT_BACK;
    uint32_t timeout_ms = time_left_ms(slot);
    if (waits && timeout_ms > WAIT_BACK_TRY_MS)
        timeout_ms = WAIT_BACK_TRY_MS;
    (void)snprintf(slot->job_id, sizeof slot->job_id, "r%llu-%llx-a%llu",
                   (unsigned long long)start->head->id, (unsigned long long)start->head->created_ms,
                   (unsigned long long)slot->action.id);
    slot->job = (struct host_job){
        .id = slot->job_id,
        .token = start->token,
        .verb = verb_of(slot),
        .packages = update->packages,
        .package_count = waits ? 0 : update->package_count,
        .security = update->security && !waits,
        .version = slot->action.version[0] != '\0' ? slot->action.version : NULL,
        .versions = slot->versions,
        .unit = update->unit,
        .command = update->command,
        .check = update->command_check,
        .timeout_ms = timeout_ms,
    };
    driver_of(slot)->start(slot->host, &slot->job, on_host_done, slot);
}

static void on_pause(struct loop_timer *timer)
{
    struct slot *slot = CONTAINER_OF(timer, struct slot, pause);
    char text[ROLLOUT_TEXT_MAX];
    const struct rollout_result result = {.code = ROLLOUT_REFUSED, .text = text};
    if (slot->failure[0] == '\0') {
        start_job(slot);
        return;
    }
    memcpy(text, slot->failure, sizeof text);
    report(slot, &result, NULL);
}

static void on_balancer_done(void *context, const struct error *error)
{
    struct slot *slot = context;
    struct rollout_result result = {.code = ROLLOUT_OK};
    if (error != NULL) {
        result.text = error->text;
        result.code = error->kind == ERROR_CONFLICT || error->kind == ERROR_REFUSED ||
                              error->kind == ERROR_NOT_FOUND
                          ? ROLLOUT_REFUSED
                      : error->kind == ERROR_TIMEOUT ? ROLLOUT_TIMEOUT
                                                     : ROLLOUT_UNREACHABLE;
    }
    report(slot, &result, NULL);
}

static void order_traffic(struct slot *slot)
{
    const struct dispatch_start *start = &slot->dispatch->start;
    const struct balancer_change change = {
        .tier = start->tier->name,
        .host = start->tier->hosts[slot->index].name,
        .restore = slot->action.restore,
        .weight = slot->action.weight,
        .token = start->token,
        .timeout_ms = time_left_ms(slot),
    };
    if (slot->action.kind == ROLLOUT_SET_WEIGHT)
        start->balancer_driver->apply(start->balancer, &change, on_balancer_done, slot);
    else
        start->balancer_driver->close_long_lived(start->balancer, &change, on_balancer_done, slot);
}

void dispatch_order(struct dispatch *dispatch, const struct rollout_action *action,
                    const char *versions)
{
    ASSERT(action->host < dispatch->count);
    struct slot *slot = &dispatch->slots[action->host];
    /* Ordered again while the first order is still out: its report will do for both. */
    if (slot->busy && slot->action.id == action->id)
        return;
    give_up(slot);
    slot->busy = true;
    slot->action = *action;
    slot->versions = versions != NULL ? strdup(versions) : NULL;
    if (on_traffic(action))
        order_traffic(slot);
    else if (slot->host == NULL)
        report_failure_later(slot, "it has no driver");
    else if (action->kind == ROLLOUT_PUT_BACK && slot->versions == NULL)
        report_failure_later(slot, "the versions before the installation are not known");
    else
        start_job(slot);
}
