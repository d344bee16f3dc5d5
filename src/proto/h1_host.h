/*
 * h1_host: host[:port], and nothing that two readers could take for different hosts. Private to
 * h1_*.c; h1_host_valid() is public.
 */
#pragma once

#include "proto/h1.h"

/* CONNECT's target: the port must be there, from 1 to 65535 (RFC 9112 3.2.3). */
bool h1_authority_valid(struct slice text);
