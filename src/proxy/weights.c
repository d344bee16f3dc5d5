#include "base/check.h"
#include "proxy/weights_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One change on its way. After a timeout it stays, silent, until the parent answers. */
struct pending {
    struct list node;
    uint64_t sequence;
    uint64_t deadline_ns;
    struct weights_change change;
    uint32_t former_weight;
    bool timed_out;
    weights_done *on_done;
    void *context;
};

struct weights {
    struct loop *loop;
    struct loop_watch watch; /* fd -1 once the parent is gone. */
    struct loop_timer timer; /* The first deadline. */
    struct list pending;     /* In the order sent, which is the order of deadlines and answers. */
    uint32_t pending_count;
    uint64_t sequence;
    struct weights_events events;
};

static void forget(struct weights *weights, struct pending *pending)
{
    list_remove(&pending->node);
    weights->pending_count--;
    free(pending);
}

static void report(struct pending *pending, const struct error *error)
{
    weights_done *on_done = pending->on_done;
    pending->on_done = NULL;
    if (on_done != NULL)
        on_done(pending->context, error);
}

static bool same_host(const struct weights_change *a, const struct weights_change *b)
{
    return strcmp(a->tier, b->tier) == 0 && strcmp(a->host, b->host) == 0;
}

static void arm_timer(struct weights *weights)
{
    loop_timer_clear(weights->loop, &weights->timer);
    LIST_EACH (node, &weights->pending) {
        const struct pending *pending = CONTAINER_OF(node, struct pending, node);
        if (!pending->timed_out) {
            loop_timer_set(weights->loop, &weights->timer, pending->deadline_ns);
            return;
        }
    }
}

static bool send_pending(struct weights *weights, struct pending *pending, struct error *error)
{
    pending->sequence = ++weights->sequence;
    pending->deadline_ns = loop_now_ns(weights->loop) + WEIGHTS_ACK_MS * 1000000ULL;
    const struct weights_record record = {.magic = WEIGHTS_RECORD_MAGIC,
                                          .kind = WEIGHTS_RECORD_CHANGE,
                                          .sequence = pending->sequence,
                                          .change = pending->change};
    if (send(weights->watch.fd, &record, sizeof record, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        error_set_errno(error, errno, "the parent process takes no change of weights");
        if (error != NULL)
            error->kind = ERROR_UNREACHABLE;
        return false;
    }
    list_push_back(&weights->pending, &pending->node);
    weights->pending_count++;
    arm_timer(weights);
    return true;
}

bool weights_send(struct weights *weights, const struct weights_change *change,
                  uint32_t former_weight, weights_done *on_done, void *context, struct error *error)
{
    if (weights->watch.fd < 0)
        return error_set(error, ERROR_UNREACHABLE, "the parent process is gone");
    if (weights->pending_count >= WEIGHTS_PENDING_MAX)
        return error_set(error, ERROR_UNREACHABLE, "%u changes of weights are on their way",
                         weights->pending_count);
    LIST_EACH (node, &weights->pending) {
        if (same_host(&CONTAINER_OF(node, struct pending, node)->change, change))
            return error_set(error, ERROR_UNREACHABLE,
                             "another change of '%s' is on its way; try again", change->host);
    }
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL)
        return error_set_errno(error, ENOMEM, "cannot send a change of weights");
    pending->change = *change;
    pending->former_weight = former_weight;
    pending->on_done = on_done;
    pending->context = context;
    if (!send_pending(weights, pending, error)) {
        free(pending);
        return false;
    }
    return true;
}

static void on_deadline(struct loop_timer *timer)
{
    struct weights *weights = CONTAINER_OF(timer, struct weights, timer);
    struct error error;
    error_set(&error, ERROR_UNREACHABLE, "the parent process did not keep the weight within %d ms",
              WEIGHTS_ACK_MS);
    LIST_EACH_SAFE (node, &weights->pending) {
        struct pending *pending = CONTAINER_OF(node, struct pending, node);
        if (pending->timed_out || pending->deadline_ns > loop_now_ns(weights->loop))
            continue;
        pending->timed_out = true;
        report(pending, &error);
    }
    arm_timer(weights);
}

/* It was kept, but its sender was told that it was not: the parent gets the former weight back. */
static void take_back(struct weights *weights, struct pending *pending)
{
    list_remove(&pending->node);
    weights->pending_count--;
    pending->timed_out = false;
    pending->change.weight = pending->former_weight;
    pending->change.token = 0;
    if (!send_pending(weights, pending, NULL))
        free(pending); /* The parent is gone, and this process with it. */
}

