#include "proxy/balancer.h"

#include "base/check.h"
#include "os/loop.h"
#include "proxy/access_log.h"
#include "proxy/admin.h"
#include "proxy/probe.h"
#include "proxy/targets.h"
#include "proxy/weights.h"
#include "proxy/worker.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { END_POLL_MS = 20 };

struct balancer {
    const struct balancer_start *start;
    struct loop *loop;
    struct targets *targets;
    struct access_log *log;
    struct weights *weights;
    struct admin *admin;
    struct probes *probes;
    struct worker **workers;
    uint32_t worker_count; /* Opened so far. */
    uint32_t running;      /* With a thread. */
    _Atomic uint32_t connections;
    uint64_t *tokens; /* One a tier, as the parent has kept them. */
    struct loop_watch signals;
    struct loop_timer end_timer; /* Looks whether the workers have ended. */
    bool ending;
};

static void tell(const char *text)
{
    (void)fprintf(stderr, "nines balancer: %s\n", text);
}

/* --- Rights. --- */

static bool change_user(const char *user, struct error *error)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user); /* Before any thread starts. */
    if (entry == NULL && errno != 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot look user '%s' up", user);
    if (entry == NULL) {
        (void)fprintf(stderr, "nines balancer: there is no user '%s'; running on as uid %u\n", user,
                      (unsigned)geteuid());
        return true;
    }
    const gid_t group = entry->pw_gid;
    const uid_t uid = entry->pw_uid;
    if (setgroups(1, &group) != 0 || setgid(group) != 0 || setuid(uid) != 0)
        return error_set_errno(error, errno, "cannot become user '%s'", user);
    if (uid != 0 && setuid(0) == 0)
        return error_set(error, ERROR_SYSTEM, "user '%s' could become root again", user);
    /* Other processes of that user cannot look into this one's memory. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return error_set_errno(error, errno, "cannot close this process to others");
    return true;
}

static bool drop_rights(const char *user, struct error *error)
{
    if (user != NULL && geteuid() == 0 && !change_user(user, error))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set_errno(error, errno, "cannot give up new privileges");
    /* Two descriptors a client, as many as the system lets us have. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return true;
}

/* --- The end. --- */

static void on_end_poll(struct loop_timer *timer)
{
    struct balancer *balancer = CONTAINER_OF(timer, struct balancer, end_timer);
    for (uint32_t i = 0; i < balancer->running; i++) {
        if (!worker_ended(balancer->workers[i])) {
            loop_timer_set_in(balancer->loop, timer, END_POLL_MS);
            return;
        }
    }
    loop_stop(balancer->loop);
}

/* Workers end by themselves within BALANCER_DRAIN_MS; until then the admin interface answers. */
static void begin_end(struct balancer *balancer)
{
    if (balancer->ending)
        return;
    balancer->ending = true;
    for (uint32_t i = 0; i < balancer->running; i++)
        worker_stop(balancer->workers[i], BALANCER_DRAIN_MS);
    loop_timer_set_in(balancer->loop, &balancer->end_timer, 0);
}

static void on_signal(struct loop_watch *watch, uint32_t events)
{
    struct balancer *balancer = CONTAINER_OF(watch, struct balancer, signals);
    ASSERT(events != 0);
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
        begin_end(balancer);
}

static bool watch_signals(struct balancer *balancer, struct error *error)
{
    /* Rotation and reload are the parent's affair; a signal to all of nines must not end this. */
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < COUNT_OF(ignored); i++) {
        if (sigaction(ignored[i], &ignore, NULL) != 0)
            return error_set_errno(error, errno, "cannot ignore signal %d", ignored[i]);
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    /* Blocked here, before threads start: they inherit it, and the signals wait for the loop. */
    if (sigprocmask(SIG_BLOCK, &ends, NULL) != 0)
        return error_set_errno(error, errno, "cannot block signals");
    const int fd = signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot watch signals");
    balancer->signals = (struct loop_watch){.fd = fd, .on_event = on_signal};
    if (loop_watch_add_level(balancer->loop, &balancer->signals, error))
        return true;
    close(fd);
    balancer->signals.fd = -1;
    return false;
}

/* --- The parent's channel. --- */

static void on_log(void *context, int fd)
{
    struct balancer *balancer = context;
    if (balancer->log == NULL)
        close(fd);
    else
        access_log_reopen(balancer->log, fd);
}

static void on_parent_gone(void *context)
{
    tell("the parent process is gone; finishing the requests in flight");
    begin_end(context);
}

/* A weight that the parent has kept. Of a host that the config has no more: nothing to do. */
static void on_weight_at_start(void *context, const struct weights_change *change)
{
    struct balancer *balancer = context;
    const struct config *config = balancer->start->config;
    const struct config_tier *tier = config_tier_find(config, change->tier);
    if (tier == NULL)
        return;
    const size_t index = (size_t)(tier - config->tiers);
    if (change->host[0] == '\0') {
        balancer->tokens[index] = change->token;
        return;
    }
    const struct config_host *host = config_host_find(tier, change->host);
    if (host == NULL)
        return;
    const uint32_t target =
        targets_tier_first(balancer->targets, index) + (uint32_t)(host - tier->hosts);
    struct error error;
    if (!targets_set_weight(balancer->targets, target, change->weight, &error))
        tell(error.text);
}

/* --- Opening. --- */

static bool open_log(struct balancer *balancer, struct error *error)
{
    const struct balancer_start *start = balancer->start;
    if (start->access_log_fd < 0)
        return true;
    balancer->log =
        access_log_open(start->access_log_fd, start->config->log.format, start->threads, error);
    return balancer->log != NULL;
}

static bool open_worker(struct balancer *balancer, uint32_t index, struct error *error)
{
    const struct balancer_start *start = balancer->start;
    int fds[CONFIG_LISTENERS_MAX];
    const size_t count = start->config->listener_count;
    ASSERT(count <= CONFIG_LISTENERS_MAX);
    for (size_t l = 0; l < count; l++)
        fds[l] = start->listen_fds[l * start->threads + index];
    const struct worker_start worker = {
        .index = index,
        .config = start->config,
        .targets = balancer->targets,
        .log = access_log_worker(balancer->log, index),
        .connections_total = &balancer->connections,
        .listen_fds = fds,
        .seed = loop_now_ns(balancer->loop) + index,
    };
    balancer->workers[index] = worker_open(&worker, error);
    if (balancer->workers[index] == NULL)
        return error_add(error, "worker %u", index);
    balancer->worker_count = index + 1;
    return true;
}

static bool open_control(struct balancer *balancer, struct error *error)
{
    const struct balancer_start *start = balancer->start;
    const struct weights_events events = {
        .on_log = on_log, .on_parent_gone = on_parent_gone, .context = balancer};
    balancer->weights = weights_open(balancer->loop, start->weights_fd, &events, error);
    if (balancer->weights == NULL)
        return false;
    const struct admin_start admin = {
        .loop = balancer->loop,
        .targets = balancer->targets,
        .weights = balancer->weights,
        .log = balancer->log,
        .admin_fd = start->admin_fd,
        .metrics_fd = start->metrics_fd,
        .threads = start->threads,
        .tokens = balancer->tokens,
    };
    balancer->admin = admin_open(&admin, error);
    if (balancer->admin == NULL)
        return false;
    balancer->probes = probes_open(balancer->loop, balancer->targets, error);
    return balancer->probes != NULL;
}

static bool open_all(struct balancer *balancer, struct error *error)
{
    const struct balancer_start *start = balancer->start;
    if (!drop_rights(start->config->user, error))
        return false;
    balancer->loop = loop_open(error);
    if (balancer->loop == NULL || !watch_signals(balancer, error))
        return false;
    balancer->workers = calloc(start->threads, sizeof *balancer->workers);
    balancer->tokens = calloc(start->config->tier_count, sizeof *balancer->tokens);
    if (balancer->workers == NULL || balancer->tokens == NULL)
        return error_set_errno(error, ENOMEM, "cannot start");
    balancer->targets = targets_open(start->config, start->threads, balancer->loop, error);
    if (balancer->targets == NULL)
        return false;
    if (!weights_read_start(start->weights_start_fd, on_weight_at_start, balancer, error))
        return false;
    close(start->weights_start_fd);
    if (!open_log(balancer, error))
        return false;
    for (uint32_t i = 0; i < start->threads; i++) {
        if (!open_worker(balancer, i, error))
            return false;
    }
    if (!open_control(balancer, error))
        return false;
    while (balancer->running < start->threads) {
        if (!worker_run(balancer->workers[balancer->running], error))
            return false;
        balancer->running++;
    }
    return true;
}

static void close_all(struct balancer *balancer)
{
    for (uint32_t i = 0; i < balancer->running; i++) {
        worker_stop(balancer->workers[i], 0); /* They have ended, but for a failed start. */
        worker_join(balancer->workers[i]);
    }
    for (uint32_t i = 0; i < balancer->worker_count; i++)
        worker_close(balancer->workers[i]);
    probes_close(balancer->probes);
    weights_close(balancer->weights);
    admin_close(balancer->admin);
    access_log_close(balancer->log);
    targets_close(balancer->targets);
    if (balancer->signals.fd >= 0) {
        const int fd = balancer->signals.fd;
        loop_watch_remove(balancer->loop, &balancer->signals);
        close(fd);
    }
    if (balancer->loop != NULL)
        loop_timer_clear(balancer->loop, &balancer->end_timer);
    loop_close(balancer->loop);
    free(balancer->workers);
    free(balancer->tokens);
}

int balancer_run(const struct balancer_start *start)
{
    ASSERT(start->threads > 0 && start->threads <= TARGETS_WORKERS_MAX);
    ASSERT(start->admin_fd >= 0 && start->weights_fd >= 0 && start->weights_start_fd >= 0);
    struct balancer balancer = {.start = start, .signals.fd = -1};
    balancer.end_timer.on_time = on_end_poll;
    struct error error;
    const bool good = open_all(&balancer, &error);
    if (good)
        loop_run(balancer.loop);
    else
        tell(error.text);
    close_all(&balancer);
    return good ? 0 : error_exit_code(error.kind);
}
