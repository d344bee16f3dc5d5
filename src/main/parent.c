#include "main/parent.h"

#include "base/check.h"
#include "main/child.h"
#include "main/cmd.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"
#include "proxy/targets.h"
#include "proxy/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { BACKLOG = 4096, FDS_TEXT_MAX = 256 * 1024, LOG_MODE = 0640 };

struct parent {
    const struct parent_start *start;
    const struct config *config;
    struct loop *loop;
    struct loop_watch signals;
    struct loop_timer stop_deadline;
    struct child balancer;
    struct child controller;
    struct weights_parent *weights;
    uint32_t threads;
    int pid_fd;
    int config_fd;
    int *listen_fds; /* Listener l, thread t: [l * threads + t]. */
    size_t listen_count;
    int balancer_fd;
    int controller_fd;
    int metrics_fd;
    int log_fd;
    bool stopping;
    int status; /* What parent_run() returns. */
};

static void path_of(const struct parent *parent, const char *name, char *out, size_t size)
{
    const int length = snprintf(out, size, "%s/%s", parent->config->admin, name);
    ASSERT(length > 0);
}

/* Threads of the balancer: the config's number, or one a core that we may run on. */
static uint32_t thread_count(const struct config *config)
{
    cpu_set_t set;
    if (config->threads != 0)
        return config->threads;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int count = CPU_COUNT(&set);
    ASSERT(count > 0);
    return count > TARGETS_WORKERS_MAX ? TARGETS_WORKERS_MAX : (uint32_t)count;
}

