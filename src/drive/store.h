/*
 * store: where the controller keeps its rows: a small ordered key-value map with transactions.
 *
 * The controller alone opens it, and alone may: a second opener is refused. A commit is all or
 * nothing and on the disk when store_commit() returns true; the calls block for as long as that
 * takes (about a millisecond). Each row carries a checksum over its key and value: a damaged row is
 * reported by its key, its value is never handed out.
 *
 * Keys are text ("rollout/7/host/web-3"), compared bytewise; values are bytes, whose meaning (and
 * its version) is the caller's. STORE_SCHEMA is the layout of the store itself.
 *
 * What an error's kind means here: ERROR_LIMIT: the disk is full, nothing of the commit happened,
 * the store works again when space is freed. ERROR_SYSTEM: reading or writing failed, what is on
 * the disk is not known: close the store, open it again and read all rows anew (every later call
 * fails until then). ERROR_CONFLICT: another controller has it, or a newer version of nines wrote
 * it. ERROR_FAILED: damaged; the text says what to do. ERROR_USAGE: not a store nines knows.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum {
    STORE_SCHEMA = 1,
    STORE_KEY_BYTES_MAX = 512,
    STORE_VALUE_BYTES_MAX = 16 * 1024 * 1024,
    STORE_WRITES_MAX = 200000, /* Of one commit. */
};

struct store_write {
    struct slice key;
    struct slice value;
    bool remove; /* The key goes, if it is there; `value` is not looked at. */
};

struct store_row {
    struct slice key;   /* Both borrowed for the duration of the call. */
    struct slice value; /* Empty when damaged. */
    const char *damage; /* NULL, or what is wrong and what to do. */
};

/* False stops the scan (which then succeeds). */
typedef bool store_each(void *context, const struct store_row *);

/* `url` is the config's `state`: "sqlite:/var/lib/nines/state.db". Made when it does not exist. */
struct store *store_open(const char *url, struct error *);
void store_close(struct store *); /* Accepts NULL. */

/* One transaction, durable when it returns true. Several writes of one key: the last counts. */
bool store_commit(struct store *, const struct store_write *writes, size_t count, struct error *);
/* Rows whose key starts with `prefix` ("" for all), in the order of their keys. No commit within.
 */
bool store_scan(struct store *, const char *prefix, store_each *each, void *context,
                struct error *);
/*
 * A number greater than that of every earlier open of this store, for fencing: a host or a balancer
 * that has seen it refuses whoever opened the store before.
 */
uint64_t store_token(const struct store *);
