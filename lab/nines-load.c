/*
 * nines-load: users at a steady rate, and an exact account of what each of them saw.
 *
 * Open loop: request n is due at begin + n / rate, whether or not earlier ones were answered, and
 * its latency counts from when it was due; a stall is therefore seen by everyone who would have
 * come during it (Gil Tene, "coordinated omission"). GETs, POSTs and WebSockets, on connections of
 * their own and on kept ones. It ends after --seconds, or on SIGTERM or SIGINT: no more requests,
 * each that is under way gets its time, then the summary.
 */
#include "failure.h"
#include "load_connection.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 16384,
    EVENTS_MAX = 512,
    LINGER_US = 100000, /* A second answer to the last request is waited for so long. */
    TICK_US = 10000,    /* Timeouts and WebSocket messages are this exact. */
    RATE_MAX = 100000,
    SECONDS_MAX = 86400,
    INTERVAL_MS_MAX = 60000
};

struct options {
    const char *target, *evidence, *live, *summary;
    uint64_t rate, seconds, requests, timeout_ms, interval_ms, websocket_ms_max, seed;
    uint64_t post_percent, websocket_percent, fresh_percent;
};

struct load {
    struct options options;
    struct connection_context context;
    struct record record;
    struct random random;
    struct connection *connections[CONNECTIONS_MAX];
    struct connection *idle[CONNECTIONS_MAX]; /* The last used comes first. */
    unsigned connection_count, idle_count;
    uint64_t begin_us;
    uint64_t next_id;
};

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
    (void)number;
    terminated = 1;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void remove_from(struct connection **list, unsigned *count, const struct connection *c)
{
    for (unsigned i = 0; i < *count; i++)
        if (list[i] == c) {
            memmove(list + i, list + i + 1, (*count - i - 1) * sizeof *list);
            --*count;
            return;
        }
}

/* Follows from what a connection says of itself. */
static void settle(struct load *load, struct connection *c, enum connection_state state)
{
    switch (state) {
    case CONNECTION_BUSY: return;
    case CONNECTION_IDLE:
        ASSERT(load->idle_count < CONNECTIONS_MAX);
        load->idle[load->idle_count++] = c;
        return;
    case CONNECTION_OVER:
        remove_from(load->idle, &load->idle_count, c);
        remove_from(load->connections, &load->connection_count, c);
        connection_done(c, &load->context);
        free(c);
    }
}

static struct connection *take_connection(struct load *load, bool fresh)
{
    if (!fresh && load->idle_count > 0)
        return load->idle[--load->idle_count];
    /* At the limit an idle connection makes room. */
    if (load->connection_count == CONNECTIONS_MAX && load->idle_count > 0)
        settle(load, load->idle[0], CONNECTION_OVER);
    struct connection *c = load->connection_count < CONNECTIONS_MAX ? malloc(sizeof *c) : NULL;
    if (!c)
        return NULL;
    connection_init(c);
    load->connections[load->connection_count++] = c;
    return c;
}

static void start_request(struct load *load, uint64_t due, uint64_t now)
{
    struct load_request request = {.id = ++load->next_id, .intended_us = due};
    uint32_t draw = random_below(&load->random, 100);
    if (draw < load->options.websocket_percent)
        request.kind = KIND_WEBSOCKET;
    else if (draw < load->options.websocket_percent + load->options.post_percent)
        request.kind = KIND_POST;
    request.fresh = request.kind == KIND_WEBSOCKET ||
                    random_below(&load->random, 100) < load->options.fresh_percent;
    struct connection *c = take_connection(load, request.fresh);
    if (c) {
        settle(load, c, connection_start(c, &load->context, &request, now));
        return;
    }
    request.outcome = OUTCOME_CONNECT_ERROR;
    record_sent(&load->record);
    record_ended(&load->record, &request);
    record_row(&load->record, &request);
}

static uint64_t due_us(const struct load *load, uint64_t number)
{
    return load->begin_us + number * 1000000 / load->options.rate;
}

