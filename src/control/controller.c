#include "base/check.h"
#include "control/controller_state.h"
#include "control/promise.h"
#include "control/spec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ARENA_MAX = 256 * 1024 * 1024 };

struct controller_tier *controller_tier_find(struct controller *controller, const char *name)
{
    for (size_t i = 0; i < controller->config->tier_count; i++) {
        if (strcmp(controller->tiers[i].config->name, name) == 0)
            return &controller->tiers[i];
    }
    return NULL;
}

struct runner *controller_active(const struct controller *controller, const char *tier)
{
    for (size_t i = 0; i < controller->runner_count; i++) {
        struct runner *runner = controller->runners[i];
        if (!runner_ended(runner) && (tier == NULL || strcmp(runner_head(runner)->tier, tier) == 0))
            return runner;
    }
    return NULL;
}

struct runner *controller_runner(const struct controller *controller, uint64_t id)
{
    if (id == 0) {
        struct runner *active = controller_active(controller, NULL);
        if (active != NULL || controller->runner_count == 0)
            return active;
        return controller->runners[controller->runner_count - 1];
    }
    for (size_t i = 0; i < controller->runner_count; i++) {
        if (runner_head(controller->runners[i])->id == id)
            return controller->runners[i];
    }
    return NULL;
}

/* --- Rollouts --- */

static void on_store_lost(void *context, const struct error *error)
{
    struct controller *controller = context;
    (void)fprintf(stderr, "nines: the store cannot be trusted, starting over: %s\n", error->text);
    controller->status = error_exit_code(ERROR_SYSTEM);
    loop_stop(controller->loop);
}

static void set_pace(struct controller *controller, const char *tier)
{
    struct controller_tier *found = controller_tier_find(controller, tier);
    if (found != NULL)
        watch_set_active(&found->watch, controller_active(controller, tier) != NULL);
}

static void on_rollout_end(void *context, struct runner *runner)
{
    struct controller *controller = context;
    set_pace(controller, runner_head(runner)->tier);
    (void)fprintf(stderr, "nines: rollout %llu: %s\n", (unsigned long long)runner_head(runner)->id,
                  runner_frozen(runner) != NULL ? runner_frozen(runner) : runner_sentence(runner));
}

static void on_look(void *context, struct watch *watch)
{
    struct controller_tier *tier = context;
    ASSERT(watch == &tier->watch);
    struct runner *runner = controller_active(tier->controller, tier->config->name);
    if (runner != NULL)
        runner_observe(runner);
}

static struct watch *find_watch(void *context, const char *name)
{
    struct controller_tier *tier = controller_tier_find(context, name);
    return tier != NULL ? &tier->watch : NULL;
}

static struct runner_place place_of(struct controller *controller)
{
    return (struct runner_place){
        .loop = controller->loop,
        .store = controller->store,
        .config_file = controller->config->file,
        .find_driver = host_driver_find,
        .balancer_driver = controller->balancer_driver,
        .balancer = controller->balancer,
        .jobs_max = CONTROLLER_JOBS_MAX,
        .find_watch = find_watch,
        .on_store_lost = on_store_lost,
        .on_end = on_rollout_end,
        .context = controller,
    };
}

/* Room for one more: the oldest that has ended is put away (it stays in the store). */
static bool make_room(struct controller *controller, struct error *error)
{
    if (controller->runner_count < CONTROLLER_ROLLOUTS_MAX)
        return true;
    for (size_t i = 0; i < controller->runner_count; i++) {
        if (!runner_ended(controller->runners[i]))
            continue;
        runner_close(controller->runners[i]);
        controller->runner_count--;
        memmove(&controller->runners[i], &controller->runners[i + 1],
                (controller->runner_count - i) * sizeof(struct runner *));
        return true;
    }
    return error_set(error, ERROR_LIMIT, "%d rollouts are under way: wait for one to end",
                     CONTROLLER_ROLLOUTS_MAX);
}

/* Names of the hosts that operators keep drained. False when they do not fit. */
static bool list_cordoned(const struct controller_tier *tier, char *out, size_t size,
                          struct error *error)
{
    size_t used = 0;
    for (size_t i = 0; i < tier->config->host_count; i++) {
        if (!tier->cordoned[i])
            continue;
        const int more = snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "",
                                  tier->config->hosts[i].name);
        ASSERT(more > 0);
        if ((size_t)more >= size - used)
            return error_set(error, ERROR_LIMIT,
                             "more hosts of tier '%s' are drained by operators than an update can "
                             "keep in mind (%zu bytes of names): restore some first",
                             tier->config->name, size);
        used += (size_t)more;
    }
    return true;
}

