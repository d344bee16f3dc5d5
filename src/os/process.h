/*
 * process: starts programs without a shell, with pipes for their standard streams.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum { PROCESS_FDS_MAX = 65536 };

/*
 * The program is looked up in PATH. stdin, stdout, stderr: an fd to give it, or -1 for /dev/null.
 * `keep` (may be NULL) lists further fds the child inherits, at the same numbers. The child gets
 * its own process group, default signals and an empty signal mask; with `die_with_parent` it gets
 * SIGKILL when this thread's process ends. Returns the pid, or -1.
 */
struct process_start {
    const char *program;            /* NULL: argv[0]. */
    const char *const *argv;        /* NULL-terminated. */
    const char *const *environment; /* NULL: this process's. */
    int stdin_fd;
    int stdout_fd;
    int stderr_fd;
    const int *keep;
    uint32_t keep_count;
    bool die_with_parent;
};

int process_start(const struct process_start *, struct error *);
/* "exit status 3", "killed by signal 9". */
void process_describe(int wait_status, char *out, size_t size);

/*
 * A command run to its end on a loop: input is fed to it, output and errors collected (cut at the
 * limits), ended with SIGTERM and then SIGKILL past its deadline. Exactly one on_done, never from
 * within process_run(); `run` is freed after it.
 */
struct process_run;
struct process_result {
    int wait_status;
    bool timed_out;
    struct slice output; /* Borrowed during on_done. */
    struct slice errors;
};
typedef void process_done(void *context, const struct process_result *);
/* One call a whole line of stdout (without its end), as it comes; may be NULL. */
typedef void process_line(void *context, struct slice line);

enum { PROCESS_OUTPUT_BYTES_MAX = 1024 * 1024, PROCESS_KILL_AFTER_MS = 2000 };

struct process_run *process_run(struct loop *, const char *const *argv, struct slice input,
                                uint32_t timeout_ms, process_line *on_line, process_done *on_done,
                                void *context, struct error *);
/* Ends it and its group at once; no on_done. Accepts NULL. */
void process_cancel(struct process_run *);