static void sleep_until(struct load *load, uint64_t until)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_us(), wait_us = until > now ? until - now : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000),
                            .tv_nsec = (long)(wait_us % 1000000) * 1000};
    int count = epoll_pwait2(load->context.epoll_fd, events, EVENTS_MAX, &wait, NULL);
    now = now_us();
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        bool idle = c->phase == PHASE_IDLE;
        enum connection_state state = connection_ready(c, &load->context, events[i].events, now);
        /* One that was idle is in that list already. */
        if (!idle || state != CONNECTION_IDLE)
            settle(load, c, state);
    }
}

static void tick(struct load *load, uint64_t now)
{
    for (unsigned i = load->connection_count; i-- > 0;) {
        struct connection *c = load->connections[i];
        if (c->phase != PHASE_IDLE)
            settle(load, c, connection_tick(c, &load->context, now));
    }
    record_tick(&load->record, now);
}

/* Until the time is up, and then until everything under way has ended: each has its deadline. */
static void run(struct load *load)
{
    uint64_t end = load->begin_us + load->options.seconds * 1000000, next_tick = load->begin_us;
    uint64_t quiet_since = 0; /* When nothing was left to wait for; 0: something is. */
    bool sending = true;
    for (;;) {
        uint64_t now = now_us();
        if (sending || load->record.in_flight > 0)
            quiet_since = 0;
        else if (quiet_since == 0)
            quiet_since = now;
        else if (now >= quiet_since + LINGER_US)
            break;
        sending = sending && !terminated && now < end && load->next_id < load->options.requests;
        while (sending && load->next_id < load->options.requests &&
               due_us(load, load->next_id) <= now)
            start_request(load, due_us(load, load->next_id), now);
        if (now >= next_tick) {
            tick(load, now);
            next_tick = now + TICK_US;
        }
        uint64_t due = sending ? due_us(load, load->next_id) : next_tick;
        sleep_until(load, due < next_tick ? due : next_tick);
    }
    while (load->connection_count > 0)
        settle(load, load->connections[load->connection_count - 1], CONNECTION_OVER);
}

static void usage(FILE *out)
{
    fputs("usage: nines-load [OPTION...] ADDRESS:PORT\n"
          "  --rate N           requests a second (1000)\n"
          "  --seconds N        how long (60); SIGTERM ends it before\n"
          "  --requests N       no more than so many\n"
          "  --post PERCENT     of the requests that are POSTs (15)\n"
          "  --websocket PERCENT  that are WebSockets (2), --websocket-ms N long at most (2000)\n"
          "  --fresh PERCENT    of GETs and POSTs on a connection of their own (10)\n"
          "  --timeout MS       for an answer (10000)\n"
          "  --evidence FILE    one row of CSV a request\n"
          "  --live FILE        one line of JSON each --interval MS (1000)\n"
          "  --summary FILE     the totals, as JSON (default: standard output)\n"
          "  --seed N           of what is drawn by lot\n"
          "Exit code: 0 if no request failed, 1 if one did, 2 if it could not run.\n",
          out);
}

static bool number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    *value = parsed;
    return text[0] >= '0' && text[0] <= '9' && !*end && !errno && parsed <= max;
}

static bool take_option(struct options *o, int option, const char *value)
{
    switch (option) {
    case 'r': return number(value, RATE_MAX, &o->rate) && o->rate > 0;
    case 's': return number(value, SECONDS_MAX, &o->seconds);
    case 'n': return number(value, UINT64_MAX, &o->requests);
    case 'p': return number(value, 100, &o->post_percent);
    case 'w': return number(value, 100, &o->websocket_percent);
    case 'W': return number(value, INTERVAL_MS_MAX, &o->websocket_ms_max);
    case 'f': return number(value, 100, &o->fresh_percent);
    case 't': return number(value, INTERVAL_MS_MAX, &o->timeout_ms) && o->timeout_ms > 0;
    case 'i': return number(value, INTERVAL_MS_MAX, &o->interval_ms) && o->interval_ms > 0;
    case 'S': return number(value, UINT64_MAX, &o->seed);
    case 'e': o->evidence = value; return true;
    case 'l': o->live = value; return true;
    case 'o': o->summary = value; return true;
    default: return false;
    }
}

