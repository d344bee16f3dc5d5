#include "base/check.h"

#include <stddef.h>
#include <stdlib.h>

static check_hook *hook;

void check_set_hook(check_hook *new_hook)
{
    hook = new_hook;
}

_Noreturn void check_fail(const char *file, int line, const char *text)
{
    const struct check_failure failure = {.file = file, .line = line, .text = text};
    if (hook != NULL)
        hook(&failure);
    abort();
}
