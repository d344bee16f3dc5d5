/*
 * Any bytes as a config. Promised: a config or at least one error, never both; findings are in file
 * order, name their place and hold nothing that a terminal would obey; what was accepted is within
 * its limits and finds each of its hosts by name, and the same text gives the same config again.
 */
#include "config/config.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

enum { RANGE_MAX = 300 };

static struct config_problems problems;
static struct config_problems problems_again;

/* A range of many hosts only takes long; the number is tested elsewhere. */
static bool holds_long_range(const uint8_t *input, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (input[i] != '[')
            continue;
        uint64_t bounds[2] = {0};
        size_t which = 0;
        for (i++; i < size && which < 2; i++) {
            if (input[i] == '-')
                which++;
            else if (input[i] < '0' || input[i] > '9' || bounds[which] > UINT32_MAX)
                break;
            else
                bounds[which] = bounds[which] * 10 + input[i] - '0';
        }
        i--;
        if (bounds[1] > bounds[0] + RANGE_MAX)
            return true;
    }
    return false;
}

static void check_problems(void)
{
    size_t errors = 0;
    for (size_t i = 0; i < problems.count; i++) {
        const struct config_problem *problem = &problems.items[i];
        const struct config_place place = problem->place;
        ASSERT(place.line >= 1 && place.column >= 1);
        ASSERT(strncmp(problem->text, "f:", 2) == 0);
        for (const char *c = problem->text; *c != '\0'; c++)
            ASSERT((unsigned char)*c >= ' ' && *c != 0x7f);
        errors += problem->severity == CONFIG_ERROR;
        if (i == 0)
            continue;
        const struct config_place before = problems.items[i - 1].place;
        ASSERT(before.line < place.line ||
               (before.line == place.line && before.column <= place.column));
    }
    ASSERT(errors <= problems.errors && (errors > 0) == (problems.errors > 0));
}

static void check_tier(const struct config_tier *tier)
{
    ASSERT(tier->host_count >= 1 && tier->host_count <= CONFIG_HOSTS_MAX);
    ASSERT(tier->standby_count < tier->host_count); /* `hosts` is never empty. */
    for (size_t i = 0; i < tier->host_count; i++) {
        const struct config_host *host = &tier->hosts[i];
        ASSERT(config_host_find(tier, host->name) == host);
        ASSERT(host->name[0] != '\0' && host->name[0] != '-');
        ASSERT(strlen(host->name) <= CONFIG_NAME_MAX);
        ASSERT(host->address.port > 0 && host->address.host[0] != '\0');
        ASSERT(host->machine != NULL && host->weight >= 1 && host->weight <= 1000);
        ASSERT(host->driver != CONFIG_DRIVER_SSH || host->ssh != NULL);
        ASSERT(host->ssh == NULL || host->ssh[0] != '-');
        ASSERT(host->standby == (i >= tier->host_count - tier->standby_count));
    }
    ASSERT(tier->health.timeout_ms > 0 && tier->timeouts.server_ms > 0);
    ASSERT(tier->update.floor_ppm <= CONFIG_PPM);
    ASSERT(tier->update.install != CONFIG_INSTALL_APT || tier->update.security ||
           tier->update.package_count > 0);
    ASSERT(tier->update.install != CONFIG_INSTALL_COMMAND ||
           (tier->update.command.count > 0 &&
            tier->update.command.words[tier->update.command.count] == NULL));
}

static void check_config(const struct config *config)
{
    ASSERT(config->tier_count >= 1 && config->listener_count >= 1);
    for (size_t i = 0; i < config->tier_count; i++) {
        ASSERT(config_tier_find(config, config->tiers[i].name) == &config->tiers[i]);
        check_tier(&config->tiers[i]);
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        ASSERT(listener->route_count >= 1 && listener->address.port > 0);
        for (size_t j = 0; j < listener->route_count; j++)
            ASSERT(listener->routes[j].tier < config->tier_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
    const struct slice text = {.data = (const char *)input, .size = input_size};
    if (holds_long_range(input, input_size))
        return 0;
    config_problems_init(&problems);
    struct config *config = config_parse("f", text, &problems);
    ASSERT((config == NULL) == (problems.errors > 0));
    check_problems();
    if (config != NULL) {
        check_config(config);
        config_problems_init(&problems_again);
        struct config *again = config_parse("f", text, &problems_again);
        ASSERT(again != NULL && again->hash == config->hash);
        ASSERT(problems_again.count == problems.count);
        config_problems_done(&problems_again);
        config_unref(again);
    }
    config_unref(config);
    config_problems_done(&problems);
    return 0;
}
