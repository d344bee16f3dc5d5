/*
 * config_row: how the rows of the schema are written down. For the files of the schema alone.
 */
#pragma once

#include "config/config_schema.h"

#include "base/check.h"

#include <stddef.h>

/* Where a field is and how wide. */
#define AT(type, member)    .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define GIVEN(type, member) .given = offsetof(type, member) + 1
#define ROWS(array)         .rows = (array), .count = COUNT_OF(array)

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    KIB = 1024,
};