struct runner *controller_update(struct controller *controller, const struct rows_head *wanted,
                                 struct error *error)
{
    struct rows_head head = *wanted;
    struct controller_tier *tier = controller_tier_find(controller, head.tier);
    if (tier == NULL) {
        error_set(error, ERROR_NOT_FOUND, "there is no tier '%s' in %s", head.tier,
                  controller->config->file);
        return NULL;
    }
    const struct runner *active = controller_active(controller, head.tier);
    if (active != NULL) {
        error_set(error, ERROR_CONFLICT,
                  "rollout %llu of tier '%s' is under way; follow it with nines status, or end it "
                  "with nines abort",
                  (unsigned long long)runner_head(active)->id, head.tier);
        return NULL;
    }
    if (!tier->watch.reachable) {
        error_set(error, ERROR_UNREACHABLE, "the balancer cannot be reached: %s",
                  tier->watch.problem[0] != '\0' ? tier->watch.problem : "not asked yet");
        return NULL;
    }
    if (!list_cordoned(tier, head.cordoned, sizeof head.cordoned, error) ||
        !make_room(controller, error))
        return NULL;
    head.id = controller->last_id + 1;
    head.created_ms = loop_wall_ms(controller->loop);
    const struct runner_place place = place_of(controller);
    struct runner *runner = runner_start(&place, &head, controller->config_text, error);
    if (runner == NULL)
        return NULL;
    controller->last_id = head.id;
    controller->runners[controller->runner_count++] = runner;
    set_pace(controller, head.tier);
    return runner;
}

/* --- Cordons --- */

bool controller_cordon(struct controller_tier *tier, size_t host, bool cordoned,
                       struct error *error)
{
    char key[STORE_KEY_BYTES_MAX];
    ASSERT(host < tier->config->host_count);
    (void)snprintf(key, sizeof key, "cordon/%s/%s", tier->config->name,
                   tier->config->hosts[host].name);
    const struct store_write write = {
        .key = slice_of(key), .value = SLICE("1"), .remove = !cordoned};
    if (!store_commit(tier->controller->store, &write, 1, error)) {
        if (error->kind == ERROR_SYSTEM)
            on_store_lost(tier->controller, error);
        return false;
    }
    tier->cordoned[host] = cordoned;
    return true;
}

static bool on_cordon(void *context, const struct store_row *row)
{
    struct controller *controller = context;
    char key[STORE_KEY_BYTES_MAX + 1];
    char *rest = NULL;
    (void)snprintf(key, sizeof key, "%.*s", (int)row->key.size, row->key.data);
    const char *prefix = strtok_r(key, "/", &rest);
    const char *tier_name = strtok_r(NULL, "/", &rest);
    const char *host_name = strtok_r(NULL, "/", &rest);
    if (row->damage != NULL || prefix == NULL || tier_name == NULL || host_name == NULL)
        return true;
    struct controller_tier *tier = controller_tier_find(controller, tier_name);
    const struct config_host *host =
        tier != NULL ? config_host_find(tier->config, host_name) : NULL;
    if (host != NULL)
        tier->cordoned[host - tier->config->hosts] = true;
    return true;
}

/* --- The process --- */

static bool open_tiers(struct controller *controller, struct error *error)
{
    const struct config *config = controller->config;
    controller->tiers =
        arena_array(&controller->arena, config->tier_count, sizeof *controller->tiers);
    if (controller->tiers == NULL)
        return error_set(error, ERROR_SYSTEM, "not enough memory for the tiers");
    for (size_t i = 0; i < config->tier_count; i++) {
        struct controller_tier *tier = &controller->tiers[i];
        tier->config = &config->tiers[i];
        tier->controller = controller;
        tier->cordoned = arena_array(&controller->arena, tier->config->host_count, sizeof(bool));
        if (tier->cordoned == NULL ||
            !watch_init(&tier->watch, &controller->arena, controller->loop, tier->config,
                        controller->balancer_driver, controller->balancer, on_look, tier))
            return error_set(error, ERROR_SYSTEM, "not enough memory for the tiers");
    }
    return true;
}

