#include "proxy/probe.h"

#include "base/check.h"
#include "base/random.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES_MAX = 4096, HEAD_BYTES_MIN = 13 /* "HTTP/1.1 200" and what ends it. */ };

/*
 * One host's checks. Life: resting (timer: the next check) -> in probes.waiting for a free place ->
 * connecting -> asked (HTTP: the request is sent) -> resting.
 */
struct probe {
    struct loop_watch watch; /* fd -1 unless a check is under way. */
    struct loop_timer timer; /* The next check, or the latest end of this one. */
    struct list node;        /* In probes.waiting. */
    struct probes *probes;
    const struct config_tier *tier;
    uint32_t target;
    bool asked;
    uint64_t since_ms;
    uint32_t size; /* Bytes of the answer's head so far. */
    char head[PROBE_HEAD_BYTES];
};

struct probes {
    struct loop *loop;
    struct targets *targets;
    struct random random;
    struct list waiting;
    uint32_t open_count;
    uint32_t count;
    struct probe *list;
};

static void on_next(struct loop_timer *);

/* Ends a check, reports it, and rests for the interval, give or take a tenth. */
static void finish(struct probe *probe, bool passed, const char *text)
{
    struct probes *probes = probe->probes;
    const int fd = probe->watch.fd;
    if (fd >= 0) {
        loop_watch_remove(probes->loop, &probe->watch);
        close(fd);
    }
    ASSERT(probes->open_count > 0);
    probes->open_count--;
    targets_check(probes->targets, probe->target, passed, text);
    const uint32_t interval_ms = probe->tier->health.interval_ms;
    const uint32_t jitter_ms = random_below(&probes->random, interval_ms / 5 + 1);
    probe->timer.on_time = on_next;
    loop_timer_set_in(probes->loop, &probe->timer, interval_ms - interval_ms / 10 + jitter_ms);
}

static void finish_failed(struct probe *probe, int cause)
{
    finish(probe, false, strerrordesc_np(cause));
}

/* The status in "HTTP/1.x nnn ", 0 when these bytes are something else (RFC 9112 section 4). */
static int status_of(const char *head, uint32_t size)
{
    ASSERT(size >= HEAD_BYTES_MIN);
    if (memcmp(head, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)head[7]) || head[8] != ' ' ||
        (head[12] != ' ' && head[12] != '\r' && head[12] != '\n'))
        return 0;
    int status = 0;
    for (uint32_t i = 9; i < 12; i++) {
        if (!isdigit((unsigned char)head[i]))
            return 0;
        status = status * 10 + (head[i] - '0');
    }
    return status;
}

static void judge_head(struct probe *probe)
{
    char text[TARGET_CHECK_TEXT_MAX];
    const int status = status_of(probe->head, probe->size);
    if (status == 0) {
        finish(probe, false, "the answer is not HTTP/1.1");
        return;
    }
    const uint64_t took_ms = loop_now_ms(probe->probes->loop) - probe->since_ms;
    (void)snprintf(text, sizeof text, "status %d in %llu ms", status, (unsigned long long)took_ms);
    finish(probe, status >= 200 && status < 400, text);
}

static void read_head(struct probe *probe)
{
    while (probe->size < HEAD_BYTES_MIN) {
        const ssize_t size = recv(probe->watch.fd, probe->head + probe->size,
                                  sizeof probe->head - probe->size, MSG_DONTWAIT);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0) {
            finish_failed(probe, errno);
            return;
        }
        if (size == 0) {
            finish(probe, false, "closed without an answer");
            return;
        }
        probe->size += (uint32_t)size;
    }
    judge_head(probe);
}

static void ask(struct probe *probe)
{
    const struct config_host *host = targets_host(probe->probes->targets, probe->target);
    char request[REQUEST_BYTES_MAX];
    const int size = snprintf(request, sizeof request,
                              "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: nines-health-check\r\n"
                              "Accept: */*\r\nConnection: close\r\n\r\n",
                              probe->tier->health.path, host->address.text);
    if (size < 0 || (size_t)size >= sizeof request) {
        finish(probe, false, "the health check's path is too long");
        return;
    }
    const ssize_t sent = send(probe->watch.fd, request, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != size) { /* A fresh connection takes this much, or it is no good. */
        finish_failed(probe, sent < 0 ? errno : ENOBUFS);
        return;
    }
    probe->asked = true;
}

