/*
 * update: starts a rollout and follows it; pause, resume, abort steer one.
 */
#include "base/check.h"
#include "main/cmd.h"
#include "main/commands.h"
#include "main/follow.h"
#include "main/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Settings of this tier that this version does not have: an update would not do what they say. */
static bool refuse_unbuilt(const struct cmd *cmd, const struct config_problems *problems,
                           const char *tier)
{
    const char *first = NULL;
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        if (problem->severity != CONFIG_UNBUILT ||
            (problem->tier != NULL && strcmp(problem->tier, tier) != 0))
            continue;
        (void)fprintf(stderr, "%s\n", problem->text);
        first = first != NULL ? first : problem->text;
    }
    if (first != NULL)
        (void)cmd_fail_told(cmd, first, EXIT_REFUSED);
    return first != NULL;
}

/* On a terminal a person is asked; elsewhere the order is the consent. */
static bool confirm(const struct cmd *cmd, const struct config_tier *tier)
{
    char answer[16];
    if (cmd_flag(cmd, "yes") || cmd->json || isatty(STDIN_FILENO) != 1 ||
        isatty(STDOUT_FILENO) != 1)
        return true;
    const char *to = cmd_option(cmd, "to");
    (void)printf("Update tier '%s' (%zu hosts) to %s? See nines plan %s for the steps. [y/N] ",
                 tier->name, tier->host_count - tier->standby_count,
                 to != NULL ? to : "the newest version", tier->name);
    (void)fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) == NULL)
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

static char *order_of(const struct cmd *cmd, const struct config_tier *tier)
{
    const char *to = cmd_option(cmd, "to");
    const char *only = cmd_option(cmd, "only");
    const char *strategy = cmd_option(cmd, "strategy");
    json_t *order =
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "tier", tier->name, "who", remote_who(), "to", to,
                  "only", only, "strategy",
                  strategy != NULL ? strategy : config_strategy_name(tier->update.strategy));
    char *text = order != NULL ? json_dumps(order, JSON_COMPACT) : NULL;
    json_decref(order);
    return text;
}

static int start(const struct cmd *cmd, const struct config *config, const struct config_tier *tier)
{
    struct error error;
    struct text body;
    char *order = order_of(cmd, tier);
    if (order == NULL) {
        error_set(&error, ERROR_USAGE, "the options are not valid UTF-8");
        return cmd_fail(cmd, &error);
    }
    text_init(&body, REMOTE_BODY_MAX);
    json_t *rollout =
        remote_call(config, REMOTE_CONTROLLER, "POST", "/v1/updates", order, &body, &error);
    free(order);
    if (rollout == NULL) {
        text_done(&body);
        return cmd_fail(cmd, &error);
    }
    const uint64_t id = (uint64_t)remote_number(rollout, "id");
    json_decref(rollout);
    int code = EXIT_DONE;
    if (!cmd_flag(cmd, "detach"))
        code = follow(cmd, config, id);
    else if (cmd->json)
        (void)fputs(body.data, stdout);
    else
        (void)printf("rollout %llu started; nines status shows it\n", (unsigned long long)id);
    text_done(&body);
    return code;
}

static const struct config_tier *tier_of(const struct config *config, const char *name,
                                         struct error *error)
{
    const struct config_tier *tier = config_tier_find(config, name);
    if (tier == NULL)
        error_set(error, ERROR_NOT_FOUND, "there is no tier '%s' in %s", name, config->file);
    return tier;
}

int cmd_update(const struct cmd *cmd)
{
    static struct config_problems problems;
    struct error error;
    int code = EXIT_USAGE;
    struct config *config = cmd_config(cmd, false, &problems);
    const struct config_tier *tier =
        config != NULL ? tier_of(config, cmd->operands[0], &error) : NULL;
    if (config != NULL && tier == NULL)
        code = cmd_fail(cmd, &error);
    else if (tier != NULL && refuse_unbuilt(cmd, &problems, tier->name))
        code = EXIT_REFUSED;
    else if (tier != NULL && !confirm(cmd, tier))
        (void)printf("nothing was changed\n");
    else if (tier != NULL)
        code = start(cmd, config, tier);
    config_problems_done(&problems);
    config_unref(config);
    return code;
}

static int operate(const struct cmd *cmd, const char *verb, const char *participle)
{
    char path[128];
    struct error error;
    struct text body;
    const char *name = remote_rollout(cmd, &error);
    if (name == NULL)
        return cmd_fail(cmd, &error);
    struct config *config = cmd_config(cmd, false, NULL);
    if (config == NULL)
        return EXIT_USAGE;
    (void)snprintf(path, sizeof path, "/v1/rollouts/%s/%s", name, verb);
    json_t *order = json_pack("{s:s}", "who", remote_who());
    char *text = json_dumps(order, JSON_COMPACT);
    text_init(&body, REMOTE_BODY_MAX);
    json_t *rollout = remote_call(config, REMOTE_CONTROLLER, "POST", path, text, &body, &error);
    int code = EXIT_DONE;
    if (rollout == NULL)
        code = cmd_fail(cmd, &error);
    else if (cmd->json)
        (void)fputs(body.data, stdout);
    else
        (void)printf("rollout %.0f %s: %s\n", remote_number(rollout, "id"), participle,
                     remote_text(rollout, "sentence"));
    json_decref(rollout);
    json_decref(order);
    free(text);
    text_done(&body);
    config_unref(config);
    return code;
}

int cmd_pause(const struct cmd *cmd)
{
    return operate(cmd, "pause", "is to pause");
}

int cmd_resume(const struct cmd *cmd)
{
    return operate(cmd, "resume", "goes on");
}

int cmd_abort(const struct cmd *cmd)
{
    return operate(cmd, "abort", "is to end");
}
