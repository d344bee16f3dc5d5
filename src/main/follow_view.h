/*
 * follow_view: how a rollout looks while it runs.
 */
#pragma once

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct follow_view {
    bool terminal; /* Draw in place; else plain lines. */
    bool quiet;    /* Print nothing (JSON comes at the end). */
    bool colour;
    uint32_t rows; /* Of the frame on the screen. */
    bool cursor_hidden;
    struct text frame;
    struct text notes; /* Decisions to be printed above the next frame. */
};

void follow_view_init(struct follow_view *, bool terminal, bool quiet);
/* Leaves the last frame where it is and shows the cursor. Twice does no harm. */
void follow_view_done(struct follow_view *);

/* A decision: a plain line, above the frame on a terminal. */
void follow_view_say(struct follow_view *, uint64_t wall_ms, const char *sentence);
/* A plain line on the traffic. */
void follow_view_traffic(const struct follow_view *, const json_t *rollout);
/* The frame, from the JSON of the rollout. Nothing when not on a terminal. */
void follow_view_draw(struct follow_view *, const json_t *rollout);
