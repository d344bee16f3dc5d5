/*
 * load_record: what became of each request of the load.
 *
 * One row of CSV a request in the evidence file, one line of JSON an interval in the live file, and
 * totals for the summary. A request counts in exactly one outcome. Since an answer may be followed
 * by a second one that nobody asked for, the caller keeps a request that ended well until its
 * connection is used again, and only then hands its row over (record_row); record_spoil() moves it
 * to the failures meanwhile.
 *
 * Failed is what a user saw: anything but OUTCOME_OK.
 */
#pragma once

#include "base/error.h"
#include "base/histogram.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum load_kind { KIND_GET, KIND_POST, KIND_WEBSOCKET, KIND_COUNT };

enum load_outcome {
    OUTCOME_OK,
    OUTCOME_CONNECT_ERROR,  /* Refused, unreachable, or no way to open a connection. */
    OUTCOME_RESET,          /* The connection ended before a byte of the answer. */
    OUTCOME_TIMEOUT,        /* No whole answer in time. */
    OUTCOME_NON_200,        /* An answer, not 200 (101 for a WebSocket). */
    OUTCOME_TRUNCATED,      /* The connection ended inside the answer. */
    OUTCOME_CORRUPT,        /* The answer is not what the service says to this request. */
    OUTCOME_ANSWERED_TWICE, /* A second answer, or the answer to another request. */
    OUTCOME_CUT,            /* A WebSocket that ended without a close frame. */
    OUTCOME_COUNT
};

enum { LOAD_NAME_MAX = 32 };

struct load_request {
    uint64_t id;
    enum load_kind kind;
    enum load_outcome outcome;
    bool fresh;           /* On a connection of its own. */
    uint32_t status;      /* 0: none came. */
    uint64_t intended_us; /* When it should have been sent; all latency counts from here. */
    uint64_t latency_us;  /* To the last byte; of a WebSocket, to its handshake. */
    uint64_t lasted_us;   /* To the end of it all. */
    char host[LOAD_NAME_MAX];
    char version[LOAD_NAME_MAX];
};

struct record_interval {
    uint64_t sent, done, failed;
    struct histogram latency;
};

struct record {
    FILE *evidence, *live; /* NULL: not wanted. */
    uint64_t begin_us;
    uint64_t interval_us, next_line_us;
    uint64_t sent, in_flight;
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t kinds[KIND_COUNT], kinds_failed[KIND_COUNT];
    uint64_t latency_max_us;
    struct histogram latency;
    struct record_interval interval;
};

/* Paths may be NULL. */
bool record_open(struct record *, const char *evidence_path, const char *live_path,
                 uint64_t interval_us, uint64_t now_us, struct error *);
void record_sent(struct record *);
/* Counts the request's outcome. */
void record_ended(struct record *, const struct load_request *);
/* A request that counted as OK turns out not to be. */
void record_spoil(struct record *, struct load_request *, enum load_outcome);
/* Writes its row; nothing about it may change any more. */
void record_row(struct record *, const struct load_request *);
/* Writes the line of each interval that has passed. */
void record_tick(struct record *, uint64_t now_us);
uint64_t record_failed(const struct record *);
/* The summary, as one line of JSON. */
void record_summary(const struct record *, uint64_t now_us, FILE *out);
/* Returns false if something could not be written. */
bool record_close(struct record *);
