/*
 * file: whole small files, written so that a crash leaves the old or the new one.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends the whole file to `out`; a file over the text's limit is an error. */
bool file_read(const char *path, struct text *out, struct error *);
/* Writes beside it, fsyncs, renames. */
bool file_replace(const char *path, uint32_t mode, struct slice content, struct error *);
/* Makes the folder (and its parents); an existing one keeps its mode. */
bool file_make_folder(const char *path, uint32_t mode, struct error *);
