#include "main/follow.h"

#include "base/check.h"
#include "base/text.h"
#include "main/follow_view.h"
#include "main/remote.h"
#include "os/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

struct follow {
    const struct cmd *cmd;
    const struct config *config;
    uint64_t rollout;
    uint64_t said;          /* Number of the last decision printed. */
    uint64_t traffic_ms;    /* When the last plain line on traffic was printed. */
    uint64_t away_since_ms; /* 0: the controller answers. */
    struct follow_view view;
    struct text body;
};

int follow_exit_code(const char *phase, bool frozen)
{
    if (frozen)
        return EXIT_FAILED;
    if (strcmp(phase, "done") == 0)
        return EXIT_DONE;
    return strcmp(phase, "paused") == 0 ? EXIT_PAUSED : EXIT_FAILED;
}

static bool has_ended(const char *phase)
{
    return strcmp(phase, "done") == 0 || strcmp(phase, "failed") == 0 ||
           strcmp(phase, "aborted") == 0 || strcmp(phase, "paused") == 0;
}

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Prints what was decided since the last look. */
static void print_decisions(struct follow *follow)
{
    char path[128];
    struct error error; /* The next look meets it again. */
    (void)snprintf(path, sizeof path, "/v1/rollouts/%llu/log?since=%llu",
                   (unsigned long long)follow->rollout, (unsigned long long)follow->said + 1);
    json_t *log = remote_call(follow->config, REMOTE_CONTROLLER, "GET", path, NULL, NULL, &error);
    const json_t *entries = json_object_get(log, "entries");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        follow->said = (uint64_t)remote_number(entry, "n");
        follow_view_say(&follow->view, (uint64_t)remote_number(entry, "time_ms"),
                        remote_text(entry, "sentence"));
    }
    json_decref(log);
}

static void print_traffic(struct follow *follow, const json_t *rollout)
{
    const uint64_t now = clock_wall_ms();
    if (follow->view.terminal || now - follow->traffic_ms < FOLLOW_TRAFFIC_LINE_MS)
        return;
    follow->traffic_ms = now;
    follow_view_traffic(&follow->view, rollout);
}

/* The controller did not answer. False when it was away for too long. */
static bool wait_for_controller(struct follow *follow, const struct error *error)
{
    const uint64_t now = clock_wall_ms();
    if (follow->away_since_ms == 0) {
        follow->away_since_ms = now;
        follow_view_say(&follow->view, now,
                        "the controller does not answer; traffic goes on, waiting for it");
    }
    if (now - follow->away_since_ms < FOLLOW_AWAY_MS_MAX)
        return true;
    (void)cmd_fail(follow->cmd, error);
    return false;
}

static int detach(const struct follow *follow)
{
    (void)fprintf(stderr,
                  "detached: rollout %llu goes on without you; nines status shows it, nines abort "
                  "%llu stops it\n",
                  (unsigned long long)follow->rollout, (unsigned long long)follow->rollout);
    return EXIT_DONE;
}

static void print_end(const struct follow *follow, const json_t *rollout, const char *phase)
{
    const bool frozen = json_is_true(json_object_get(rollout, "frozen"));
    if (follow->cmd->json) {
        (void)fputs(follow->body.data, stdout);
        return;
    }
    const unsigned long long id = (unsigned long long)follow->rollout;
    if (frozen)
        (void)printf("rollout %llu is frozen: %s\nIts hosts stay as they are; see nines status.\n",
                     id, remote_text(rollout, "sentence"));
    else if (strcmp(phase, "paused") == 0)
        (void)printf(
            "rollout %llu is paused: %s\nGo on with nines resume %llu, or end it with nines "
            "abort %llu.\n",
            id, remote_text(rollout, "sentence"), id, id);
    else
        (void)printf("rollout %llu %s: %.0f of %.0f hosts updated, %.0f requests, %.0f failed\n",
                     id, phase, remote_number(rollout, "hosts_done"),
                     remote_number(rollout, "hosts_total"), remote_number(rollout, "requests"),
                     remote_number(rollout, "failed_requests"));
}

/* One look. True when there is nothing more to wait for; *code is then set. */
static bool look(struct follow *follow, int *code)
{
    char path[64];
    struct error error;
    (void)snprintf(path, sizeof path, "/v1/rollouts/%llu", (unsigned long long)follow->rollout);
    json_t *rollout =
        remote_call(follow->config, REMOTE_CONTROLLER, "GET", path, NULL, &follow->body, &error);
    if (rollout == NULL) {
        *code = error_exit_code(error.kind);
        if (error.kind == ERROR_UNREACHABLE || error.kind == ERROR_TIMEOUT ||
            error.kind == ERROR_PROTOCOL)
            return !wait_for_controller(follow, &error);
        (void)cmd_fail(follow->cmd, &error);
        return true;
    }
    const char *phase = remote_text(rollout, "phase");
    const bool ended = has_ended(phase);
    follow->away_since_ms = 0;
    if ((uint64_t)remote_number(rollout, "said") > follow->said)
        print_decisions(follow);
    follow_view_draw(&follow->view, rollout);
    print_traffic(follow, rollout);
    if (ended) {
        follow_view_done(&follow->view);
        print_end(follow, rollout, phase);
        *code = follow_exit_code(phase, json_is_true(json_object_get(rollout, "frozen")));
    }
    json_decref(rollout);
    return ended;
}

int follow(const struct cmd *cmd, const struct config *config, uint64_t rollout)
{
    struct sigaction action;
    struct follow follow = {.cmd = cmd, .config = config, .rollout = rollout};
    int code = EXIT_FAILED;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    follow.traffic_ms = clock_wall_ms();
    text_init(&follow.body, REMOTE_BODY_MAX);
    follow_view_init(&follow.view, !cmd->json && isatty(STDOUT_FILENO) == 1, cmd->json);
    bool over = false;
    while (!over && !interrupted) {
        over = look(&follow, &code);
        if (!over)
            pause_ms(FOLLOW_PERIOD_MS);
    }
    follow_view_done(&follow.view);
    text_done(&follow.body);
    return over ? code : detach(&follow);
}
