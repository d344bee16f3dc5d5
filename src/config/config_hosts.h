/*
 * config_hosts: the hosts of one tier: ranges made into hosts, names told apart, an index by name.
 */
#pragma once

#include "config/config_read.h"

/* Reads `hosts` and `standby` (each may be NULL) into the tier, standbys last. */
void config_hosts_read(struct config_reader *, struct config_tier *,
                       const struct config_node *hosts, const struct config_node *standby);
