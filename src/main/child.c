#include "main/child.h"

#include "base/check.h"
#include "base/slice.h"
#include "main/parent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "os/process.h"

static void on_exit_of_child(struct loop_child *process, int wait_status)
{
    struct child *child = CONTAINER_OF(process, struct child, process);
    char how[64];
    const uint64_t lived_ms = loop_now_ms(child->loop) - child->started_ms;
    ASSERT(child->running);
    child->running = false;
    child->status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    process_describe(wait_status, how, sizeof how);
    if (lived_ms >= PARENT_YOUNG_MS) {
        child->proven = true;
        child->restart_ms = PARENT_RESTART_MS_MIN;
    }
    /* A signal is an accident (no memory, an operator), an exit at once is a verdict. */
    const bool could_not_start = !child->proven && child->starts == 1 && WIFEXITED(wait_status) &&
                                 WEXITSTATUS(wait_status) != 0;
    if (could_not_start && !child->stopping)
        (void)fprintf(stderr, "nines: the %s could not start (%s)\n", child->name, how);
    if (could_not_start || child->stopping) {
        child->on_over(child);
        return;
    }
    (void)fprintf(stderr, "nines: the %s ended (%s); starting it again in %u ms\n", child->name,
                  how, child->restart_ms);
    loop_timer_set_in(child->loop, &child->restart, child->restart_ms);
    child->restart_ms *= 2;
    if (child->restart_ms > PARENT_RESTART_MS_MAX)
        child->restart_ms = PARENT_RESTART_MS_MAX;
}

static void on_restart(struct loop_timer *timer)
{
    struct child *child = CONTAINER_OF(timer, struct child, restart);
    struct error error;
    if (child_start(child, &error))
        return;
    (void)fprintf(stderr, "nines: %s\n", error.text);
    loop_timer_set_in(child->loop, timer, PARENT_RESTART_MS_MAX);
}

bool child_start(struct child *child, struct error *error)
{
    ASSERT(!child->running && !child->stopping);
    const int pid = child->start(child, error);
    if (pid < 0)
        return false;
    child->restart.on_time = on_restart;
    child->process.on_exit = on_exit_of_child;
    child->started_ms = loop_now_ms(child->loop);
    if (child->starts < UINT32_MAX)
        child->starts++;
    if (child->restart_ms == 0)
        child->restart_ms = PARENT_RESTART_MS_MIN;
    child->running = loop_child_watch(child->loop, &child->process, pid, error);
    if (!child->running) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return child->running;
}

void child_stop(struct child *child)
{
    child->stopping = true;
    loop_timer_clear(child->loop, &child->restart);
    if (child->running)
        (void)kill(child->process.pid, SIGTERM);
    else
        child->on_over(child);
}

void child_kill(const struct child *child)
{
    if (child->running)
        (void)kill(child->process.pid, SIGKILL);
}

void child_fds_add(struct text *text, const char *name, const int *fds, size_t count)
{
    text_format(text, "%s=", name);
    for (size_t i = 0; i < count; i++)
        text_format(text, "%s%d", i > 0 ? "," : "", fds[i]);
}

/* One number of the list at `at`, which is moved past it and its comma. */
static bool take_fd(struct slice *at, int *fd)
{
    const char *comma = memchr(at->data, ',', at->size);
    const size_t size = comma == NULL ? at->size : (size_t)(comma - at->data);
    uint64_t number = 0;
    if (!slice_to_u64((struct slice){.data = at->data, .size = size}, &number) ||
        number > INT32_MAX || fcntl((int)number, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    *fd = (int)number;
    const size_t step = comma == NULL ? size : size + 1;
    at->data += step;
    at->size -= step;
    return true;
}

int child_fds_take(const char *const *words, size_t word_count, const char *name, int *fds,
                   size_t max)
{
    const size_t name_size = strlen(name);
    for (size_t i = 0; i < word_count; i++) {
        if (strncmp(words[i], name, name_size) != 0 || words[i][name_size] != '=')
            continue;
        struct slice rest = slice_of(words[i] + name_size + 1);
        size_t count = 0;
        while (rest.size > 0) {
            if (count == max || !take_fd(&rest, &fds[count]))
                return -1;
            count++;
        }
        return (int)count;
    }
    return -1;
}
