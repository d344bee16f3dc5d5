/*
 * h1_id: the names of known fields. Private to h1_*.c.
 */
#pragma once

#include "proto/h1.h"

/* As h1_id_of; `end` says how far bytes can be loaded, at least to the end of the name. */
enum h1_id h1_id_find(const char *name, size_t size, const char *end);