static void advance(struct probe *probe, uint32_t events)
{
    if (!probe->asked) {
        const int cause = socket_error(probe->watch.fd);
        if (cause != 0) {
            finish_failed(probe, cause);
            return;
        }
        if ((events & LOOP_WRITABLE) == 0)
            return;
        if (probe->tier->health.kind == CONFIG_HEALTH_TCP) {
            finish(probe, true, "connected");
            return;
        }
        ask(probe);
        if (!probe->asked)
            return;
    }
    if (events & (LOOP_READABLE | LOOP_PEER_CLOSED | LOOP_ERROR))
        read_head(probe);
}

static void start(struct probe *probe)
{
    struct probes *probes = probe->probes;
    probes->open_count++;
    probe->asked = false;
    probe->size = 0;
    probe->since_ms = loop_now_ms(probes->loop);
    struct error error;
    const int fd = socket_connect(targets_address(probes->targets, probe->target), &error);
    if (fd < 0) {
        finish(probe, false, error.text);
        return;
    }
    probe->watch.fd = fd;
    if (!loop_watch_add(probes->loop, &probe->watch, &error)) {
        probe->watch.fd = -1;
        close(fd);
        finish(probe, false, error.text);
    }
}

static void on_timeout(struct loop_timer *);

/* Starts as many of the waiting checks as there are places. */
static void start_waiting(struct probes *probes)
{
    while (probes->open_count < PROBE_OPEN_MAX) {
        struct list *node = list_pop_front(&probes->waiting);
        if (node == NULL)
            return;
        struct probe *probe = CONTAINER_OF(node, struct probe, node);
        probe->timer.on_time = on_timeout;
        loop_timer_set_in(probes->loop, &probe->timer, probe->tier->health.timeout_ms);
        start(probe);
    }
}

static void on_timeout(struct loop_timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    char text[TARGET_CHECK_TEXT_MAX];
    (void)snprintf(text, sizeof text, "no %s within %u ms", probe->asked ? "answer" : "connection",
                   probe->tier->health.timeout_ms);
    finish(probe, false, text);
    start_waiting(probe->probes);
}

static void on_next(struct loop_timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    ASSERT(probe->watch.fd < 0);
    list_push_back(&probe->probes->waiting, &probe->node);
    start_waiting(probe->probes);
}

static void on_event(struct loop_watch *watch, uint32_t events)
{
    struct probe *probe = CONTAINER_OF(watch, struct probe, watch);
    struct probes *probes = probe->probes;
    advance(probe, events);
    start_waiting(probes);
}

static void add_tier(struct probes *probes, size_t index)
{
    const struct config_tier *tier = &targets_config(probes->targets)->tiers[index];
    if (tier->health.kind == CONFIG_HEALTH_OFF)
        return;
    const uint32_t interval_ms = tier->health.interval_ms;
    const uint32_t first_ms = interval_ms < PROBE_FIRST_MS ? interval_ms : PROBE_FIRST_MS;
    for (uint32_t i = 0; i < targets_tier_count(probes->targets, index); i++) {
        struct probe *probe = &probes->list[probes->count++];
        probe->watch = (struct loop_watch){.fd = -1, .on_event = on_event};
        probe->timer.on_time = on_next;
        probe->probes = probes;
        probe->tier = tier;
        probe->target = targets_tier_first(probes->targets, index) + i;
        loop_timer_set_in(probes->loop, &probe->timer, random_below(&probes->random, first_ms + 1));
    }
}

struct probes *probes_open(struct loop *loop, struct targets *targets, struct error *error)
{
    struct probes *probes = calloc(1, sizeof *probes);
    struct probe *list = calloc(targets_count(targets), sizeof *list);
    if (probes == NULL || list == NULL) {
        free(probes);
        free(list);
        error_set_errno(error, ENOMEM, "cannot make the health checks");
        return NULL;
    }
    probes->loop = loop;
    probes->targets = targets;
    probes->list = list;
    list_init(&probes->waiting);
    random_init(&probes->random, targets_config(targets)->hash ^ loop_now_ns(loop));
    for (size_t t = 0; t < targets_config(targets)->tier_count; t++)
        add_tier(probes, t);
    return probes;
}

void probes_close(struct probes *probes)
{
    if (probes == NULL)
        return;
    for (uint32_t i = 0; i < probes->count; i++) {
        struct probe *probe = &probes->list[i];
        loop_timer_clear(probes->loop, &probe->timer);
        const int fd = probe->watch.fd;
        if (fd >= 0) {
            loop_watch_remove(probes->loop, &probe->watch);
            close(fd);
        }
    }
    free(probes->list);
    free(probes);
}