static void on_answer(struct weights *weights, const struct weights_record *record)
{
    struct pending *found = NULL;
    LIST_EACH (node, &weights->pending) {
        struct pending *pending = CONTAINER_OF(node, struct pending, node);
        if (pending->sequence == record->sequence)
            found = pending;
    }
    if (found == NULL)
        return;
    const bool kept = record->kind == WEIGHTS_RECORD_KEPT;
    if (found->timed_out && kept) {
        take_back(weights, found);
        return;
    }
    struct error error;
    if (!kept)
        error_set(&error, ERROR_UNREACHABLE, "the parent process did not keep the weight: %s",
                  record->text);
    report(found, kept ? NULL : &error);
    forget(weights, found);
    arm_timer(weights);
}

static void on_parent_gone(struct weights *weights)
{
    const int fd = weights->watch.fd;
    loop_watch_remove(weights->loop, &weights->watch);
    close(fd);
    struct error error;
    error_set(&error, ERROR_UNREACHABLE, "the parent process is gone");
    LIST_EACH_SAFE (node, &weights->pending) {
        struct pending *pending = CONTAINER_OF(node, struct pending, node);
        report(pending, &error);
        forget(weights, pending);
    }
    loop_timer_clear(weights->loop, &weights->timer);
    weights->events.on_parent_gone(weights->events.context);
}

/* The file descriptor that came with a record, or -1. */
static int fd_of(struct msghdr *message)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    int fd = -1;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void on_channel(struct loop_watch *watch, uint32_t events)
{
    struct weights *weights = CONTAINER_OF(watch, struct weights, watch);
    ASSERT(events != 0);
    struct weights_record record;
    struct iovec part = {.iov_base = &record, .iov_len = sizeof record};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    const ssize_t size = recvmsg(watch->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        on_parent_gone(weights);
        return;
    }
    /* The parent is the program that started this one: another record is a bug, not an attack. */
    ASSERT(weights_record_valid(&record, (size_t)size));
    const int fd = fd_of(&message);
    switch (record.kind) {
    case WEIGHTS_RECORD_KEPT:
    case WEIGHTS_RECORD_FAILED: on_answer(weights, &record); return;
    case WEIGHTS_RECORD_LOG:
        ASSERT(fd >= 0);
        weights->events.on_log(weights->events.context, fd);
        return;
    default: UNREACHABLE();
    }
}

struct weights *weights_open(struct loop *loop, int channel_fd, const struct weights_events *events,
                             struct error *error)
{
    ASSERT(events->on_log != NULL && events->on_parent_gone != NULL);
    struct weights *weights = calloc(1, sizeof *weights);
    if (weights == NULL) {
        error_set_errno(error, ENOMEM, "cannot open the channel of weights");
        return NULL;
    }
    weights->loop = loop;
    weights->events = *events;
    weights->watch.fd = channel_fd;
    weights->watch.on_event = on_channel;
    weights->timer.on_time = on_deadline;
    list_init(&weights->pending);
    if (!loop_watch_add_level(loop, &weights->watch, error)) {
        free(weights);
        return NULL;
    }
    return weights;
}

void weights_close(struct weights *weights)
{
    if (weights == NULL)
        return;
    const int fd = weights->watch.fd;
    if (fd >= 0) {
        loop_watch_remove(weights->loop, &weights->watch);
        close(fd);
    }
    loop_timer_clear(weights->loop, &weights->timer);
    LIST_EACH_SAFE (node, &weights->pending)
        forget(weights, CONTAINER_OF(node, struct pending, node));
    ASSERT(weights->pending_count == 0);
    free(weights);
}

bool weights_read_start(int start_fd, void (*on_change)(void *, const struct weights_change *),
                        void *context, struct error *error)
{
    struct weights_change change;
    for (off_t at = 0;; at += (off_t)sizeof change) {
        const ssize_t size = pread(start_fd, &change, sizeof change, at);
        if (size == 0)
            return true;
        if (size < 0)
            return error_set_errno(error, errno, "cannot read the weights at start");
        if (size != (ssize_t)sizeof change)
            return error_set(error, ERROR_PROTOCOL, "the weights at start are cut off");
        on_change(context, &change);
    }
}
