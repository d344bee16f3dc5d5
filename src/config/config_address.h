/*
 * config_address: names and addresses of hosts, judged by their text alone.
 */
#pragma once

#include "config/config_value.h"

/* 1 to 63 letters, digits and '-', none of them at an end ('-'): RFC 1123 section 2.1. */
bool config_label_check(struct slice, struct config_complaint *);

/* A DNS name (RFC 1123) or an IPv4 address in dotted form; no brackets, no port. */
bool config_hostname_check(struct slice, struct config_complaint *);

/* HOST:PORT, with IPv6 as [ADDRESS]:PORT. The texts are copies in the arena. */
bool config_address_set(struct config_address *, struct slice, struct arena *,
                        struct config_complaint *);

/* [user@]host[:port]; nothing that ssh could take for an option. */
bool config_ssh_check(struct slice, struct config_complaint *);

bool config_ipv4_check(struct slice);
bool config_ipv6_check(struct slice); /* RFC 4291 section 2.2, without a zone. */
