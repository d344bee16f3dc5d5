/*
 * config_check: what is wrong between settings, each of which is right by itself.
 */
#pragma once

#include "config/config_yaml.h"

/*
 * The config was read from `root`, perhaps with errors: what they touched (flawed nodes) is left
 * alone here, so that one mistake is one message.
 */
void config_check(struct config *, const struct config_node *root, struct arena *scratch,
                  struct config_problems *);
