/*
 * clock: real time for what has no loop, and times as people read them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t clock_monotonic_ns(void);
uint64_t clock_wall_ms(void);
/* CLOCK_MONOTONIC_COARSE: a few milliseconds behind, no system call. */
uint64_t clock_coarse_ns(void);

/* "2026-11-23T18:02:53.042Z" (RFC 3339, UTC); 25 bytes with the NUL. */
void clock_format_rfc3339(uint64_t wall_ms, char *out, size_t size);
/* "Mon, 23 Nov 2026 18:02:53 GMT" (RFC 9110 section 5.6.7); 30 bytes with the NUL. */
void clock_format_http(uint64_t wall_ms, char *out, size_t size);
/* "[23/Nov/2026:18:02:53 +0000]" without the brackets, as the combined log has it; 27 bytes. */
void clock_format_log(uint64_t wall_ms, char *out, size_t size);
