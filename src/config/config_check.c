#include "config/config_check.h"

#include "base/check.h"

/* `failure_domain` that was not given: zone when every host names one. */
static void failure_domain_default(struct config_tier *tier, const struct config_node *node)
{
    if (config_yaml_find(config_yaml_find(node, "update"), "failure_domain") != NULL)
        return;
    bool zones = tier->host_count > 0;
    for (size_t i = 0; i < tier->host_count && zones; i++)
        zones = tier->hosts[i].zone != NULL;
    tier->update.failure_domain_zone = zones;
}

void config_check(struct config *config, const struct config_node *root, struct arena *scratch,
                  struct config_problems *problems)
{
    ASSERT(problems->errors == 0);
    (void)scratch;
    const struct config_node *node = config_yaml_find(root, "tiers")->first;
    for (size_t i = 0; i < config->tier_count; i++, node = node->next)
        failure_domain_default(&config->tiers[i], node);
}
