/*
 * lab-reap: runs a command so that everything that came from it ends with it.
 *
 *   lab-reap [--detached] COMMAND [ARGUMENT...]
 *
 * A host of the lab without namespaces is one lab-reap: as the child subreaper (prctl(2)) it adopts
 * whatever daemonizes or loses its parent inside, so when the command ends, or SIGTERM arrives, or
 * lab-reap's own parent dies (unless detached), it can kill its children until none is left,
 * however they tried to get away. It then exits as the command did (143 after SIGTERM): what
 * `unshare --pid --kill-child` does for a host with namespaces.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_TERMINATED = 143, EXIT_CANNOT_RUN = 127 };

/* The parent of a process, from /proc/PID/stat; the name in it may hold anything, even ')'. */
static pid_t parent_of(const char *pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t size = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[size] = '\0';
    const char *end = strrchr(line, ')');
    return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static void kill_children(void)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *entry; (entry = readdir(proc));)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            parent_of(entry->d_name) == getpid())
            kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
    closedir(proc);
}

/* Killing a child makes its children ours, so this ends when there is nobody left. */
static void end_all(void)
{
    do
        kill_children();
    while (waitpid(-1, NULL, 0) > 0 || errno != ECHILD);
}

/* The exit code of the child, or EXIT_TERMINATED if a signal came first. */
static int wait_for(pid_t child, const sigset_t *watched)
{
    while (sigwaitinfo(watched, NULL) == SIGCHLD) {
        int status;
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
            if (ended == child)
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return EXIT_TERMINATED;
}

int main(int argc, char **argv)
{
    bool detached = argc > 1 && strcmp(argv[1], "--detached") == 0;
    char **command = argv + 1 + detached;
    if (!*command) {
        fprintf(stderr, "usage: lab-reap [--detached] COMMAND [ARGUMENT...]\n");
        return 2;
    }
    sigset_t watched, before;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, &before);
    pid_t keeper = getppid();
    prctl(PR_SET_CHILD_SUBREAPER, 1UL);
    if (!detached)
        prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM);
    if (!detached && getppid() != keeper)
        return EXIT_TERMINATED;

    pid_t child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(command[0], command);
        fprintf(stderr, "lab-reap: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(EXIT_CANNOT_RUN);
    }
    int code = child > 0 ? wait_for(child, &watched) : EXIT_TERMINATED;
    end_all();
    return code;
}
