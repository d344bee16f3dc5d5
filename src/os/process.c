#include "os/process.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { FIRST_FREE_FD = 3, EXEC_FAILED = 127 };

/* In the child: gives it this fd (or /dev/null) at `target`. */
static bool give(int fd, int target)
{
    if (fd < 0) {
        fd = open("/dev/null", target == 0 ? O_RDONLY : O_WRONLY);
        if (fd < 0)
            return false;
        if (fd == target)
            return true;
        const bool done = dup2(fd, target) == target;
        close(fd);
        return done;
    }
    if (fd == target)
        return fcntl(fd, F_SETFD, 0) == 0;
    return dup2(fd, target) == target;
}

static void reset_signals(void)
{
    struct sigaction usual;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &usual, NULL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static const char *program_of(const struct process_start *start)
{
    return start->program != NULL ? start->program : start->argv[0];
}

/* Everything from fork() to exec(): async-signal-safe calls only. Reports errno through `report`.
 */
static _Noreturn void become(const struct process_start *start, char *const *environment,
                             int report)
{
    reset_signals();
    (void)setpgid(0, 0);
    if (start->die_with_parent)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool ready = give(start->stdin_fd, 0) && give(start->stdout_fd, 1) && give(start->stderr_fd, 2);
    for (uint32_t i = 0; ready && i < start->keep_count; i++)
        ready = fcntl(start->keep[i], F_SETFD, 0) == 0;
    if (ready)
        (void)execvpe(program_of(start), (char *const *)start->argv, environment);
    const int cause = errno;
    const ssize_t size = write(report, &cause, sizeof cause);
    _exit(size == (ssize_t)sizeof cause ? EXEC_FAILED : EXEC_FAILED - 1);
}

int process_start(const struct process_start *start, struct error *error)
{
    ASSERT(start->argv != NULL && start->argv[0] != NULL);
    ASSERT(start->keep_count <= PROCESS_FDS_MAX);
    char *const *environment =
        start->environment != NULL ? (char *const *)start->environment : environ;
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        error_set_errno(error, errno, "cannot start %s", program_of(start));
        return -1;
    }
    /* The report pipe must not sit where the child puts its standard streams. */
    const int report_fd = fcntl(report[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    close(report[1]);
    const pid_t pid = report_fd < 0 ? -1 : fork();
    if (pid == 0)
        become(start, environment, report_fd);
    int cause = errno;
    if (report_fd >= 0)
        close(report_fd);
    ssize_t size = 0;
    if (pid > 0) {
        do {
            size = read(report[0], &cause, sizeof cause);
        } while (size < 0 && errno == EINTR);
    }
    close(report[0]);
    if (pid < 0 || size == (ssize_t)sizeof cause) {
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        error_set_errno(error, cause, "cannot start %s", program_of(start));
        return -1;
    }
    return pid;
}

void process_describe(int wait_status, char *out, size_t size)
{
    if (WIFEXITED(wait_status))
        (void)snprintf(out, size, "exit status %d", WEXITSTATUS(wait_status));
    else if (WIFSIGNALED(wait_status))
        (void)snprintf(out, size, "killed by signal %d", WTERMSIG(wait_status));
    else
        (void)snprintf(out, size, "wait status 0x%x", (unsigned)wait_status);
}
