#include "base/check.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Life of a run: started -> the child exits and both output pipes end -> on_done. A grandchild that
 * keeps a pipe open after the child's exit does not hold it up: past LINGER_MS, done is done.
 */
enum { LINGER_MS = 200 };

struct stream {
    struct loop_watch watch;
    struct process_run *run;
    struct text text;
    size_t line_start; /* Of the text: where the line not yet reported begins. */
};

struct process_run {
    struct loop *loop;
    struct loop_child child;
    struct loop_timer deadline;
    struct loop_defer defer;
    struct loop_watch input_watch;
    struct text input;
    struct stream output;
    struct stream errors;
    process_line *on_line;
    process_done *on_done;
    void *context;
    bool timed_out;
    bool exited;
    bool finished;
    int wait_status;
};

static void close_watch(struct loop *loop, struct loop_watch *watch)
{
    const int fd = watch->fd;
    if (fd < 0)
        return;
    loop_watch_remove(loop, watch);
    close(fd);
}

static void free_run(struct loop_defer *defer)
{
    struct process_run *run = CONTAINER_OF(defer, struct process_run, defer);
    text_done(&run->input);
    text_done(&run->output.text);
    text_done(&run->errors.text);
    free(run);
}

static void end_run(struct process_run *run)
{
    ASSERT(!run->finished);
    run->finished = true;
    loop_timer_clear(run->loop, &run->deadline);
    loop_child_unwatch(&run->child);
    close_watch(run->loop, &run->input_watch);
    close_watch(run->loop, &run->output.watch);
    close_watch(run->loop, &run->errors.watch);
    run->defer.on_defer = free_run;
    loop_defer(run->loop, &run->defer);
}

static void finish(struct process_run *run)
{
    const struct process_result result = {
        .wait_status = run->wait_status,
        .timed_out = run->timed_out,
        .output = text_slice(&run->output.text),
        .errors = text_slice(&run->errors.text),
    };
    end_run(run);
    run->on_done(run->context, &result);
}

static void finish_if_over(struct process_run *run)
{
    if (run->exited && run->output.watch.fd < 0 && run->errors.watch.fd < 0)
        finish(run);
}

static void report_lines(struct process_run *run, struct stream *stream)
{
    const struct text *text = &stream->text;
    while (!run->finished) {
        const char *start = text->data + stream->line_start;
        const char *end = memchr(start, '\n', text->size - stream->line_start);
        if (end == NULL)
            return;
        stream->line_start = (size_t)(end - text->data) + 1;
        run->on_line(run->context, (struct slice){.data = start, .size = (size_t)(end - start)});
    }
}

static void on_readable(struct loop_watch *watch, uint32_t events)
{
    struct stream *stream = CONTAINER_OF(watch, struct stream, watch);
    struct process_run *run = stream->run;
    char chunk[16 * 1024];
    ASSERT(events != 0);
    const ssize_t size = read(watch->fd, chunk, sizeof chunk);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        close_watch(run->loop, watch);
        finish_if_over(run);
        return;
    }
    /* Past the limit the rest is read and dropped: the child must not block on its output. */
    const size_t room = stream->text.limit - stream->text.size;
    const size_t kept = (size_t)size < room ? (size_t)size : room;
    text_append(&stream->text, (struct slice){.data = chunk, .size = kept});
    if (stream == &run->output && run->on_line != NULL && stream->text.data != NULL)
        report_lines(run, stream);
}

static void on_writable(struct loop_watch *watch, uint32_t events)
{
    struct process_run *run = CONTAINER_OF(watch, struct process_run, input_watch);
    (void)events;
    while (run->input.size > 0) {
        const ssize_t size = send(watch->fd, run->input.data, run->input.size, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0)
            break; /* The child closed its input: its affair. */
        text_consume(&run->input, (size_t)size);
    }
    close_watch(run->loop, watch);
}

static void on_exit_of_child(struct loop_child *child, int wait_status)
{
    struct process_run *run = CONTAINER_OF(child, struct process_run, child);
    run->exited = true;
    run->wait_status = wait_status;
    if (run->output.watch.fd >= 0 || run->errors.watch.fd >= 0)
        loop_timer_set_in(run->loop, &run->deadline, LINGER_MS);
    finish_if_over(run);
}

