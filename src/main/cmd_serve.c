/*
 * serve, balancer, controller: the daemons, and the children they start.
 */
#include "base/check.h"
#include "control/controller.h"
#include "main/child.h"
#include "main/cmd.h"
#include "main/commands.h"
#include "main/parent.h"
#include "os/file.h"
#include "proxy/balancer.h"
#include "proxy/targets.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing is silently ignored: a setting that is not built yet is refused by name. */
static bool refuse_unbuilt(const struct config_problems *problems)
{
    bool refused = false;
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        (void)fprintf(stderr, "%s\n", problem->text);
        refused = refused || problem->severity == CONFIG_UNBUILT;
    }
    if (refused)
        (void)fprintf(stderr, "nines: not serving: remove the settings that this version does not "
                              "have\n");
    return refused;
}

static int serve(const struct cmd *cmd, bool balancer, bool controller)
{
    static struct config_problems problems;
    struct text text;
    int status = EXIT_USAGE;
    config_problems_init(&problems);
    text_init(&text, CONFIG_BYTES_MAX);
    if (!cmd_read(cmd, &text)) {
        text_done(&text);
        return EXIT_USAGE;
    }
    struct config *config = config_parse(cmd->config, text_slice(&text), &problems);
    if (!refuse_unbuilt(&problems) && config != NULL) {
        const struct parent_start start = {.config = config,
                                           .config_text = text_slice(&text),
                                           .program = "/proc/self/exe",
                                           .balancer = balancer,
                                           .controller = controller};
        status = parent_run(&start);
    }
    config_unref(config);
    config_problems_done(&problems);
    text_done(&text);
    return status;
}

int cmd_serve(const struct cmd *cmd)
{
    return serve(cmd, true, true);
}

int cmd_balancer(const struct cmd *cmd)
{
    return serve(cmd, true, false);
}

int cmd_controller(const struct cmd *cmd)
{
    return serve(cmd, false, true);
}

/* The one fd of that name, or -1. */
static int take_one(const struct cmd *cmd, const char *name)
{
    int fd = -1;
    const int count = child_fds_take(cmd->operands, cmd->operand_count, name, &fd, 1);
    return count == 1 ? fd : -1;
}

/* The config the parent judged, from the memory it shared. */
static struct config *child_config(const struct cmd *cmd, struct text *text)
{
    static struct config_problems problems;
    struct error error;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", take_one(cmd, "config"));
    config_problems_init(&problems);
    struct config *config = NULL;
    if (file_read(path, text, &error))
        config = config_parse(cmd->config, text_slice(text), &problems);
    else
        (void)cmd_fail(NULL, &error);
    config_problems_done(&problems);
    return config;
}

int cmd_child_balancer(const struct cmd *cmd)
{
    struct text text;
    int status = EXIT_USAGE;
    text_init(&text, CONFIG_BYTES_MAX);
    struct config *config = child_config(cmd, &text);
    const size_t max = (size_t)CONFIG_LISTENERS_MAX * TARGETS_WORKERS_MAX;
    int *fds = calloc(max, sizeof *fds);
    if (config != NULL && fds != NULL) {
        const int count = child_fds_take(cmd->operands, cmd->operand_count, "listen", fds, max);
        const struct balancer_start start = {
            .config = config,
            .threads = count > 0 ? (uint32_t)((size_t)count / config->listener_count) : 0,
            .listen_fds = fds,
            .admin_fd = take_one(cmd, "admin"),
            .metrics_fd = take_one(cmd, "metrics"),
            .access_log_fd = take_one(cmd, "log"),
            .weights_fd = take_one(cmd, "weights"),
            .weights_start_fd = take_one(cmd, "start"),
        };
        if (start.threads > 0 && start.admin_fd >= 0 && start.weights_fd >= 0)
            status = balancer_run(&start);
        else
            (void)fprintf(stderr, "nines: child-balancer is started by nines serve\n");
    }
    free(fds);
    config_unref(config);
    text_done(&text);
    return status;
}

int cmd_child_controller(const struct cmd *cmd)
{
    struct text text;
    int status = EXIT_USAGE;
    text_init(&text, CONFIG_BYTES_MAX);
    struct config *config = child_config(cmd, &text);
    if (config != NULL) {
        const struct controller_start start = {
            .config = config, .config_text = text_slice(&text), .admin_fd = take_one(cmd, "admin")};
        if (start.admin_fd >= 0)
            status = controller_run(&start);
        else
            (void)fprintf(stderr, "nines: child-controller is started by nines serve\n");
    }
    config_unref(config);
    text_done(&text);
    return status;
}
