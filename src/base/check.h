/*
 * check: promises that only a bug can break.
 *
 * ASSERT and UNREACHABLE stay on in release. What a peer or an operator can cause is never
 * asserted: it is an error or a counter. A failed check calls the hook (the program's main sets one
 * that prints where; base itself does no I/O), then aborts. The hook may also leave by longjmp: the
 * controller freezes the one rollout that broke its promise instead of dying in a loop.
 */
#pragma once

struct check_failure {
    const char *file;
    int line;
    const char *text; /* The expression, as written. */
};

typedef void check_hook(const struct check_failure *);

/* Sets the hook of the whole program; NULL removes it. Set it before any thread starts. */
void check_set_hook(check_hook *);

_Noreturn void check_fail(const char *file, int line, const char *text);

#define ASSERT(expression)                                                                         \
    (__builtin_expect(!!(expression), 1) ? (void)0 : check_fail(__FILE__, __LINE__, #expression))

#define UNREACHABLE() check_fail(__FILE__, __LINE__, "unreachable")

/* The struct that holds `member` at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
