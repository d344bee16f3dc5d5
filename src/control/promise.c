#include "control/promise.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdio.h>

static _Thread_local jmp_buf *guard;
static _Thread_local struct check_failure failed;

static void on_failure(const struct check_failure *failure)
{
    if (guard == NULL) {
        (void)fprintf(stderr, "nines: %s:%d: broken promise: %s\n", failure->file, failure->line,
                      failure->text);
        return;
    }
    jmp_buf *point = guard;
    guard = NULL;
    failed = *failure;
    longjmp(*point, 1);
}

void promise_install(void)
{
    check_set_hook(on_failure);
}

bool promise_kept(void (*call)(void *context), void *context, char *why, size_t size)
{
    jmp_buf point;
    ASSERT(guard == NULL);
    guard = &point;
    if (setjmp(point) == 0) {
        call(context);
        guard = NULL;
        return true;
    }
    (void)snprintf(why, size, "broken promise at %s:%d: %s", failed.file, failed.line, failed.text);
    return false;
}
