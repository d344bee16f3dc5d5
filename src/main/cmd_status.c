/*
 * status and log: what is, and what was decided.
 */
#include "base/check.h"
#include "base/text.h"
#include "main/balancer_status.h"
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
    if (json_is_false(json_object_get(status, "controller")))
        text_add(out, "no controller runs here; this is what the balancer says\n");
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

/* The controller's; of a balancer that runs alone, what it has of it. */
static json_t *fetch_status(const struct config *config, struct error *error)
{
    if (!remote_is_there(config, REMOTE_CONTROLLER) && remote_is_there(config, REMOTE_BALANCER))
        return balancer_status(config, error);
    return remote_call(config, REMOTE_CONTROLLER, "GET", "/v1/status", NULL, NULL, error);
}

static int show_status(const struct cmd *cmd, const struct config *config, bool clear)
{
    struct error error;
    struct text out;
    json_t *status = fetch_status(config, &error);
    if (status == NULL)
        return cmd_fail(cmd, &error);
    text_init(&out, FRAME_MAX);
    if (cmd->json) {
        (void)json_dumpf(status, stdout, JSON_COMPACT);
        (void)putchar('\n');
    } else {
        if (clear)
            text_add(&out, "\033[H\033[J");
        add_status(&out, status);
        (void)fwrite(out.data, 1, out.size, stdout);
    }
    (void)fflush(stdout);
    json_decref(status);
    text_done(&out);
    return EXIT_DONE;
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

/* The whole log: the controller gives it in pages. */
static json_t *fetch_log(const struct config *config, const char *rollout, struct error *error)
{
    char path[128];
    uint64_t since = 0;
    json_t *whole = NULL;
    for (bool more = true; more;) {
        (void)snprintf(path, sizeof path, "/v1/rollouts/%s/log?since=%llu", rollout,
                       (unsigned long long)since);
        json_t *page = remote_call(config, REMOTE_CONTROLLER, "GET", path, NULL, NULL, error);
        if (page == NULL) {
            json_decref(whole);
            return NULL;
        }
        json_t *entries = json_object_get(page, "entries");
        const size_t count = json_array_size(entries);
        more = count > 0 && json_is_true(json_object_get(page, "more"));
        since = (uint64_t)remote_number(json_array_get(entries, count - 1), "n") + 1;
        if (whole == NULL) {
            (void)json_object_del(page, "more");
            whole = page;
            continue;
        }
        (void)json_array_extend(json_object_get(whole, "entries"), entries);
        json_decref(page);
    }
    return whole;
}

int cmd_log(const struct cmd *cmd)
{
    struct error error;
    const char *rollout = remote_rollout(cmd, &error);
    if (rollout == NULL)
        return cmd_fail(cmd, &error);
    struct config *config = cmd_config(cmd, false, NULL);
    if (config == NULL)
        return EXIT_USAGE;
    json_t *log = fetch_log(config, rollout, &error);
    int code = EXIT_DONE;
    if (log == NULL) {
        code = cmd_fail(cmd, &error);
    } else if (cmd->json) {
        (void)json_dumpf(log, stdout, JSON_COMPACT);
        (void)putchar('\n');
    } else {
        print_log(log);
    }
    json_decref(log);
    config_unref(config);
    return code;
}
