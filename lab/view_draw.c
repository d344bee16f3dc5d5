#include "view_draw.h"

#include <stdio.h>
#include <string.h>

enum {
    TILE_WIDTH = 13, /* With the gap to the next. */
    TILE_TEXT = TILE_WIDTH - 3,
    LEVELS = 8,
    MARGIN = 2
};

#define RESET "\x1b[0m"
#define BOLD  "\x1b[1m"
#define DIM   "\x1b[2m"
#define RED   "\x1b[31m"
#define GREEN "\x1b[32m"
#define LINE  "\x1b[K\n"

struct look {
    const char *state;
    const char *colour;
};

/* A host that serves is bright, one that is out is dark, one in between has a colour. */
static const struct look looks[] = {
    {"serving", "\x1b[30;42m"},  {"draining", "\x1b[30;43m"},  {"drained", "\x1b[37;100m"},
    {"updating", "\x1b[90;40m"}, {"verifying", "\x1b[30;46m"}, {"quarantined", "\x1b[97;41m"},
    {"down", "\x1b[97;41m"},     {"standby", "\x1b[37;44m"},
};

static const char *colour_of(const char *state)
{
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        if (strcmp(looks[i].state, state) == 0)
            return looks[i].colour;
    return "\x1b[37;40m";
}

static void draw_bar(struct text *out, const struct view_frame *frame,
                     const struct view_sample *sample)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {"_", "_", ".", "-", "=", "=", "#", "#"};
    double height = sample->rate / frame->rate_full * 2 / 3 * LEVELS;
    int level = height < 1 ? 0 : height > LEVELS ? LEVELS - 1 : (int)(height + 0.5) - 1;
    text_add(out, frame->unicode ? blocks[level] : letters[level]);
}

static void draw_traffic(struct text *out, const struct view_frame *frame)
{
    const struct view_traffic *traffic = frame->traffic;
    text_format(out,
                "  users   " BOLD "%6.0f" RESET " requests/s   %s%llu failed" RESET
                " of %llu   p50 %.1f ms  p99 %.1f ms" LINE,
                traffic->rate, traffic->failed ? RED BOLD : GREEN BOLD,
                (unsigned long long)traffic->failed, (unsigned long long)traffic->sent,
                traffic->p50_ms, traffic->p99_ms);
    size_t width = frame->columns > 2 * MARGIN ? frame->columns - 2 * MARGIN : 1;
    size_t first = traffic->sample_count > width ? traffic->sample_count - width : 0;
    text_add(out, "  ");
    const char *colour = "";
    for (size_t i = first; i < traffic->sample_count; i++) {
        const char *now = traffic->samples[i].failed ? RED : GREEN;
        if (now != colour)
            text_add(out, now);
        colour = now;
        draw_bar(out, frame, &traffic->samples[i]);
    }
    text_add(out, RESET LINE LINE);
}

/* One line of the tiles of hosts first to end - 1: 0 name, 1 version, 2 state, 3 in flight. */
static void draw_tile_line(struct text *out, const struct view_fleet *fleet, size_t first,
                           size_t end, int line)
{
    text_add(out, "  ");
    for (size_t i = first; i < end; i++) {
        const struct view_host *host = &fleet->hosts[i];
        char flight[24], text[TILE_TEXT + 1];
        snprintf(flight, sizeof flight, "%llu open", (unsigned long long)host->in_flight);
        const char *const lines[] = {host->name, host->version, host->state, flight};
        snprintf(text, sizeof text, "%s", lines[line]);
        text_format(out, "%s%s %-*s " RESET " ", colour_of(host->state), line == 0 ? BOLD : "",
                    TILE_TEXT, text);
    }
    text_add(out, LINE);
}

static void draw_tiles(struct text *out, const struct view_frame *frame)
{
    const struct view_fleet *fleet = frame->fleet;
    size_t row_max =
        frame->columns > MARGIN + TILE_WIDTH ? (frame->columns - MARGIN) / TILE_WIDTH : 1;
    /* Tiles in few lines where the terminal is low. */
    size_t rows = (fleet->host_count + row_max - 1) / row_max;
    int lines = rows * 5 + 8 <= frame->rows ? 4 : rows * 2 + 8 <= frame->rows ? 2 : 1;
    for (size_t first = 0; first < fleet->host_count;) {
        const char *zone = fleet->hosts[first].zone;
        size_t end = first;
        while (end < fleet->host_count && end - first < row_max &&
               strcmp(fleet->hosts[end].zone, zone) == 0)
            end++;
        if (lines > 2)
            text_format(out, DIM "  zone %s" RESET LINE, zone);
        for (int line = 0; line < lines; line++)
            draw_tile_line(out, fleet, first, end, line);
        first = end;
    }
    if (!fleet->known)
        text_add(out, DIM "  (waiting for nines)" RESET LINE);
}

void view_draw(struct text *out, const struct view_frame *frame)
{
    const struct view_fleet *fleet = frame->fleet;
    int width = (int)frame->columns - 2 * MARGIN;
    text_add(out, "\x1b[H");
    text_format(out, "  " BOLD "%s" RESET "   %.1f s" LINE LINE, frame->title, frame->seconds);
    draw_traffic(out, frame);
    draw_tiles(out, frame);
    text_format(out, LINE "  serving capacity %3.0f %%, lowest %.0f %%", fleet->capacity * 100,
                fleet->lowest_capacity * 100);
    if (fleet->phase[0])
        text_format(out, "   %s, %llu of %llu hosts done", fleet->phase,
                    (unsigned long long)fleet->hosts_done, (unsigned long long)fleet->hosts_total);
    text_format(out, LINE "  %.*s" LINE "\x1b[J", width > 0 ? width : 0, fleet->sentence);
}
