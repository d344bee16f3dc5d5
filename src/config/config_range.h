/*
 * config_range: "web-[2-9]" is web-2 to web-9.
 *
 * A text holds at most one range. Bounds are decimal; a first bound with leading zeros keeps its
 * width ("[000-299]"). A '[' whose inside holds a ':' is an IPv6 address, and no range.
 */
#pragma once

#include "config/config_value.h"

struct config_range {
    struct slice before; /* The whole text when there is no range. */
    struct slice after;
    bool ranged;
    uint32_t first;
    uint32_t count; /* 1 without a range. */
    uint32_t width; /* Digits to pad to; 0: none. */
};

bool config_range_parse(struct config_range *, struct slice text, struct config_complaint *);

/* Longest text that config_range_expand() writes, NUL included. */
enum { CONFIG_RANGE_TEXT_MAX = 320 };

/* Text number `index` (< count). */
struct slice config_range_expand(const struct config_range *, uint32_t index,
                                 char text[static CONFIG_RANGE_TEXT_MAX]);
