/*
 * status and log: what is, and what was decided.
 */
#include "base/check.h"
#include "base/text.h"
#include "main/cmd.h"
#include "main/commands.h"
#include "main/remote.h"
#include "os/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WATCH_PERIOD_S = 1, FRAME_MAX = 16 * 1024 * 1024 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void add_tier(struct text *out, const json_t *tier)
{
    const json_t *traffic = json_object_get(tier, "traffic");
    text_format(out, "tier %s: capacity %.0f %%, %.0f requests/s, p99 %.1f ms, %.0f failed\n",
                remote_text(tier, "name"), 100 * remote_number(tier, "serving_capacity"),
                remote_number(traffic, "rps"), remote_number(traffic, "p99_ms"),
                remote_number(traffic, "failed"));
    if (!json_is_true(json_object_get(traffic, "balancer_reachable")))
        text_add(out, "  the balancer does not answer: what follows is what was last seen\n");
    const json_t *hosts = json_object_get(tier, "hosts");
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);
        const char *version = remote_text(host, "version");
        text_format(out, "  %-20s %-8s %-12s %-16s %6.0f in flight%s\n", remote_text(host, "name"),
                    remote_text(host, "zone"), remote_text(host, "state"),
                    version[0] != '\0' ? version : "-", remote_number(host, "in_flight"),
                    json_is_true(json_object_get(host, "cordoned")) ? "  drained by an operator"
                                                                    : "");
    }
}

static void add_rollout(struct text *out, const json_t *rollout)
{
    text_format(out, "rollout %.0f of %s: %s, %.0f of %.0f hosts updated, %.0f failed requests\n",
                remote_number(rollout, "id"), remote_text(rollout, "tier"),
                remote_text(rollout, "phase"), remote_number(rollout, "hosts_done"),
                remote_number(rollout, "hosts_total"), remote_number(rollout, "failed_requests"));
    text_format(out, "  %s\n", remote_text(rollout, "sentence"));
}

static void add_status(struct text *out, const json_t *status)
{
    const json_t *tiers = json_object_get(status, "tiers");
    const json_t *rollouts = json_object_get(status, "rollouts");
    const json_t *unreadable = json_object_get(status, "unreadable");
    for (size_t i = 0; i < json_array_size(tiers); i++)
        add_tier(out, json_array_get(tiers, i));
    for (size_t i = 0; i < json_array_size(rollouts); i++)
        add_rollout(out, json_array_get(rollouts, i));
    for (size_t i = 0; i < json_array_size(unreadable); i++)
        text_format(out, "rollout %.0f cannot be read: %s\n",
                    remote_number(json_array_get(unreadable, i), "id"),
                    remote_text(json_array_get(unreadable, i), "why"));
}

static int show_status(const struct cmd *cmd, const struct config *config, bool clear)
{
    struct error error;
    struct text body;
    struct text out;
    text_init(&body, REMOTE_BODY_MAX);
    text_init(&out, FRAME_MAX);
    json_t *status =
        remote_call(config, REMOTE_CONTROLLER, "GET", "/v1/status", NULL, &body, &error);
    int code = EXIT_DONE;
    if (status == NULL) {
        code = cmd_fail(&error);
    } else if (cmd->json) {
        (void)fputs(body.data, stdout);
    } else {
        if (clear)
            text_add(&out, "\033[H\033[J");
        add_status(&out, status);
        (void)fwrite(out.data, 1, out.size, stdout);
    }
    (void)fflush(stdout);
    json_decref(status);
    text_done(&out);
    text_done(&body);
    return code;
}

int cmd_status(const struct cmd *cmd)
{
    struct sigaction action;
    struct config *config = cmd_config(cmd, false, NULL);
    if (config == NULL)
        return EXIT_USAGE;
    const bool watch = cmd_flag(cmd, "watch");
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    if (watch)
        (void)sigaction(SIGINT, &action, NULL);
    int code = show_status(cmd, config, watch && isatty(STDOUT_FILENO) == 1);
    while (watch && !interrupted && !ferror(stdout)) {
        const struct timespec period = {.tv_sec = WATCH_PERIOD_S};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &period, NULL);
        if (!interrupted)
            code = show_status(cmd, config, isatty(STDOUT_FILENO) == 1);
    }
    config_unref(config);
    return code;
}

static void print_log(const json_t *log)
{
    const json_t *entries = json_object_get(log, "entries");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        char time[40];
        clock_format_rfc3339((uint64_t)remote_number(entry, "time_ms"), time, sizeof time);
        (void)printf("%s  %s\n", time, remote_text(entry, "sentence"));
    }
}

int cmd_log(const struct cmd *cmd)
{
    char path[128];
    struct error error;
    struct text body;
    struct config *config = cmd_config(cmd, false, NULL);
    if (config == NULL)
        return EXIT_USAGE;
    (void)snprintf(path, sizeof path, "/v1/rollouts/%s/log",
                   cmd->operand_count > 0 ? cmd->operands[0] : "latest");
    text_init(&body, REMOTE_BODY_MAX);
    json_t *log = remote_call(config, REMOTE_CONTROLLER, "GET", path, NULL, &body, &error);
    int code = EXIT_DONE;
    if (log == NULL)
        code = cmd_fail(&error);
    else if (cmd->json)
        (void)fputs(body.data, stdout);
    else
        print_log(log);
    json_decref(log);
    text_done(&body);
    config_unref(config);
    return code;
}
