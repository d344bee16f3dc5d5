/*
 * config_check: what is wrong between settings, each of which is right by itself.
 */
#pragma once

#include "config/config_yaml.h"

/* The config was read without an error. `root` tells where its settings stand. */
void config_check(struct config *, const struct config_node *root, struct arena *scratch,
                  struct config_problems *);
