/*
 * error: what a fallible call tells its caller.
 *
 * The caller owns the struct; the callee fills it and returns false or NULL. The sentence carries
 * the user's place ("nines.yaml:12:8: unknown setting ...") and what to do next. On the way up,
 * error_add() prefixes context. The kind decides the exit code, the HTTP status and whether a retry
 * makes sense. NULL is accepted wherever a struct error * is taken: the caller does not care why.
 */
#pragma once

#include <stdbool.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_USAGE,       /* Bad arguments, bad config, bad request: exit 2, HTTP 400. */
    ERROR_NOT_FOUND,   /* No such tier, host, rollout: exit 2, HTTP 404. */
    ERROR_CONFLICT,    /* Not in this state, stale token: exit 4, HTTP 409. */
    ERROR_REFUSED,     /* A guard says no (floor, budget, no driver): exit 4, HTTP 409. */
    ERROR_UNREACHABLE, /* The other side cannot be reached, may come back: exit 3, HTTP 503. */
    ERROR_TIMEOUT,     /* A wait ended: exit 3, HTTP 504. */
    ERROR_PROTOCOL,    /* The other side speaks nonsense: exit 3, HTTP 502. */
    ERROR_LIMIT,       /* A named limit is reached: exit 4, HTTP 429. */
    ERROR_SYSTEM,      /* The OS refused (errno is in the text): exit 1, HTTP 500. */
    ERROR_FAILED,      /* The work was done and failed: exit 1, HTTP 500. */
};

enum { ERROR_TEXT_MAX = 768 };

struct error {
    enum error_kind kind;
    char text[ERROR_TEXT_MAX];
};

/* Sets kind and text; always returns false, so that `return error_set(...)` reads well. */
bool error_set(struct error *, enum error_kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set(ERROR_SYSTEM), with ": " and the name of this errno value appended. */
bool error_set_errno(struct error *, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text. Returns false. */
bool error_add(struct error *, const char *format, ...) __attribute__((format(printf, 2, 3)));

void error_clear(struct error *);

/* The exit code (interface: 0 to 5) and the HTTP status that stand for a kind. */
int error_exit_code(enum error_kind);
int error_http_status(enum error_kind);