/* As many file descriptors as the system lets us have: each connection may need two. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* One parent of a kind an admin folder: the lock on its pid file says who. */
static bool write_pid(struct parent *parent, struct error *error)
{
    char path[PATH_MAX];
    char text[32];
    path_of(parent, parent->start->balancer ? "nines.pid" : "controller.pid", path, sizeof path);
    parent->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (parent->pid_fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    if (flock(parent->pid_fd, LOCK_EX | LOCK_NB) != 0) {
        const ssize_t size = read(parent->pid_fd, text, sizeof text - 1);
        text[size > 0 ? size : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        close(parent->pid_fd);
        parent->pid_fd = -1;
        return error_set(error, ERROR_CONFLICT,
                         "nines runs already with this admin folder (%s, pid %s)", path, text);
    }
    const int size = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(parent->pid_fd, 0) != 0 || write(parent->pid_fd, text, (size_t)size) != size)
        return error_set_errno(error, errno, "cannot write %s", path);
    return true;
}

/* The config's text in a sealed file of memory: what was judged is what the children read. */
static bool share_config(struct parent *parent, struct error *error)
{
    const struct slice text = parent->start->config_text;
    parent->config_fd = memfd_create("nines-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (parent->config_fd < 0 ||
        write(parent->config_fd, text.data, text.size) != (ssize_t)text.size ||
        fcntl(parent->config_fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return error_set_errno(error, errno, "cannot hand the config to the children");
    return true;
}

/* `check`: that nobody else has it already; not for one that shares it with another of ours. */
static bool listen_on(const struct config_address *at, bool reuse_port, bool check, int *fd,
                      struct error *error)
{
    struct socket_address address;
    if (!socket_resolve(at->host, at->port, &address, error) ||
        (check && !socket_is_free(&address, error)))
        return false;
    *fd = socket_listen(&address, reuse_port, BACKLOG, error);
    return *fd >= 0;
}

static bool open_listeners(struct parent *parent, struct error *error)
{
    const struct config *config = parent->config;
    parent->listen_count = config->listener_count * parent->threads;
    parent->listen_fds = calloc(parent->listen_count + 1, sizeof(int));
    if (parent->listen_fds == NULL)
        return error_set_errno(error, ENOMEM, "cannot open the listeners");
    for (size_t i = 0; i < parent->listen_count; i++)
        parent->listen_fds[i] = -1;
    for (size_t i = 0; i < parent->listen_count; i++) {
        const struct config_listener *listener = &config->listeners[i / parent->threads];
        if (!listen_on(&listener->address, parent->threads > 1, i % parent->threads == 0,
                       &parent->listen_fds[i], error))
            return error_add(error, "%s:%u:%u", config->file, listener->place.line,
                             listener->place.column);
    }
    return !config->metrics_given ||
           listen_on(&config->metrics, false, false, &parent->metrics_fd, error);
}

/* -1 when the log is off. */
static bool open_log(const struct config *config, int *fd, struct error *error)
{
    *fd = -1;
    if (config->log.access == NULL)
        return true;
    if (strcmp(config->log.access, "stdout") == 0)
        *fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        *fd = open(config->log.access, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, LOG_MODE);
    return *fd >= 0 ||
           error_set_errno(error, errno, "cannot open the access log %s", config->log.access);
}

static bool open_admin_socket(const struct parent *parent, const char *name, int *fd,
                              struct error *error)
{
    char path[PATH_MAX];
    path_of(parent, name, path, sizeof path);
    *fd = socket_listen_unix(path, 0600, error);
    return *fd >= 0;
}

static bool open_all(struct parent *parent, struct error *error)
{
    char path[PATH_MAX];
    raise_file_limit();
    if (!file_make_folder(parent->config->admin, 0700, error) || !write_pid(parent, error) ||
        !share_config(parent, error))
        return false;
    if (parent->start->controller &&
        !open_admin_socket(parent, "controller.sock", &parent->controller_fd, error))
        return false;
    if (!parent->start->balancer)
        return true;
    path_of(parent, "weights", path, sizeof path);
    parent->weights = weights_parent_open(parent->loop, parent->config, path, error);
    return parent->weights != NULL &&
           open_admin_socket(parent, "balancer.sock", &parent->balancer_fd, error) &&
           open_listeners(parent, error) && open_log(parent->config, &parent->log_fd, error);
}

/* Starts `nines child-NAME` with these words and fds. */
static int start_child(const struct parent *parent, const char *name, struct text *words,
                       const int *keep, size_t keep_count, bool die_with_parent,
                       struct error *error)
{
    char command[32];
    const char *argv[CMD_OPERANDS_MAX] = {"nines", command, "-c", parent->config->file};
    size_t count = 4;
    (void)snprintf(command, sizeof command, "child-%s", name);
    if (words->failed) {
        error_set(error, ERROR_LIMIT, "too many listening sockets");
        return -1;
    }
    char *rest = NULL;
    for (char *word = strtok_r(words->data, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        ASSERT(count < COUNT_OF(argv) - 1);
        argv[count++] = word;
    }
    const struct process_start start = {
        .program = parent->start->program,
        .argv = argv,
        .stdin_fd = -1,
        .stdout_fd = STDOUT_FILENO,
        .stderr_fd = STDERR_FILENO,
        .keep = keep,
        .keep_count = (uint32_t)keep_count,
        .die_with_parent = die_with_parent,
    };
    return process_start(&start, error);
}

static int start_balancer(struct child *child, struct error *error)
{
    struct parent *parent = child->context;
    int weights_fd = -1;
    int start_fd = -1;
    int pid = -1;
    if (!weights_parent_attach(parent->weights, &weights_fd, &start_fd, error))
        return -1;
    struct text words;
    text_init(&words, FDS_TEXT_MAX);
    const int others[] = {parent->config_fd, parent->balancer_fd, parent->metrics_fd,
                          parent->log_fd,    weights_fd,          start_fd};
    static const char *const names[] = {"config", "admin", "metrics", "log", "weights", "start"};
    int *keep = calloc(parent->listen_count + COUNT_OF(others), sizeof *keep);
    size_t count = 0;
    for (size_t i = 0; keep != NULL && i < COUNT_OF(others); i++) {
        child_fds_add(&words, names[i], &others[i], others[i] >= 0 ? 1 : 0);
        text_add_char(&words, ' ');
        if (others[i] >= 0)
            keep[count++] = others[i];
    }
    child_fds_add(&words, "listen", parent->listen_fds, parent->listen_count);
    if (keep != NULL) {
        memcpy(keep + count, parent->listen_fds, parent->listen_count * sizeof(int));
        /* It ends by itself when the channel to us closes: a change of user clears a death signal.
         */
        pid = start_child(parent, "balancer", &words, keep, count + parent->listen_count, false,
                          error);
    } else {
        error_set_errno(error, ENOMEM, "cannot start the balancer");
    }
    free(keep);
    text_done(&words);
    close(weights_fd);
    close(start_fd);
    return pid;
}

static int start_controller(struct child *child, struct error *error)
{
    const struct parent *parent = child->context;
    struct text words;
    text_init(&words, FDS_TEXT_MAX);
    child_fds_add(&words, "config", &parent->config_fd, 1);
    text_add_char(&words, ' ');
    child_fds_add(&words, "admin", &parent->controller_fd, 1);
    const int keep[] = {parent->config_fd, parent->controller_fd};
    const int pid = start_child(parent, "controller", &words, keep, COUNT_OF(keep), true, error);
    text_done(&words);
    return pid;
}

static bool all_over(const struct parent *parent)
{
    return !parent->balancer.running && !parent->controller.running;
}

static void stop_all(struct parent *parent)
{
    if (parent->stopping) {
        child_kill(&parent->balancer);
        child_kill(&parent->controller);
        return;
    }
    parent->stopping = true;
    loop_timer_set_in(parent->loop, &parent->stop_deadline, PARENT_STOP_MS);
    if (parent->start->controller)
        child_stop(&parent->controller);
    if (parent->start->balancer)
        child_stop(&parent->balancer);
}

static void on_child_over(struct child *child)
{
    struct parent *parent = child->context;
    if (!child->stopping) {
        child->stopping = true;
        parent->status = child->status != 0 ? child->status : EXIT_FAILED;
    }
    if (!parent->stopping)
        stop_all(parent);
    if (all_over(parent))
        loop_stop(parent->loop);
}

static void on_stop_deadline(struct loop_timer *timer)
{
    struct parent *parent = CONTAINER_OF(timer, struct parent, stop_deadline);
    ASSERT(parent->stopping);
    child_kill(&parent->balancer);
    child_kill(&parent->controller);
}

static void reopen_log(struct parent *parent)
{
    struct error error;
    int fd = -1;
    if (!parent->start->balancer || parent->log_fd < 0)
        return;
    if (!open_log(parent->config, &fd, &error) ||
        !weights_parent_send_log(parent->weights, fd, &error)) {
        (void)fprintf(stderr, "nines: the access log stays as it was: %s\n", error.text);
        if (fd >= 0)
            close(fd);
        return;
    }
    close(parent->log_fd);
    parent->log_fd = fd;
}

static void on_signal(struct loop_watch *watch, uint32_t events)
{
    struct parent *parent = CONTAINER_OF(watch, struct parent, signals);
    struct signalfd_siginfo signal_info;
    ASSERT(events != 0);
    while (read(watch->fd, &signal_info, sizeof signal_info) == (ssize_t)sizeof signal_info) {
        switch (signal_info.ssi_signo) {
        case SIGTERM:
        case SIGINT: stop_all(parent); break;
        case SIGUSR1: reopen_log(parent); break;
        case SIGHUP:
            (void)fprintf(stderr, "nines: SIGHUP: this version does not reload; restart it\n");
            break;
        case SIGUSR2:
            (void)fprintf(stderr, "nines: SIGUSR2: this version does not re-execute itself\n");
            break;
        default: UNREACHABLE();
        }
    }
}

static bool watch_signals(struct parent *parent, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        sigaddset(&set, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return error_set_errno(error, errno, "cannot block signals");
    parent->signals.on_event = on_signal;
    parent->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (parent->signals.fd < 0)
        return error_set_errno(error, errno, "cannot watch signals");
    return loop_watch_add_level(parent->loop, &parent->signals, error);
}

static bool start_children(struct parent *parent, struct error *error)
{
    if (parent->start->balancer && !child_start(&parent->balancer, error))
        return false;
    if (!parent->start->controller || child_start(&parent->controller, error))
        return true;
    child_kill(&parent->balancer);
    return false;
}

static void say_hello(const struct parent *parent)
{
    for (size_t i = 0; parent->start->balancer && i < parent->config->listener_count; i++)
        (void)fprintf(stderr, "nines: listening on %s with %u thread%s\n",
                      parent->config->listeners[i].address.text, parent->threads,
                      parent->threads == 1 ? "" : "s");
    (void)fprintf(stderr, "nines: admin sockets in %s\n", parent->config->admin);
}

static void init(struct parent *parent, const struct parent_start *start)
{
    *parent = (struct parent){
        .start = start,
        .config = start->config,
        .threads = thread_count(start->config),
        .signals.fd = -1,
        .stop_deadline.on_time = on_stop_deadline,
        .pid_fd = -1,
        .config_fd = -1,
        .balancer_fd = -1,
        .controller_fd = -1,
        .metrics_fd = -1,
        .log_fd = -1,
        .balancer = {.name = "balancer", .start = start_balancer},
        .controller = {.name = "controller", .start = start_controller},
    };
    parent->balancer.on_over = parent->controller.on_over = on_child_over;
    parent->balancer.context = parent->controller.context = parent;
}

/* Sockets of the file system go with us; the weights stay. */
static void close_all(struct parent *parent)
{
    char path[PATH_MAX];
    static const char *const names[] = {"balancer.sock", "controller.sock"};
    const int fds[] = {parent->balancer_fd, parent->controller_fd};
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        path_of(parent, names[i], path, sizeof path);
        if (fds[i] >= 0) {
            (void)unlink(path);
            close(fds[i]);
        }
    }
    for (size_t i = 0; i < parent->listen_count; i++) {
        if (parent->listen_fds[i] >= 0)
            close(parent->listen_fds[i]);
    }
    free(parent->listen_fds);
    weights_parent_close(parent->weights);
    const int others[] = {parent->metrics_fd, parent->log_fd, parent->config_fd};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (others[i] >= 0)
            close(others[i]);
    }
    /* Emptied, not removed: whoever waits for the lock must not get it on a file without a name. */
    if (parent->pid_fd >= 0) {
        if (ftruncate(parent->pid_fd, 0) != 0)
            (void)fprintf(stderr, "nines: the pid file keeps a number that is over\n");
        close(parent->pid_fd);
    }
    if (parent->signals.fd >= 0) {
        const int fd = parent->signals.fd;
        loop_watch_remove(parent->loop, &parent->signals);
        close(fd);
    }
    loop_close(parent->loop);
}

int parent_run(const struct parent_start *start)
{
    struct parent parent;
    struct error error;
    ASSERT(start->balancer || start->controller);
    init(&parent, start);
    parent.loop = loop_open(&error);
    if (parent.loop == NULL)
        return cmd_fail(NULL, &error);
    parent.balancer.loop = parent.controller.loop = parent.loop;
    if (open_all(&parent, &error) && watch_signals(&parent, &error) &&
        start_children(&parent, &error)) {
        say_hello(&parent);
        loop_run(parent.loop);
    } else {
        parent.status = cmd_fail(NULL, &error);
    }
    close_all(&parent);
    return parent.status;
}
