/*
 * tidy: what clang-tidy cannot know, since it sees one file at a time: error_set() and its kin always
 * return false. tools/tidy includes this before every file but error.c.
 */
#pragma once

#include "base/error.h"

#define error_set(...)       ((void)(error_set)(__VA_ARGS__), false)
#define error_set_errno(...) ((void)(error_set_errno)(__VA_ARGS__), false)
#define error_add(...)       ((void)(error_add)(__VA_ARGS__), false)
