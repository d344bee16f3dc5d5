/*
 * demo-view: shows the demo, and measures its lowest capacity.
 *
 *   demo-view --nines PROGRAM --config FILE --live FILE --narration FILE --capacity FILE
 *             --rate N --title TEXT
 *
 * Each POLL_MS it asks `nines status --json`, and writes what it was told to the capacity file: one
 * row of CSV a sample. On a terminal it draws a frame each FRAME_MS, in one write, on the alternate
 * screen; elsewhere it prints the narration as it comes, and a line of traffic each PLAIN_MS. It
 * ends on SIGTERM, SIGINT or SIGHUP: the terminal is as it was, with the last frame on it. Exit
 * code 1 if nines never told a capacity.
 */
#include "failure.h"
#include "view_draw.h"
#include "view_fleet.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    POLL_MS = 150,
    FRAME_MS = 100,
    PLAIN_MS = 2000,
    STATUS_TIMEOUT_MS = 3000,
    FRAME_BYTES_MAX = 256 * 1024,
    TAIL_LINE_MAX = 1024,
    COLUMNS_DEFAULT = 80,
    ROWS_DEFAULT = 24
};

/* The lines of a file that another program is still writing. */
struct tail {
    const char *path;
    int fd; /* -1: not there yet. */
    size_t size;
    char line[TAIL_LINE_MAX];
};

struct view {
    const char *nines, *config, *capacity_path, *title;
    double rate_full;
    struct tail live, narration;
    bool terminal, unicode;
    FILE *capacity;
    uint64_t begin_ns, plain_due_ms;
    struct loop *loop;
    struct loop_watch signals;
    struct loop_timer frame_timer, poll_timer;
    struct process_run *status;
    struct view_fleet fleet;
    struct view_traffic traffic;
    struct text frame;
};

static double seconds_of(const struct view *view)
{
    return (double)(clock_monotonic_ns() - view->begin_ns) / 1e9;
}

/* Calls `on_line` with each whole line that has come; a line longer than the limit is cut. */
static void tail_read(struct tail *tail, struct view *view,
                      void (*on_line)(struct view *, struct slice))
{
    char data[4096];
    if (tail->fd < 0)
        tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; tail->fd >= 0 && (got = read(tail->fd, data, sizeof data)) > 0;) {
        for (ssize_t i = 0; i < got; i++) {
            if (data[i] == '\n') {
                on_line(view, (struct slice){.data = tail->line, .size = tail->size});
                tail->size = 0;
            } else if (tail->size < sizeof tail->line) {
                tail->line[tail->size++] = data[i];
            }
        }
    }
}

static void on_live(struct view *view, struct slice line)
{
    view_traffic_read(&view->traffic, line);
}

static void on_narration(struct view *view, struct slice line)
{
    if (!view->terminal)
        printf("%6.1f s  %.*s\n", seconds_of(view), (int)line.size, line.data);
}

static void record_capacity(struct view *view)
{
    const struct view_fleet *fleet = &view->fleet;
    fprintf(view->capacity, "%.3f,%.6f,%s,%llu", seconds_of(view), fleet->capacity, fleet->phase,
            (unsigned long long)fleet->hosts_done);
    for (size_t i = 0; i < fleet->host_count; i++)
        fprintf(view->capacity, ",%s", fleet->hosts[i].state);
    fputc('\n', view->capacity);
    fflush(view->capacity);
}

static void on_status(void *context, const struct process_result *result)
{
    struct view *view = context;
    view->status = NULL;
    if (!result->timed_out && result->wait_status == 0 &&
        view_fleet_read(&view->fleet, result->output))
        record_capacity(view);
    loop_timer_set_in(view->loop, &view->poll_timer, POLL_MS);
}

static void on_poll(struct loop_timer *timer)
{
    struct view *view = CONTAINER_OF(timer, struct view, poll_timer);
    const char *const argv[] = {view->nines, "status", "--json", "-c", view->config, NULL};
    struct error error = {0};
    view->status = process_run(view->loop, argv, (struct slice){0}, STATUS_TIMEOUT_MS, NULL,
                               on_status, view, &error);
    if (!view->status) {
        fprintf(stderr, "demo-view: %s\n", error.text);
        loop_stop(view->loop);
    }
}

static void write_all(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(STDOUT_FILENO, data, size);
        if (wrote < 0 && errno != EINTR)
            return;
        data += wrote > 0 ? wrote : 0;
        size -= wrote > 0 ? (size_t)wrote : 0;
    }
}

static void draw(struct view *view)
{
    struct winsize size = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    struct view_frame frame = {.fleet = &view->fleet,
                               .traffic = &view->traffic,
                               .title = view->title,
                               .seconds = seconds_of(view),
                               .rate_full = view->rate_full,
                               .columns = size.ws_col ? size.ws_col : COLUMNS_DEFAULT,
                               .rows = size.ws_row ? size.ws_row : ROWS_DEFAULT,
                               .unicode = view->unicode};
    text_clear(&view->frame);
    view_draw(&view->frame, &frame);
    if (!view->frame.failed)
        write_all(view->frame.data, view->frame.size);
}

