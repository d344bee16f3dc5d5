/*
 * story: whole rollouts told by the engine's narration, compared line by line.
 *
 * When the narration changes on purpose, STORY_REWRITE=1 prints what each story tells now, as C
 * strings to be read, judged and pasted.
 */
#pragma once

#include "story/fleet.h"
#include "unit.h"

enum { STORY_LIMIT_MS = 4 * 3600 * 1000 };

/* One fleet per test program: it is large. */
static inline struct fleet *story_fleet(uint32_t count)
{
    static struct fleet fleet;
    fleet_init(&fleet, count);
    return &fleet;
}

static inline void story_print(const struct fleet *fleet, const char *test)
{
    printf("STORY %s\n", test);
    for (const char *line = fleet->text; *line != '\0'; line = strchr(line, '\n') + 1)
        printf("               \"%.*s\\n\"\n", (int)(strchr(line, '\n') - line), line);
    printf("END\n");
    fflush(stdout);
}

/* Runs to the end and compares. */
static inline void story_ends(struct fleet *fleet, enum rollout_phase phase, const char *test,
                              const char *expected)
{
    fleet_run(fleet, STORY_LIMIT_MS);
    if (getenv("STORY_REWRITE") != NULL)
        story_print(fleet, test);
    else
        ck_assert_str_eq(fleet->text, expected);
    ck_assert_str_eq(rollout_phase_name(fleet->rollout.row.phase), rollout_phase_name(phase));
}

#define STORY_ENDS(fleet, phase, expected) story_ends(fleet, phase, __func__, expected)
