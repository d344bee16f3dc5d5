/*
 * plan: what an update would do. Needs no daemon, contacts no host, writes no file.
 */
#include "base/check.h"
#include "control/spec.h"
#include "main/cmd.h"
#include "main/commands.h"
#include "rollout/plan.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLAN_ARENA_MAX = 1024 * 1024 * 1024, PLAN_TEXT_MAX = 256 * 1024 * 1024 };

/* What the engine needs to run on an ideal fleet. */
struct bench {
    struct arena arena;
    struct rollout_spec spec;
    struct rollout_arrays arrays;
    struct rollout engine;
    struct rollout_actions scratch;
    struct rows_head head;
};

static bool copy_option(const struct cmd *cmd, const char *name, char *out, size_t size,
                        struct error *error)
{
    const char *value = cmd_option(cmd, name);
    if (value == NULL)
        return true;
    const int length = snprintf(out, size, "%s", value);
    return (length >= 0 && (size_t)length < size) ||
           error_set(error, ERROR_USAGE, "--%s is longer than %zu bytes", name, size - 1);
}

static bool prepare(struct bench *bench, const struct cmd *cmd, const struct config_tier *tier,
                    struct error *error)
{
    arena_init(&bench->arena, PLAN_ARENA_MAX);
    (void)snprintf(bench->head.strategy, sizeof bench->head.strategy, "%s",
                   config_strategy_name(tier->update.strategy));
    return copy_option(cmd, "to", bench->head.to_version, sizeof bench->head.to_version, error) &&
           copy_option(cmd, "only", bench->head.only, sizeof bench->head.only, error) &&
           copy_option(cmd, "strategy", bench->head.strategy, sizeof bench->head.strategy, error) &&
           spec_build_plan(&bench->arena, tier, &bench->head, &bench->spec, error) &&
           (spec_arrays(&bench->arena, &bench->spec, &bench->arrays) ||
            error_set(error, ERROR_SYSTEM, "not enough memory for this plan"));
}

static void print(const struct cmd *cmd, const struct plan *plan)
{
    struct text text;
    text_init(&text, PLAN_TEXT_MAX);
    if (cmd->json) {
        struct writer writer;
        writer_init(&writer, &text);
        writer_object(&writer, NULL);
        plan_json(plan, &writer);
        writer_end(&writer);
        text_add_char(&text, '\n');
    } else {
        plan_print(plan, &text);
    }
    (void)fwrite(text.data, 1, text.size, stdout);
    text_done(&text);
}

static int run(const struct cmd *cmd, const struct config_tier *tier, struct bench *bench)
{
    struct error error;
    struct plan plan;
    if (!prepare(bench, cmd, tier, &error))
        return cmd_fail(cmd, &error);
    struct plan_request request = {
        .spec = &bench->spec,
        .keyed = tier->balance == CONFIG_BALANCE_KEY,
        .warm = {.time_ms = tier->warm.given ? tier->warm.time_ms : 0,
                 .cold_max_ppm = tier->warm.cold_max_ppm,
                 .backend_load_max_ppm = tier->warm.backend_load_max_ppm,
                 .hit_ratio_ppm = tier->warm.hit_ratio_ppm},
        .standby_count = (uint32_t)tier->standby_count,
    };
    plan_times_defaults(&request.times);
    plan_make(&plan, &request, bench->arrays, &bench->engine, &bench->scratch);
    print(cmd, &plan);
    return plan.refused ? EXIT_REFUSED : EXIT_DONE;
}

int cmd_plan(const struct cmd *cmd)
{
    struct error error;
    int code = EXIT_USAGE;
    struct config *config = cmd_config(cmd, false, NULL);
    if (config == NULL)
        return code;
    const struct config_tier *tier = config_tier_find(config, cmd->operands[0]);
    struct bench *bench = calloc(1, sizeof *bench);
    if (tier == NULL) {
        error_set(&error, ERROR_NOT_FOUND, "there is no tier '%s' in %s", cmd->operands[0],
                  config->file);
        code = cmd_fail(cmd, &error);
    } else if (bench == NULL) {
        error_set(&error, ERROR_SYSTEM, "not enough memory for this plan");
        code = cmd_fail(cmd, &error);
    } else {
        code = run(cmd, tier, bench);
        arena_done(&bench->arena);
    }
    free(bench);
    config_unref(config);
    return code;
}
