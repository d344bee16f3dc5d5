#include "os/loop.h"

#include "base/check.h"
#include "os/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What differs between the real and the virtual back end. */
struct backend {
    /* Waits until `until_ns` (UINT64_MAX: for ever) or an event; updates the clocks and fires
     * watches. */
    void (*wait)(struct loop *, uint64_t until_ns);
    bool has_files;
};

struct loop {
    const struct backend *backend;
    uint64_t now_ns;
    uint64_t wall_ms;
    struct heap timers;
    struct list deferred;
    bool stopped;
    bool idle; /* Virtual: nothing is left to happen. */

    pthread_mutex_t post_lock;
    struct list posts; /* Under post_lock. */

    int epoll_fd;
    struct loop_watch post_watch; /* An eventfd: posts are waiting. */
    struct epoll_event events[LOOP_EVENTS_MAX];
    int event_count; /* Of the batch at hand; removed watches are blanked in it. */
    int event_next;
};

_Static_assert((uint32_t)EPOLLIN != 0 && (uint32_t)EPOLLET != 0, "epoll flags fit uint32_t");

static uint32_t events_of(uint32_t epoll_events)
{
    uint32_t events = 0;
    if (epoll_events & EPOLLIN)
        events |= LOOP_READABLE;
    if (epoll_events & EPOLLOUT)
        events |= LOOP_WRITABLE;
    if (epoll_events & (EPOLLRDHUP | EPOLLHUP))
        events |= LOOP_PEER_CLOSED;
    if (epoll_events & EPOLLERR)
        events |= LOOP_ERROR;
    return events;
}

static void read_clocks(struct loop *loop)
{
    loop->now_ns = clock_monotonic_ns();
    loop->wall_ms = clock_wall_ms();
}

/* Milliseconds for epoll_wait, rounded up so that a timer is due when the wait ends. */
static int wait_ms_until(const struct loop *loop, uint64_t until_ns)
{
    if (until_ns == UINT64_MAX)
        return -1;
    if (until_ns <= loop->now_ns)
        return 0;
    const uint64_t ms = (until_ns - loop->now_ns + 999999) / 1000000;
    return ms > 3600000 ? 3600000 : (int)ms;
}

static void wait_real(struct loop *loop, uint64_t until_ns)
{
    const int count =
        epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS_MAX, wait_ms_until(loop, until_ns));
    ASSERT(count >= 0 || errno == EINTR);
    read_clocks(loop);
    loop->event_count = count < 0 ? 0 : count;
    for (loop->event_next = 0; loop->event_next < loop->event_count;) {
        const struct epoll_event *event = &loop->events[loop->event_next++];
        struct loop_watch *watch = event->data.ptr;
        if (watch != NULL)
            watch->on_event(watch, events_of(event->events));
    }
    loop->event_count = 0;
}

static void wait_virtual(struct loop *loop, uint64_t until_ns)
{
    pthread_mutex_lock(&loop->post_lock);
    const bool posted = !list_empty(&loop->posts);
    pthread_mutex_unlock(&loop->post_lock);
    if (posted || until_ns <= loop->now_ns)
        return;
    if (until_ns == UINT64_MAX) {
        loop->idle = true;
        return;
    }
    loop->wall_ms += (until_ns - loop->now_ns) / 1000000;
    loop->now_ns = until_ns;
}

static const struct backend backend_real = {.wait = wait_real, .has_files = true};
static const struct backend backend_virtual = {.wait = wait_virtual, .has_files = false};

static void on_posts_waiting(struct loop_watch *watch, uint32_t events)
{
    uint64_t count = 0;
    ASSERT(events != 0);
    /* The posts are taken in loop_run_once(); here only the wake-up is consumed. */
    const ssize_t size = read(watch->fd, &count, sizeof count);
    ASSERT(size == (ssize_t)sizeof count || errno == EAGAIN);
}

