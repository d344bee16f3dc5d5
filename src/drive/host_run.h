/*
 * host_run: one job on its way through a command (ssh, sudo or sh) that runs the helper.
 *
 * The part that the host drivers share. The command reads the helper from its input; what it prints
 * is the answer. Ends in exactly one on_done, never from within host_run_start(), at the latest
 * HOST_GRACE_MS (and what it takes to kill the command) past the job's timeout.
 */
#pragma once

#include "drive/host.h"
#include "os/process.h"

struct host_run {
    struct loop *loop;
    struct process_run *process; /* NULL when none is running. */
    struct loop_timer refusal;   /* Armed when the job could not even be started. */
    struct error error;          /* Why. */
    const struct host_job *job;  /* NULL when idle. */
    host_done *on_done;
    void *context;
};

/* The remote command: as root, or by sudo. It holds nothing of a job. */
#define HOST_RUN_COMMAND "sh -c '[ \"$(id -u)\" = 0 ] && exec sh -s; exec sudo -n sh -s'"

void host_run_init(struct host_run *, struct loop *);
void host_run_start(struct host_run *, const char *const *argv, const struct host_job *,
                    host_done *on_done, void *context);
/* The same end, at once but not within the call: HOST_REFUSED with this sentence. */
void host_run_refuse(struct host_run *, const struct host_job *, host_done *on_done, void *context,
                     const char *sentence);
void host_run_cancel(struct host_run *);