static void on_deadline(struct loop_timer *timer)
{
    struct process_run *run = CONTAINER_OF(timer, struct process_run, deadline);
    if (run->exited) {
        finish(run);
        return;
    }
    (void)kill(-run->child.pid, run->timed_out ? SIGKILL : SIGTERM);
    run->timed_out = true;
    loop_timer_set_in(run->loop, timer, PROCESS_KILL_AFTER_MS);
}

static bool watch_stream(struct process_run *run, struct stream *stream, int fd,
                         struct error *error)
{
    stream->watch = (struct loop_watch){.fd = fd, .on_event = on_readable};
    if (loop_watch_add_level(run->loop, &stream->watch, error))
        return true;
    stream->watch.fd = -1;
    close(fd);
    return false;
}

static void init_run(struct process_run *run, struct loop *loop, struct slice input)
{
    run->loop = loop;
    run->child.watch.fd = -1;
    run->child.on_exit = on_exit_of_child;
    run->deadline.on_time = on_deadline;
    run->input_watch = (struct loop_watch){.fd = -1, .on_event = on_writable};
    run->output = (struct stream){.watch.fd = -1, .run = run};
    run->errors = (struct stream){.watch.fd = -1, .run = run};
    text_init(&run->input, input.size == 0 ? 1 : input.size);
    text_append(&run->input, input);
    text_init(&run->output.text, PROCESS_OUTPUT_BYTES_MAX);
    text_init(&run->errors.text, PROCESS_OUTPUT_BYTES_MAX);
}

/* The three channels: our ends at [0], the child's at [1]. Input is a socket, for MSG_NOSIGNAL. */
static bool open_channels(int input[2], int output[2], int errors[2])
{
    input[0] = input[1] = output[0] = output[1] = errors[0] = errors[1] = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) != 0 ||
        pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
        return false;
    return fcntl(input[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(output[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(errors[0], F_SETFL, O_NONBLOCK) == 0;
}

static void close_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static bool launch(struct process_run *run, const char *const *argv, struct error *error)
{
    int input[2];
    int output[2];
    int errors[2];
    int pid = -1;
    if (open_channels(input, output, errors)) {
        const struct process_start start = {
            .argv = argv, .stdin_fd = input[1], .stdout_fd = output[1], .stderr_fd = errors[1]};
        pid = process_start(&start, error);
    } else {
        error_set_errno(error, errno, "cannot start %s", argv[0]);
    }
    close_fds((const int[]){input[1], output[1], errors[1]}, 3);
    if (pid < 0) {
        close_fds((const int[]){input[0], output[0], errors[0]}, 3);
        return false;
    }
    run->input_watch.fd = input[0];
    bool ready = loop_watch_add(run->loop, &run->input_watch, error);
    if (!ready) {
        run->input_watch.fd = -1;
        close(input[0]);
    }
    /* Both streams are taken over (or closed) whatever happens to the first. */
    ready = watch_stream(run, &run->output, output[0], error) && ready;
    ready = watch_stream(run, &run->errors, errors[0], error) && ready;
    ready = ready && loop_child_watch(run->loop, &run->child, pid, error);
    if (!ready) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return ready;
}

struct process_run *process_run(struct loop *loop, const char *const *argv, struct slice input,
                                uint32_t timeout_ms, process_line *on_line, process_done *on_done,
                                void *context, struct error *error)
{
    ASSERT(timeout_ms > 0 && on_done != NULL);
    struct process_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        error_set_errno(error, ENOMEM, "cannot start %s", argv[0]);
        return NULL;
    }
    init_run(run, loop, input);
    run->on_line = on_line;
    run->on_done = on_done;
    run->context = context;
    if (!launch(run, argv, error)) {
        end_run(run);
        return NULL;
    }
    loop_timer_set_in(loop, &run->deadline, timeout_ms);
    return run;
}

void process_cancel(struct process_run *run)
{
    if (run == NULL)
        return;
    ASSERT(!run->finished);
    if (!run->exited) {
        (void)kill(-run->child.pid, SIGKILL);
        loop_child_unwatch(&run->child);
        int status = 0;
        (void)waitpid(run->child.pid, &status, 0);
    }
    end_run(run);
}
