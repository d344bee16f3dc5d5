/*
 * access_log: one line a request, and never a request that waits for it.
 *
 * Each worker writes its lines into a ring of its own; one thread of the log empties all rings into
 * the file every ACCESS_LOG_INTERVAL_MS, or sooner when a ring is half full. A full disk, a stuck
 * disk or a pipe nobody reads blocks that thread alone: rings fill up, and lines that do not fit
 * are dropped and counted. Lines are whole, also across such a pause.
 *
 * Formats: `combined` as Apache httpd's (bytes outside printable ASCII, quotes and backslashes
 * as \xHH, \" and \\), `json` one object a line.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"

#include <stdint.h>

enum {
    ACCESS_LOG_RING_BYTES = 1024 * 1024, /* A worker's. A power of two. */
    ACCESS_LOG_LINE_MAX = 16 * 1024,     /* Longer ones are dropped and counted. */
    ACCESS_LOG_FIELD_MAX = 2048,         /* Bytes of a field; the rest is cut. */
    ACCESS_LOG_INTERVAL_MS = 200,
    ACCESS_LOG_STOP_MS = 1000, /* How long closing waits for a stuck file. */
};

struct access_log;
struct access_log_worker;

/* Everything is borrowed for the call. Empty slices are written as "-" or left out. */
struct access_entry {
    struct slice client; /* Address without port. */
    uint64_t wall_ms;    /* When the request began. */
    struct slice method;
    struct slice target; /* As sent. */
    struct slice host;   /* The Host field. */
    struct slice referer;
    struct slice user_agent;
    uint16_t status;
    uint8_t minor;           /* HTTP/1.x of the request. */
    uint8_t tries;           /* Hosts tried, 0 when nines answered by itself. */
    bool truncated;          /* The answer ended before its body did. */
    uint64_t body_bytes;     /* Of the answer, as sent to the client. */
    uint64_t duration_us;    /* From the first byte of the head to the end of the answer. */
    const char *tier;        /* NULL when none was chosen. */
    const char *target_name; /* The last host tried; NULL when none. */
};

/* Takes the fd over (on failure it stays the caller's). Starts the log's thread. NULL: memory or
 * the OS. */
struct access_log *access_log_open(int fd, enum config_log_format, uint32_t workers,
                                   struct error *);
/* All workers have ended. Writes what is left, for ACCESS_LOG_STOP_MS at most. Accepts NULL. */
void access_log_close(struct access_log *);

/* NULL for a NULL log: nothing is to be logged. Valid until the log is closed. */
struct access_log_worker *access_log_worker(struct access_log *, uint32_t index);

/* On the worker's thread. */
void access_log_add(struct access_log_worker *, const struct access_entry *);

/* From then on lines go to this file, which it takes over (after a rotation). */
void access_log_reopen(struct access_log *, int fd);

/* Lines dropped since the start. Any thread. */
uint64_t access_log_dropped(const struct access_log *);