static void load_one(struct controller *controller, uint64_t id)
{
    struct error error;
    const struct runner_place place = place_of(controller);
    struct runner *runner = runner_load(&place, id, &error);
    if (runner != NULL) {
        controller->runners[controller->runner_count++] = runner;
        return;
    }
    struct controller_lost *lost = &controller->lost[controller->lost_count++];
    lost->id = id;
    (void)snprintf(lost->why, sizeof lost->why, "%s", error.text);
    (void)fprintf(stderr,
                  "nines: %s; nothing is done for it. Its hosts are as it left them: see nines "
                  "status, and the last lines of nines log %llu\n",
                  error.text, (unsigned long long)id);
}

/*
 * Goes on with those that are open, the newest first: one that could not be read for a while (its
 * tier was not in the config, say) must not come back beside a newer one of the same tier.
 */
static void resume_rollouts(struct controller *controller)
{
    for (size_t i = controller->runner_count; i > 0; i--) {
        struct runner *runner = controller->runners[i - 1];
        const char *tier = runner_head(runner)->tier;
        bool newer = false;
        for (size_t j = i; j < controller->runner_count; j++)
            newer = newer || strcmp(runner_head(controller->runners[j])->tier, tier) == 0;
        if (newer && !runner_ended(runner))
            runner_freeze(runner, "a newer rollout of its tier was started while it could not be "
                                  "read");
        runner_resume(runner);
        set_pace(controller, tier);
    }
}

static bool load_rollouts(struct controller *controller, struct error *error)
{
    uint64_t ids[CONTROLLER_ROLLOUTS_MAX];
    size_t count = 0;
    if (!runner_ids(controller->store, ids, COUNT_OF(ids), &count, &controller->last_id, error) ||
        !store_scan(controller->store, "cordon/", on_cordon, controller, error))
        return false;
    for (size_t i = 0; i < count; i++)
        load_one(controller, ids[i]);
    resume_rollouts(controller);
    return true;
}

static void on_signal(struct loop_watch *watch, uint32_t events)
{
    struct controller *controller = CONTAINER_OF(watch, struct controller, signals);
    struct signalfd_siginfo signal_info;
    ASSERT(events != 0);
    while (read(watch->fd, &signal_info, sizeof signal_info) == (ssize_t)sizeof signal_info)
        loop_stop(controller->loop);
}

static bool watch_signals(struct controller *controller, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return error_set_errno(error, errno, "cannot block signals");
    controller->signals.on_event = on_signal;
    controller->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (controller->signals.fd < 0)
        return error_set_errno(error, errno, "cannot watch signals");
    return loop_watch_add_level(controller->loop, &controller->signals, error);
}

static bool open_all(struct controller *controller, const struct controller_start *start,
                     struct error *error)
{
    controller->loop = loop_open(error);
    if (controller->loop == NULL || !watch_signals(controller, error))
        return false;
    controller->store = store_open(controller->config->state, error);
    if (controller->store == NULL)
        return false;
    controller->balancer_driver = &balancer_nines;
    controller->balancer = controller->balancer_driver->open(&controller->arena, controller->loop,
                                                             controller->config, error);
    if (controller->balancer == NULL || !open_tiers(controller, error) ||
        !load_rollouts(controller, error))
        return false;
    controller->server =
        server_open(controller->loop, start->admin_fd, controller_api, controller, error);
    return controller->server != NULL;
}

/* Rollouts are left where they are: the next start goes on with them. */
static void close_all(struct controller *controller)
{
    server_close(controller->server);
    for (size_t i = 0; controller->tiers != NULL && i < controller->config->tier_count; i++) {
        if (controller->tiers[i].watch.loop != NULL)
            watch_done(&controller->tiers[i].watch);
    }
    for (size_t i = 0; i < controller->runner_count; i++)
        runner_close(controller->runners[i]);
    if (controller->balancer != NULL)
        controller->balancer_driver->close(controller->balancer);
    store_close(controller->store);
    if (controller->signals.fd >= 0) {
        const int fd = controller->signals.fd;
        loop_watch_remove(controller->loop, &controller->signals);
        close(fd);
    }
    loop_close(controller->loop);
    arena_done(&controller->arena);
}

int controller_run(const struct controller_start *start)
{
    struct error error;
    static struct controller controller;
    controller = (struct controller){
        .config = start->config, .config_text = start->config_text, .signals.fd = -1};
    arena_init(&controller.arena, ARENA_MAX);
    promise_install();
    if (open_all(&controller, start, &error)) {
        loop_run(controller.loop);
    } else {
        (void)fprintf(stderr, "nines: the controller cannot start: %s\n", error.text);
        controller.status = error_exit_code(error.kind);
    }
    close_all(&controller);
    return controller.status;
}
