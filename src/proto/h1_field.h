/*
 * h1_field: the field lines that requests and responses share, and what they mean for the
 * connection and the framing. Private to h1_*.c.
 *
 * A first pass over the bytes notes every line and the known names; what those say is judged once
 * the head is whole, so that the verdict cannot depend on their order or on how the head arrived.
 */
#pragma once

#include "proto/h1.h"

/* What Connection said (RFC 9110 7.6.1). */
struct h1_options {
    bool close;
    bool keep_alive;
    bool upgrade;
};

/* The part of `data` that a head may lie in. */
size_t h1_window(size_t size, const struct h1_limits *);

/*
 * True if nothing in the bytes that came since `*scanned` can complete a line: parsing again would
 * end where it ended before.
 */
bool h1_nothing_new(const char *data, size_t window, const uint32_t *scanned);

/* Sets all of head but `start` and `fields_at`, which the caller has. */
void h1_head_init(struct h1_head *);
enum h1_result h1_bad(struct h1_head *, enum h1_fault);

/*
 * Reads field lines from head->fields_at to the empty line. Known fields that occur more than once
 * are in `*twice`.
 */
enum h1_result h1_fields_read(struct h1_head *, const char *data, const char *end,
                              const struct h1_limits *, uint64_t *twice);

/* Reads every Connection field; marks what it nominates with H1_DROP. */
enum h1_fault h1_fields_connection(struct h1_head *, const char *data, struct h1_options *);

/*
 * Framing by Transfer-Encoding and Content-Length (RFC 9112 6.1, 6.2). Without either:
 * H1_BODY_NONE.
 */
enum h1_fault h1_fields_framing(struct h1_head *, const char *data, uint64_t twice);

/* Marks every field with this id with H1_DROP. */
void h1_fields_drop(struct h1_head *, enum h1_id);

/* The next element of a comma-separated list (RFC 9110 5.6.1); empty ones are skipped. */
bool h1_list_next(struct slice *rest, struct slice *item);
bool h1_list_has(struct slice list, const char *item); /* Case-insensitive. */

bool h1_is_token(struct slice);

static inline bool h1_seen(const struct h1_head *head, enum h1_id id)
{
    return (head->seen & H1_SEEN(id)) != 0;
}
