#include "base/check.h"
#include "drive/host_run.h"

#include <stdlib.h>

/* This machine: the same helper as over ssh, run by a shell here. */
struct host {
    struct host_run run;
};

static struct host *local_open(struct arena *arena, struct loop *loop, const struct config *config,
                               const struct config_tier *tier, const struct config_host *host,
                               struct error *error)
{
    struct host *local = arena_allocate(arena, sizeof *local);
    if (local == NULL) {
        error_set(error, ERROR_LIMIT, "%s:%u:%u: host '%s' of tier '%s': out of memory",
                  config->file, host->place.line, host->place.column, host->name, tier->name);
        return NULL;
    }
    ASSERT(host->driver == CONFIG_DRIVER_LOCAL);
    host_run_init(&local->run, loop);
    return local;
}

static void local_start(struct host *local, const struct host_job *job, host_done *on_done,
                        void *context)
{
    static const char *const argv[] = {"sh", "-c", "exec " HOST_RUN_COMMAND, NULL};
    /* The controller that proves a reboot must not be what is rebooted. */
    if (job->verb == HOST_REBOOT && getenv("NINES_LAB") == NULL)
        host_run_refuse(&local->run, job, on_done, context,
                        "driver local does not reboot the machine that the controller runs on");
    else
        host_run_start(&local->run, argv, job, on_done, context);
}

static void local_cancel(struct host *local)
{
    host_run_cancel(&local->run);
}

static void local_close(struct host *local)
{
    if (local != NULL)
        host_run_cancel(&local->run);
}

const struct host_driver host_local = {
    .name = "local",
    .open = local_open,
    .start = local_start,
    .cancel = local_cancel,
    .close = local_close,
};
