#include "main/follow_view.h"

#include "base/check.h"
#include "main/remote.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FRAME_MAX = 256 * 1024, BAR_CELLS = 20, ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80 };

/* Phases of a host in the order it goes through them, how far each is, and its colour. */
static const struct {
    const char *phase;
    int done; /* Of 100. */
    const char *colour;
} stages[] = {
    {"pending", 0, ""},
    {"checking", 2, ""},
    {"draining", 10, "\033[33m"},
    {"installing", 25, "\033[36m"},
    {"rebooting", 40, "\033[35m"},
    {"returning", 50, "\033[35m"},
    {"reading", 60, "\033[36m"},
    {"settling", 70, "\033[36m"},
    {"restoring", 80, "\033[34m"},
    {"soaking", 90, "\033[34m"},
    {"verified", 100, "\033[32m"},
    {"verified_old", 100, "\033[33m"},
    {"untouched", 0, ""},
    {"quarantined", 100, "\033[31m"},
};

static size_t stage_of(const char *phase)
{
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        if (strcmp(stages[i].phase, phase) == 0)
            return i;
    }
    return 0;
}

void follow_view_init(struct follow_view *view, bool terminal, bool quiet)
{
    const char *term = getenv("TERM");
    *view = (struct follow_view){.terminal = terminal, .quiet = quiet};
    if (term != NULL && strcmp(term, "dumb") == 0)
        view->terminal = false;
    view->colour = view->terminal && getenv("NO_COLOR") == NULL;
    text_init(&view->frame, FRAME_MAX);
    text_init(&view->notes, FRAME_MAX);
}

static void write_all(const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(STDOUT_FILENO, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        size -= (size_t)written;
    }
}

void follow_view_done(struct follow_view *view)
{
    if (view->notes.size > 0)
        write_all(view->notes.data, view->notes.size);
    if (view->cursor_hidden)
        write_all("\033[?25h", 6);
    view->cursor_hidden = false;
    view->rows = 0;
    text_done(&view->frame);
    text_done(&view->notes);
}

void follow_view_say(struct follow_view *view, uint64_t wall_ms, const char *sentence)
{
    char time[40];
    if (view->quiet)
        return;
    clock_format_rfc3339(wall_ms, time, sizeof time);
    /* Of 2026-11-23T18:02:53.042Z the time of day is enough here. */
    if (view->terminal) {
        text_format(&view->notes, "%.8s  %s\n", time + 11, sentence);
        return;
    }
    (void)printf("%.8s  %s\n", time + 11, sentence);
    (void)fflush(stdout);
}

static const json_t *traffic_of(const json_t *rollout)
{
    return json_object_get(rollout, "traffic");
}

void follow_view_traffic(const struct follow_view *view, const json_t *rollout)
{
    char time[40];
    if (view->quiet)
        return;
    clock_format_rfc3339(clock_wall_ms(), time, sizeof time);
    (void)printf("%.8s  traffic: %.0f requests/s, %.0f failed of %.0f, p99 %.1f ms, capacity %.0f "
                 "%%, %.0f of %.0f hosts updated\n",
                 time + 11, remote_number(traffic_of(rollout), "rps"),
                 remote_number(rollout, "failed_requests"), remote_number(rollout, "requests"),
                 remote_number(traffic_of(rollout), "p99_ms"),
                 100 * remote_number(rollout, "serving_capacity"),
                 remote_number(rollout, "hosts_done"), remote_number(rollout, "hosts_total"));
    (void)fflush(stdout);
}

static void screen_size(uint32_t *rows, uint32_t *columns)
{
    struct winsize size;
    *rows = ROWS_DEFAULT;
    *columns = COLUMNS_DEFAULT;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        *rows = size.ws_row;
        *columns = size.ws_col;
    }
}

static void add_line(struct follow_view *view, const char *line, uint32_t columns,
                     const char *colour)
{
    const bool painted = view->colour && colour[0] != '\0';
    text_format(&view->frame, "%s%.*s%s\033[K\n", painted ? colour : "", (int)columns - 1, line,
                painted ? "\033[0m" : "");
    view->rows++;
}