static struct loop *make(const struct backend *backend, struct error *error)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        error_set_errno(error, ENOMEM, "cannot make an event loop");
        return NULL;
    }
    loop->backend = backend;
    loop->epoll_fd = -1;
    loop->post_watch.fd = -1;
    heap_init(&loop->timers);
    list_init(&loop->deferred);
    list_init(&loop->posts);
    pthread_mutex_init(&loop->post_lock, NULL);
    return loop;
}

struct loop *loop_open(struct error *error)
{
    struct loop *loop = make(&backend_real, error);
    if (loop == NULL)
        return NULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->post_watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->post_watch.on_event = on_posts_waiting;
    if (loop->epoll_fd < 0 || loop->post_watch.fd < 0) {
        error_set_errno(error, errno, "cannot make an event loop");
        loop_close(loop);
        return NULL;
    }
    if (!loop_watch_add_level(loop, &loop->post_watch, error)) {
        loop_close(loop);
        return NULL;
    }
    read_clocks(loop);
    return loop;
}

struct loop *loop_open_virtual(uint64_t now_ns, uint64_t wall_ms, struct error *error)
{
    struct loop *loop = make(&backend_virtual, error);
    if (loop == NULL)
        return NULL;
    loop->now_ns = now_ns;
    loop->wall_ms = wall_ms;
    return loop;
}

static void run_deferred(struct loop *loop)
{
    struct list *node;
    while ((node = list_pop_front(&loop->deferred)) != NULL) {
        struct loop_defer *defer = CONTAINER_OF(node, struct loop_defer, node);
        defer->on_defer(defer);
    }
}

void loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    run_deferred(loop);
    if (loop->post_watch.fd >= 0)
        close(loop->post_watch.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    heap_done(&loop->timers);
    pthread_mutex_destroy(&loop->post_lock);
    free(loop);
}

static void run_timers(struct loop *loop)
{
    /* A timer armed by one that fires waits for the next batch even when it is due: no loop can
     * starve I/O. */
    const uint64_t last_order = loop->timers.order;
    struct heap_node *node;
    while ((node = heap_least(&loop->timers)) != NULL && node->key <= loop->now_ns) {
        if (node->order >= last_order)
            break;
        struct loop_timer *timer = CONTAINER_OF(node, struct loop_timer, node);
        heap_remove(&loop->timers, node);
        timer->on_time(timer);
    }
}

static void run_posts(struct loop *loop)
{
    struct list batch;
    list_init(&batch);
    pthread_mutex_lock(&loop->post_lock);
    struct list *node;
    while ((node = list_pop_front(&loop->posts)) != NULL)
        list_push_back(&batch, node);
    pthread_mutex_unlock(&loop->post_lock);
    while ((node = list_pop_front(&batch)) != NULL) {
        struct loop_post *post = CONTAINER_OF(node, struct loop_post, node);
        post->on_post(post);
    }
}

bool loop_run_once(struct loop *loop, int wait_ms)
{
    ASSERT(wait_ms >= -1);
    if (loop->stopped)
        return false;
    uint64_t until_ns = wait_ms < 0 ? UINT64_MAX : loop->now_ns + (uint64_t)wait_ms * 1000000;
    const struct heap_node *first = heap_least(&loop->timers);
    if (first != NULL && first->key < until_ns)
        until_ns = first->key;
    if (!list_empty(&loop->deferred))
        until_ns = loop->now_ns;
    loop->backend->wait(loop, until_ns);
    run_posts(loop);
    run_timers(loop);
    run_deferred(loop);
    return !loop->stopped;
}