static bool parse_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"rate", required_argument, NULL, 'r'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"post", required_argument, NULL, 'p'},
                                          {"websocket", required_argument, NULL, 'w'},
                                          {"fresh", required_argument, NULL, 'f'},
                                          {"websocket-ms", required_argument, NULL, 'W'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"interval", required_argument, NULL, 'i'},
                                          {"evidence", required_argument, NULL, 'e'},
                                          {"live", required_argument, NULL, 'l'},
                                          {"summary", required_argument, NULL, 'o'},
                                          {"seed", required_argument, NULL, 'S'},
                                          {"requests", required_argument, NULL, 'n'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'h') {
            usage(stdout);
            exit(0);
        }
        if (!take_option(o, option, optarg)) {
            if (option != '?')
                fprintf(stderr, "nines-load: '%s' is out of range\n", optarg);
            return false;
        }
    }
    if (o->post_percent + o->websocket_percent > 100) {
        fputs("nines-load: --post and --websocket are more than 100 % together\n", stderr);
        return false;
    }
    o->target = argv[optind];
    return optind == argc - 1;
}

static bool parse_target(const char *target, struct sockaddr_in *name)
{
    char address[INET_ADDRSTRLEN];
    const char *colon = strrchr(target, ':');
    uint64_t port;
    if (!colon || (size_t)(colon - target) >= sizeof address || !number(colon + 1, 65535, &port))
        return false;
    snprintf(address, sizeof address, "%.*s", (int)(colon - target), target);
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, address, &name->sin_addr) == 1;
}

static bool open_load(struct load *load, struct error *error)
{
    struct options *o = &load->options;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    random_init(&load->random, o->seed);
    load->context = (struct connection_context){.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                                                .host = o->target,
                                                .timeout_us = o->timeout_ms * 1000,
                                                .websocket_us_max = o->websocket_ms_max * 1000,
                                                .record = &load->record,
                                                .random = &load->random};
    if (load->context.epoll_fd < 0)
        return error_set_errno(error, errno, "no epoll");
    if (!parse_target(o->target, &load->context.target))
        return error_set(error, ERROR_USAGE, "'%s' is not ADDRESS:PORT", o->target);
    load->begin_us = now_us();
    return record_open(&load->record, o->evidence, o->live, o->interval_ms * 1000, load->begin_us,
                       error);
}

static bool close_load(struct load *load, struct error *error)
{
    const char *path = load->options.summary;
    FILE *out = path ? fopen(path, "we") : stdout;
    if (!out)
        return error_set_errno(error, errno, "cannot write %s", path);
    record_summary(&load->record, now_us(), out);
    bool written = fflush(out) == 0;
    if (path)
        fclose(out);
    close(load->context.epoll_fd);
    if (!record_close(&load->record) || !written)
        return error_set(error, ERROR_SYSTEM, "the evidence could not be written");
    return true;
}

int main(int argc, char **argv)
{
    static struct load load = {.options = {.rate = 1000,
                                           .seconds = 60,
                                           .requests = UINT64_MAX,
                                           .timeout_ms = 10000,
                                           .interval_ms = 1000,
                                           .websocket_ms_max = 2000,
                                           .post_percent = 15,
                                           .websocket_percent = 2,
                                           .fresh_percent = 10,
                                           .seed = 9}};
    struct error error = {0};
    failure_print();
    if (!parse_options(&load.options, argc, argv)) {
        usage(stderr);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (!open_load(&load, &error)) {
        fprintf(stderr, "nines-load: %s\n", error.text);
        return 2;
    }
    run(&load);
    bool failed = record_failed(&load.record) > 0;
    if (!close_load(&load, &error)) {
        fprintf(stderr, "nines-load: %s\n", error.text);
        return 2;
    }
    return failed ? 1 : 0;
}
