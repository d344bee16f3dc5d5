/*
 * view_draw: turns what the view knows into one frame of ANSI text.
 *
 * A flat line of traffic above one tile a host, which goes dark while the host is out and comes
 * back in the colour of its state. It only writes into a text: the caller owns the terminal.
 */
#pragma once

#include "view_fleet.h"

#include "base/text.h"

struct view_frame {
    const struct view_fleet *fleet;
    const struct view_traffic *traffic;
    const char *title;
    double seconds;   /* Since the view began. */
    double rate_full; /* Requests a second that fill two thirds of the line's height. */
    unsigned columns, rows;
    bool unicode;
};

void view_draw(struct text *, const struct view_frame *);
