/*
 * promise: lets one rollout break a promise (an ASSERT of base/check.h) without ending the process.
 *
 * Only for calls into pure code that holds no lock and no memory of its own: what it was doing is
 * left where it was, and its struct must not be used again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Sets the check hook of the process: outside of promise_kept() failures are told on stderr. */
void promise_install(void);

/* Runs call(context). False when an assertion failed in it; `why` then says which and where. */
bool promise_kept(void (*call)(void *context), void *context, char *why, size_t size);
