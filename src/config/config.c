#include "config/config.h"

#include "base/check.h"
#include "config/config_check.h"
#include "config/config_index.h"
#include "config/config_read.h"

#include <stdlib.h>

enum {
    ARENA_BYTES_MAX = 512 * 1024 * 1024,   /* What a config keeps. */
    SCRATCH_BYTES_MAX = 1024 * 1024 * 1024 /* The tree of its file. */
};

static void out_of_memory(struct config_problems *problems)
{
    config_problem_add(problems, (struct config_about){.severity = CONFIG_ERROR},
                       "the config does not fit into memory");
}

static struct config *create(const char *file, struct slice text)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return NULL;
    config->references = 1;
    config->hash = config_hash(text);
    arena_init(&config->arena, ARENA_BYTES_MAX);
    config->file = arena_text(&config->arena, slice_of(file));
    if (config->file != NULL)
        return config;
    config_unref(config);
    return NULL;
}

struct config *config_parse(const char *file, struct slice text, struct config_problems *problems)
{
    ASSERT(problems->errors == 0);
    problems->file = file;
    if (text.size > CONFIG_BYTES_MAX) {
        config_problem_add(problems, (struct config_about){.severity = CONFIG_ERROR},
                           "the file has %zu bytes; %d MiB is the most", text.size,
                           CONFIG_BYTES_MAX / (1024 * 1024));
        return NULL;
    }
    struct config *config = create(file, text);
    if (config == NULL) {
        out_of_memory(problems);
        return NULL;
    }
    if (text.data == NULL)
        text.data = ""; /* An empty file, read into nothing. */
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BYTES_MAX);
    const struct config_node *root = config_yaml_parse(&scratch, text, problems);
    if (root != NULL) {
        config_read(config, root, &scratch, problems);
        if (root->kind == CONFIG_NODE_MAPPING)
            config_check(config, root, &scratch, problems);
    }
    arena_done(&scratch);
    if (problems->errors == 0)
        return config;
    config_unref(config);
    return NULL;
}

struct config *config_ref(struct config *config)
{
    const uint32_t before = __atomic_fetch_add(&config->references, 1, __ATOMIC_RELAXED);
    ASSERT(before > 0 && before < UINT32_MAX);
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL)
        return;
    const uint32_t before = __atomic_fetch_sub(&config->references, 1, __ATOMIC_ACQ_REL);
    ASSERT(before > 0);
    if (before > 1)
        return;
    arena_done(&config->arena);
    free(config);
}

const struct config_tier *config_tier_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->tier_count; i++) {
        if (strcmp(config->tiers[i].name, name) == 0)
            return &config->tiers[i];
    }
    return NULL;
}

const struct config_host *config_host_find(const struct config_tier *tier, const char *name)
{
    struct config_index_walk walk;
    uint32_t place;
    config_index_first(&walk, &tier->host_index, slice_of(name));
    while (config_index_next(&walk, &place)) {
        ASSERT(place < tier->host_count);
        if (strcmp(tier->hosts[place].name, name) == 0)
            return &tier->hosts[place];
    }
    return NULL;
}

const char *config_tier_suggest(const struct config *config, const char *name)
{
    struct config_suggestion suggestion;
    config_suggestion_init(&suggestion, slice_of(name));
    for (size_t i = 0; i < config->tier_count; i++)
        config_suggestion_offer(&suggestion, config->tiers[i].name);
    return suggestion.best;
}

const char *config_host_suggest(const struct config_tier *tier, const char *name)
{
    struct config_suggestion suggestion;
    config_suggestion_init(&suggestion, slice_of(name));
    for (size_t i = 0; i < tier->host_count; i++)
        config_suggestion_offer(&suggestion, tier->hosts[i].name);
    return suggestion.best;
}

uint32_t config_amount_floor(struct config_amount amount, uint32_t hosts)
{
    if (!amount.percent)
        return amount.value < hosts ? amount.value : hosts;
    ASSERT(amount.value <= CONFIG_PPM);
    return (uint32_t)((uint64_t)hosts * amount.value / CONFIG_PPM);
}

uint32_t config_amount_ceil(struct config_amount amount, uint32_t hosts)
{
    if (!amount.percent)
        return amount.value;
    ASSERT(amount.value <= CONFIG_PPM);
    return (uint32_t)(((uint64_t)hosts * amount.value + CONFIG_PPM - 1) / CONFIG_PPM);
}

const char *config_balance_name(enum config_balance balance)
{
    return config_choice_name(config_section_find(&config_schema_tier, SLICE("balance")), balance);
}

const char *config_driver_name(enum config_driver driver)
{
    if (driver == CONFIG_DRIVER_NONE)
        return "none";
    return config_choice_name(config_section_find(&config_schema_host, SLICE("driver")), driver);
}

const char *config_strategy_name(enum config_strategy strategy)
{
    const struct config_setting *update = config_section_find(&config_schema_tier, SLICE("update"));
    return config_choice_name(config_section_find(update->section, SLICE("strategy")), strategy);
}
