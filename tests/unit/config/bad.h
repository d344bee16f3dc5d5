/*
 * bad: tables of configs that are wrong, each with every finding, word for word.
 */
#pragma once

#include "config/config.h"
#include "unit.h"

#include "base/check.h"

#include <stdio.h>

/* Beginnings of a config, so that a case says only what is wrong with it. */
#define LISTEN "listen: [{address: 0.0.0.0:80, tier: web}]\n"
#define WEB    LISTEN "tiers:\n  web:\n"
#define HOSTS                                                                                      \
    "    hosts: [{name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: root@10.0.0.1}, "           \
    "{name: web-2, address: 10.0.0.2:80, driver: ssh, ssh: root@10.0.0.2}]\n"
#define TIER WEB HOSTS /* Whole and without a finding; ends in tier 'web'. */

struct bad_case {
    const char *text;
    const char *findings; /* One a line. */
    size_t size;          /* 0: strlen(text). */
};

static inline void bad_run(const struct bad_case *bad)
{
    static struct config_problems problems;
    config_problems_init(&problems);
    const struct slice text = {.data = bad->text,
                               .size = bad->size != 0 ? bad->size : strlen(bad->text)};
    struct config *config = config_parse("nines.yaml", text, &problems);
    struct text all;
    text_init(&all, 1024 * 1024);
    text_add(&all, "");
    for (size_t i = 0; i < problems.count; i++)
        text_format(&all, "%s%s", i == 0 ? "" : "\n", problems.items[i].text);
    if (strcmp(all.data, bad->findings) != 0)
        ck_abort_msg("config:\n%s\nfindings:\n%s\nwanted:\n%s\n", bad->text, all.data,
                     bad->findings);
    ck_assert_uint_eq(problems.errors + problems.warnings + problems.unbuilt, problems.count);
    ck_assert((config == NULL) == (problems.errors > 0));
    text_done(&all);
    config_unref(config);
    config_problems_done(&problems);
}

#define BAD_RUN_ALL(cases)                                                                         \
    for (size_t i = 0; i < COUNT_OF(cases); i++)                                                   \
    bad_run(&(cases)[i])
