/*
 * host_request: what is sent to a host: the helper's text and one job, as input of `sh -s`.
 *
 * No byte of a job is ever looked at by a shell: all but letters, digits and a few harmless marks
 * are written as \0ooo, which the helper's printf decodes. The text ends with the one line that
 * runs it, so that half of it, from a connection that was cut, does nothing.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "drive/host.h"

enum { HOST_REQUEST_BYTES_MAX = 512 * 1024 };

/* False, with ERROR_USAGE or ERROR_LIMIT, when the job cannot be one. */
bool host_request_write(const struct host_job *, struct text *out, struct error *);