static void add_host(struct follow_view *view, const json_t *host, double now_ms, uint32_t columns)
{
    char line[512];
    char bar[BAR_CELLS + 1];
    const size_t stage = stage_of(remote_text(host, "phase"));
    const double taken_ms = remote_number(host, "taken_ms");
    const double ended_ms = remote_number(host, "ended_ms");
    const double elapsed_s =
        taken_ms > 0 ? ((ended_ms > 0 ? ended_ms : now_ms) - taken_ms) / 1000 : 0;
    const char *after = remote_text(host, "version_after");
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i * 100 < stages[stage].done * BAR_CELLS ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    (void)snprintf(line, sizeof line, "  %-16s %-6s %-12s %-14s %6.0f in flight  [%s] %7.1f s",
                   remote_text(host, "name"), remote_text(host, "zone"), remote_text(host, "phase"),
                   after[0] != '\0' ? after : remote_text(host, "version_before"),
                   remote_number(host, "in_flight"), bar, elapsed_s);
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '_')
            *at = ' ';
    }
    add_line(view, line, columns, stages[stage].colour);
}

/* With more hosts than lines, those at work are shown, then as many of the others as fit. */
static void add_hosts(struct follow_view *view, const json_t *rollout, uint32_t room,
                      uint32_t columns)
{
    const json_t *hosts = json_object_get(rollout, "hosts");
    const size_t count = json_array_size(hosts);
    const double now_ms = remote_number(rollout, "now_ms");
    const bool all = count <= room;
    uint32_t shown = 0;
    for (size_t i = 0; i < count && shown < room; i++) {
        const json_t *host = json_array_get(hosts, i);
        const int done = stages[stage_of(remote_text(host, "phase"))].done;
        if (!all && (done == 0 || done == 100))
            continue;
        add_host(view, host, now_ms, columns);
        shown++;
    }
    if (!all) {
        char line[80];
        (void)snprintf(line, sizeof line, "  ... and %zu more hosts: nines status lists them",
                       count - shown);
        add_line(view, line, columns, "");
    }
}

static void add_header(struct follow_view *view, const json_t *rollout, uint32_t columns)
{
    char line[512];
    const char *to = remote_text(rollout, "to");
    (void)snprintf(line, sizeof line, "rollout %.0f: %s%s%s, %s, %.0f of %.0f hosts updated",
                   remote_number(rollout, "id"), remote_text(rollout, "tier"),
                   to[0] != '\0' ? " to " : "", to, remote_text(rollout, "phase"),
                   remote_number(rollout, "hosts_done"), remote_number(rollout, "hosts_total"));
    add_line(view, line, columns, "\033[1m");
    const double failed = remote_number(rollout, "failed_requests");
    (void)snprintf(line, sizeof line,
                   "traffic: %.0f requests/s   %.0f failed   p99 %.1f ms   capacity %.0f %%",
                   remote_number(traffic_of(rollout), "rps"), failed,
                   remote_number(traffic_of(rollout), "p99_ms"),
                   100 * remote_number(rollout, "serving_capacity"));
    add_line(view, line, columns, failed > 0 ? "\033[31m" : "\033[32m");
}

void follow_view_draw(struct follow_view *view, const json_t *rollout)
{
    uint32_t rows = 0;
    uint32_t columns = 0;
    if (!view->terminal)
        return;
    screen_size(&rows, &columns);
    text_clear(&view->frame);
    if (!view->cursor_hidden)
        text_add(&view->frame, "\033[?25l");
    view->cursor_hidden = true;
    /* Back to the top of the old frame; decisions scroll up above the new one. */
    if (view->rows > 0)
        text_format(&view->frame, "\033[%uA", view->rows);
    text_add(&view->frame, "\033[J");
    text_append(&view->frame, text_slice(&view->notes));
    text_clear(&view->notes);
    view->rows = 0;
    add_header(view, rollout, columns);
    add_hosts(view, rollout, rows > 5 ? rows - 4 : 1, columns);
    if (!view->frame.failed)
        write_all(view->frame.data, view->frame.size);
}