void loop_run(struct loop *loop)
{
    loop->idle = false;
    while (!loop->idle && loop_run_once(loop, -1)) {
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ns / 1000000;
}

uint64_t loop_wall_ms(const struct loop *loop)
{
    return loop->wall_ms;
}

static bool watch_add(struct loop *loop, struct loop_watch *watch, uint32_t events,
                      struct error *error)
{
    ASSERT(loop->backend->has_files);
    ASSERT(watch->fd >= 0 && watch->on_event != NULL);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return error_set_errno(error, errno, "cannot watch file descriptor %d", watch->fd);
    return true;
}

bool loop_watch_add(struct loop *loop, struct loop_watch *watch, struct error *error)
{
    return watch_add(loop, watch, (uint32_t)(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET), error);
}

bool loop_watch_add_level(struct loop *loop, struct loop_watch *watch, struct error *error)
{
    return watch_add(loop, watch, EPOLLIN, error);
}

/* No event that was fetched for it already reaches it any more. */
static void forget_events(struct loop *loop, const struct loop_watch *watch)
{
    for (int i = loop->event_next; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
    }
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
    ASSERT(watch->fd >= 0);
    /* Before close(), so that a duplicate of the fd held elsewhere cannot keep events coming. */
    const int result = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    ASSERT(result == 0);
    watch->fd = -1;
    forget_events(loop, watch);
}

void loop_watch_close(struct loop *loop, struct loop_watch *watch)
{
    ASSERT(watch->fd >= 0);
    close(watch->fd);
    watch->fd = -1;
    forget_events(loop, watch);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
    ASSERT(timer->on_time != NULL);
    if (heap_contains(&timer->node))
        heap_remove(&loop->timers, &timer->node);
    /* Out of memory for a pointer: the process cannot keep any promise about time. */
    const bool room = heap_reserve(&loop->timers);
    ASSERT(room);
    heap_insert(&loop->timers, &timer->node, at_ns);
}

void loop_timer_set_in(struct loop *loop, struct loop_timer *timer, uint64_t in_ms)
{
    ASSERT(in_ms < UINT64_MAX / 2000000);
    loop_timer_set(loop, timer, loop->now_ns + in_ms * 1000000);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    if (heap_contains(&timer->node))
        heap_remove(&loop->timers, &timer->node);
}

void loop_defer(struct loop *loop, struct loop_defer *defer)
{
    ASSERT(defer->on_defer != NULL);
    list_push_back(&loop->deferred, &defer->node);
}

void loop_post(struct loop *loop, struct loop_post *post)
{
    ASSERT(post->on_post != NULL);
    pthread_mutex_lock(&loop->post_lock);
    const bool was_empty = list_empty(&loop->posts);
    list_push_back(&loop->posts, &post->node);
    pthread_mutex_unlock(&loop->post_lock);
    if (was_empty && loop->backend->has_files) {
        const uint64_t one = 1;
        const ssize_t size = write(loop->post_watch.fd, &one, sizeof one);
        ASSERT(size == (ssize_t)sizeof one || errno == EAGAIN);
    }
}

static void on_child_exit(struct loop_watch *watch, uint32_t events)
{
    struct loop_child *child = CONTAINER_OF(watch, struct loop_child, watch);
    ASSERT(events != 0);
    int status = 0;
    const pid_t pid = waitpid(child->pid, &status, WNOHANG);
    if (pid == 0)
        return;
    ASSERT(pid == child->pid);
    loop_child_unwatch(child);
    child->on_exit(child, status);
}

bool loop_child_watch(struct loop *loop, struct loop_child *child, int pid, struct error *error)
{
    ASSERT(pid > 0 && child->on_exit != NULL);
    child->loop = loop;
    child->pid = pid;
    child->watch.on_event = on_child_exit;
    child->watch.fd = pidfd_open(pid, 0);
    if (child->watch.fd < 0)
        return error_set_errno(error, errno, "cannot watch process %d", pid);
    if (!loop_watch_add_level(loop, &child->watch, error)) {
        close(child->watch.fd);
        child->watch.fd = -1;
        return false;
    }
    return true;
}

void loop_child_unwatch(struct loop_child *child)
{
    if (child->watch.fd < 0)
        return;
    const int fd = child->watch.fd;
    loop_watch_remove(child->loop, &child->watch);
    close(fd);
}
