/*
 * remote: talks to the daemon of this machine, blocking, for the command line.
 */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "main/cmd.h"

#include <jansson.h>

enum { REMOTE_TIMEOUT_MS = 10000, REMOTE_BODY_MAX = 64 * 1024 * 1024 };

/* Which daemon's socket in the admin folder. */
#define REMOTE_CONTROLLER "controller"
#define REMOTE_BALANCER   "balancer"

/*
 * One exchange. `body` is JSON or NULL. The answer's text is left in `out` (may be NULL). Returns
 * the parsed answer, which the caller releases, or NULL with an error that says what to do.
 */
json_t *remote_call(const struct config *, const char *daemon, const char *method, const char *path,
                    const char *body, struct text *out, struct error *);

/* Whether such a daemon runs, or ran last: its socket is there. */
bool remote_is_there(const struct config *, const char *daemon);

/* Members of answers; absent or of another type: "" and 0. */
const char *remote_text(const json_t *, const char *name);
double remote_number(const json_t *, const char *name);

/* Who gives the order: the login name, for the record. */
const char *remote_who(void);
/* The [ROLLOUT] of a command, as paths have it: its number, or "latest". NULL: it is neither. */
const char *remote_rollout(const struct cmd *, struct error *);
