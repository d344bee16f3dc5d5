#include "failure.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>

static void print(const struct check_failure *failure)
{
    fprintf(stderr, "%s: %s:%d: broken promise: %s\n", program_invocation_short_name, failure->file,
            failure->line, failure->text);
}

void failure_print(void)
{
    check_set_hook(print);
}