static void print_plain(struct view *view)
{
    const struct view_traffic *traffic = &view->traffic;
    if (loop_now_ms(view->loop) < view->plain_due_ms || !view->fleet.known ||
        traffic->sample_count == 0)
        return;
    view->plain_due_ms = loop_now_ms(view->loop) + PLAIN_MS;
    printf("%6.1f s  users: %.0f requests/s, %llu failed of %llu, p99 %.1f ms; capacity %.0f %%\n",
           seconds_of(view), traffic->rate, (unsigned long long)traffic->failed,
           (unsigned long long)traffic->sent, traffic->p99_ms, view->fleet.capacity * 100);
}

static void on_frame(struct loop_timer *timer)
{
    struct view *view = CONTAINER_OF(timer, struct view, frame_timer);
    tail_read(&view->live, view, on_live);
    tail_read(&view->narration, view, on_narration);
    if (view->terminal)
        draw(view);
    else
        print_plain(view);
    fflush(stdout);
    loop_timer_set_in(view->loop, &view->frame_timer, FRAME_MS);
}

static void on_signal(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    loop_stop(CONTAINER_OF(watch, struct view, signals)->loop);
}

static bool parse_options(struct view *view, int argc, char **argv)
{
    static const struct option known[] = {
        {"nines", required_argument, NULL, 'n'},    {"config", required_argument, NULL, 'c'},
        {"live", required_argument, NULL, 'l'},     {"narration", required_argument, NULL, 's'},
        {"capacity", required_argument, NULL, 'C'}, {"rate", required_argument, NULL, 'r'},
        {"title", required_argument, NULL, 't'},    {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'n': view->nines = optarg; break;
        case 'c': view->config = optarg; break;
        case 'l': view->live.path = optarg; break;
        case 's': view->narration.path = optarg; break;
        case 'C': view->capacity_path = optarg; break;
        case 'r': view->rate_full = strtod(optarg, NULL); break;
        case 't': view->title = optarg; break;
        default: return false;
        }
    }
    return optind == argc && view->nines && view->config && view->live.path &&
           view->narration.path && view->capacity_path && view->rate_full > 0 && view->title;
}

/* All signals that end it arrive on the loop, also those that come before it runs. */
static bool watch_signals(struct view *view, struct error *error)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    view->signals = (struct loop_watch){.fd = signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC),
                                        .on_event = on_signal};
    if (view->signals.fd < 0)
        return error_set_errno(error, errno, "no signalfd");
    return loop_watch_add(view->loop, &view->signals, error);
}

static bool speaks_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static bool open_view(struct view *view, struct error *error)
{
    const char *term = getenv("TERM");
    view->terminal = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
    view->unicode = speaks_utf8();
    view->begin_ns = clock_monotonic_ns();
    view->frame_timer.on_time = on_frame;
    view->poll_timer.on_time = on_poll;
    text_init(&view->frame, FRAME_BYTES_MAX);
    view->capacity = fopen(view->capacity_path, "we");
    if (!view->capacity)
        return error_set_errno(error, errno, "cannot write %s", view->capacity_path);
    fputs("seconds,serving_capacity,phase,hosts_done,host_states\n", view->capacity);
    view->loop = loop_open(error);
    return view->loop && watch_signals(view, error);
}

int main(int argc, char **argv)
{
    static struct view view = {.live.fd = -1, .narration.fd = -1};
    static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[2J", leave[] = "\x1b[?25h\x1b[?1049l";
    struct error error = {0};
    failure_print();
    if (!parse_options(&view, argc, argv)) {
        fputs("usage: demo-view --nines PROGRAM --config FILE --live FILE --narration FILE\n"
              "                 --capacity FILE --rate N --title TEXT\n",
              stderr);
        return 2;
    }
    if (!open_view(&view, &error)) {
        fprintf(stderr, "demo-view: %s\n", error.text);
        return 2;
    }
    if (view.terminal)
        write_all(enter, sizeof enter - 1);
    loop_timer_set_in(view.loop, &view.poll_timer, 0);
    loop_timer_set_in(view.loop, &view.frame_timer, 0);
    loop_run(view.loop);
    on_frame(&view.frame_timer);
    if (view.terminal) {
        /* The last frame once more, where it stays: below what was on the screen before. */
        write_all(leave, sizeof leave - 1);
        write_all("\n", 1);
        const char *body = strchr(view.frame.data, 'H') + 1;
        write_all(body, strlen(body));
    }
    process_cancel(view.status);
    loop_timer_clear(view.loop, &view.frame_timer);
    loop_timer_clear(view.loop, &view.poll_timer);
    loop_watch_remove(view.loop, &view.signals);
    loop_close(view.loop);
    text_done(&view.frame);
    fclose(view.capacity);
    return view.fleet.known ? 0 : 1;
}
