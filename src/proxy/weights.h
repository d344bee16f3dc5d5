/*
 * weights: the channel between the balancer process and the parent that outlives it.
 *
 * A weight set through the admin API must survive the balancer: a host at weight 0 may be
 * rebooting. So the child sends each change to its parent before it applies it; the parent writes
 * all of them to a file (atomically, fsynced) and acknowledges. A child that starts is given all of
 * them. The controller's fencing tokens travel the same way. Down the channel come new files for
 * the access log after a rotation, since the child may have no right to open one.
 *
 * The channel is a SOCK_SEQPACKET socketpair with records of one size. What comes from the child is
 * judged by the parent as bytes from a stranger: names are checked against its config.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"
#include "os/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WEIGHTS_ACK_MS = 2000,      /* A change not acknowledged in time has failed. */
    WEIGHTS_PENDING_MAX = 1024, /* Changes in flight to the parent. */
    WEIGHTS_FILE_BYTES_MAX = 32 * 1024 * 1024,
};

/* A weight of this value: the config's own. */
#define WEIGHTS_RESTORED UINT32_MAX

struct weights_change {
    char tier[CONFIG_NAME_MAX + 1];
    char host[CONFIG_NAME_MAX + 1]; /* "": the tier's token alone. */
    uint32_t weight;                /* 0 to 1000 or WEIGHTS_RESTORED. */
    uint64_t token;                 /* 0: none. */
};

/* --- The parent's end. --- */

struct weights_parent;

/*
 * Reads `path` (none yet: no weights). Entries of tiers and hosts the config does not have are kept
 * as they are: the config may get them back. A file that cannot be understood is an error: starting
 * without it could fill a host that is being rebooted.
 */
struct weights_parent *weights_parent_open(struct loop *, const struct config *, const char *path,
                                           struct error *);
/* Accepts NULL. */
void weights_parent_close(struct weights_parent *);

/*
 * For each child that is started: makes a channel and a sealed file of all weights. The parent
 * keeps its end on its loop; both fds returned are for the child to inherit (close-on-exec is set)
 * and for the caller to close after the start. A former child's channel is closed.
 */
bool weights_parent_attach(struct weights_parent *, int *channel_fd, int *start_fd, struct error *);

/* Hands the child a new access log; the fd stays the caller's. */
bool weights_parent_send_log(struct weights_parent *, int log_fd, struct error *);

/* --- The child's end. --- */

struct weights;

/* `on_log` gets a new file for the access log; `on_parent_gone` is called once. */
struct weights_events {
    void (*on_log)(void *context, int fd);
    void (*on_parent_gone)(void *context);
    void *context;
};

/* Takes the channel over. */
struct weights *weights_open(struct loop *, int channel_fd, const struct weights_events *,
                             struct error *);
/* Accepts NULL. Pending changes are forgotten without on_done. */
void weights_close(struct weights *);

/* Calls on_change for every weight in the file that weights_parent_attach() made. */
bool weights_read_start(int start_fd, void (*on_change)(void *, const struct weights_change *),
                        void *context, struct error *);

/*
 * Sends a change. Exactly one on_done, later: with NULL once the parent has it on disk, or with an
 * error, and then the parent has the former weight (when its answer comes after WEIGHTS_ACK_MS, the
 * former weight is sent again). One change a host at a time. False when it could not even be sent
 * (ERROR_UNREACHABLE); on_done is not called then.
 */
typedef void weights_done(void *context, const struct error *error);
bool weights_send(struct weights *, const struct weights_change *change, uint32_t former_weight,
                  weights_done *on_done, void *context, struct error *);
