#include "drive/store.h"

#include "base/check.h"
#include "base/text.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One connection, and exclusive locking before WAL: no shared-memory file, no second process, and
 * out of reach of the WAL-reset race that SQLite's shared mode had for years. synchronous=FULL
 * fsyncs the log at every commit.
 */
enum { STORE_APPLICATION_ID = 0x6e696e65 }; /* "nine", in the file's header. */

enum { PATH_BYTES_MAX = 4096 };

enum statement { ROW_PUT, ROW_REMOVE, ROW_SCAN, ROW_SCAN_ALL, META_PUT, META_GET, STATEMENTS };

static const char *const statement_texts[STATEMENTS] = {
    [ROW_PUT] = "INSERT OR REPLACE INTO row (key, value, sum) VALUES (?1, ?2, ?3)",
    [ROW_REMOVE] = "DELETE FROM row WHERE key = ?1",
    [ROW_SCAN] = "SELECT key, value, sum FROM row WHERE key >= ?1 AND key < ?2 ORDER BY key",
    [ROW_SCAN_ALL] = "SELECT key, value, sum FROM row ORDER BY key",
    [META_PUT] = "INSERT OR REPLACE INTO meta (key, value, sum) VALUES (?1, ?2, ?3)",
    [META_GET] = "SELECT key, value, sum FROM meta WHERE key = ?1",
};

struct store {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    char *path;
    uint64_t token;
    bool broken; /* What is on the disk is not known: only store_close() helps. */
    bool scanning;
};

/* FNV-1a, 64 bits (Fowler, Noll, Vo): any single changed byte changes it. Lengths are part of it,
 * so that bytes cannot move between key and value unseen. */
static uint64_t add_to_sum(uint64_t sum, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3U;
    return sum;
}

static sqlite3_int64 row_sum(struct slice key, struct slice value)
{
    const uint64_t sizes[2] = {key.size, value.size};
    uint64_t sum = add_to_sum(0xcbf29ce484222325U, sizes, sizeof sizes);
    sum = add_to_sum(sum, key.data, key.size);
    sum = add_to_sum(sum, value.data, value.size);
    return (sqlite3_int64)sum;
}

/* Classes as the header promises. Returns false. */
static bool report(struct store *store, int code, const char *what, struct error *error)
{
    const char *path = store->path;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(error, ERROR_LIMIT, "%s: %s: the disk is full; free some space", path,
                         what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(error, ERROR_CONFLICT,
                         "%s: another controller is using it; two must never run on one store",
                         path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        store->broken = true;
        return error_set(error, ERROR_FAILED,
                         "%s: damaged (%s); nothing in it was acted upon: put it aside with its "
                         "-wal file, restore a copy, or start without it and look at every host",
                         path, sqlite3_errstr(code));
    case SQLITE_NOMEM: return error_set(error, ERROR_SYSTEM, "%s: %s: out of memory", path, what);
    default:
        store->broken = true;
        return error_set(error, ERROR_SYSTEM, "%s: %s: %s (%s)", path, what, sqlite3_errstr(code),
                         store->database == NULL ? "not open"
                                                 : strerror(sqlite3_system_errno(store->database)));
    }
}

static bool run(struct store *store, const char *sql, const char *what, struct error *error)
{
    const int code = sqlite3_exec(store->database, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || report(store, code, what, error);
}

static void bind(sqlite3_stmt *statement, int place, struct slice bytes)
{
    /* A NULL pointer would bind SQL's NULL: an empty slice may have one. */
    const char *data = bytes.size == 0 ? "" : bytes.data;
    const int code = sqlite3_bind_blob64(statement, place, data, bytes.size, SQLITE_STATIC);
    ASSERT(code == SQLITE_OK || code == SQLITE_NOMEM);
}

static struct slice column(sqlite3_stmt *statement, int place)
{
    const char *data = sqlite3_column_blob(statement, place);
    return (struct slice){.data = data == NULL ? "" : data,
                          .size = (size_t)sqlite3_column_bytes(statement, place)};
}

static bool row_intact(sqlite3_stmt *statement)
{
    return sqlite3_column_type(statement, 2) == SQLITE_INTEGER &&
           sqlite3_column_int64(statement, 2) ==
               row_sum(column(statement, 0), column(statement, 1));
}

static int put(sqlite3_stmt *statement, struct slice key, struct slice value)
{
    bind(statement, 1, key);
    bind(statement, 2, value);
    (void)sqlite3_bind_int64(statement, 3, row_sum(key, value));
    const int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return code;
}

/* *found false: there is no such number. A damaged one is an error. */
static bool read_number(struct store *store, const char *name, uint64_t *number, bool *found,
                        struct error *error)
{
    sqlite3_stmt *statement = store->statements[META_GET];
    bind(statement, 1, slice_of(name));
    const int code = sqlite3_step(statement);
    bool good = true;
    *found = code == SQLITE_ROW;
    if (code == SQLITE_ROW &&
        !(row_intact(statement) && slice_to_u64(column(statement, 1), number)))
        good = report(store, SQLITE_CORRUPT, "read", error);
    else if (code != SQLITE_ROW && code != SQLITE_DONE)
        good = report(store, code, "read", error);
    (void)sqlite3_reset(statement);
    return good;
}

static bool write_number(struct store *store, const char *name, uint64_t number,
                         struct error *error)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    const int code = put(store->statements[META_PUT], slice_of(name), slice_of(text));
    return code == SQLITE_DONE || report(store, code, "write", error);
}

static bool prepare(struct store *store, struct error *error)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        const int code = sqlite3_prepare_v3(store->database, statement_texts[i], -1,
                                            SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
        if (code != SQLITE_OK)
            return report(store, code, "prepare", error);
    }
    return true;
}

/* The first answer of a PRAGMA, as text; "" when there is none. */
static bool ask(struct store *store, const char *sql, char *answer, size_t size,
                struct error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    const unsigned char *text = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    (void)snprintf(answer, size, "%s", text == NULL ? "" : (const char *)text);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE || report(store, code, "open", error);
}

/* The kind of file, the layout's version, and the whole file's structure. */
static bool judge(struct store *store, struct error *error)
{
    char answer[256];
    if (!ask(store, "PRAGMA journal_mode=WAL", answer, sizeof answer, error))
        return false;
    if (strcmp(answer, "wal") != 0)
        return error_set(error, ERROR_SYSTEM, "%s: cannot keep a write-ahead log there (mode %s)",
                         store->path, answer);
    if (!ask(store, "PRAGMA quick_check(1)", answer, sizeof answer, error))
        return false;
    if (strcmp(answer, "ok") != 0)
        return report(store, SQLITE_CORRUPT, "check", error);
    if (!ask(store, "SELECT count(*) FROM sqlite_schema", answer, sizeof answer, error))
        return false;
    const bool fresh = strcmp(answer, "0") == 0;
    if (!ask(store, "PRAGMA application_id", answer, sizeof answer, error))
        return false;
    char ours[16];
    (void)snprintf(ours, sizeof ours, "%d", STORE_APPLICATION_ID);
    if (!fresh && strcmp(answer, ours) != 0)
        return error_set(error, ERROR_USAGE, "%s: a database, but not one of nines", store->path);
    return true;
}

/* In one transaction: the tables when they are missing, the version, the next token. */
static bool set_up(struct store *store, struct error *error)
{
    char begin[512];
    (void)snprintf(
        begin, sizeof begin,
        "BEGIN IMMEDIATE; PRAGMA application_id=%d;"
        "CREATE TABLE IF NOT EXISTS meta (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
        " sum INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS row (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
        " sum INTEGER NOT NULL) WITHOUT ROWID",
        STORE_APPLICATION_ID);
    uint64_t schema = STORE_SCHEMA;
    bool found = false;
    if (!run(store, begin, "open", error) || !prepare(store, error) ||
        !read_number(store, "schema", &schema, &found, error))
        return false;
    if (schema != STORE_SCHEMA)
        return error_set(error, ERROR_CONFLICT,
                         "%s: written by another version of nines (layout %llu, this one has %d)",
                         store->path, (unsigned long long)schema, STORE_SCHEMA);
    if (!found && !write_number(store, "schema", STORE_SCHEMA, error))
        return false;
    if (!read_number(store, "token", &store->token, &found, error))
        return false;
    store->token++;
    return write_number(store, "token", store->token, error) && run(store, "COMMIT", "open", error);
}

/* The file, readable by its owner alone, and its name in the folder, on the disk. */
static bool make_file(const char *path, struct error *error)
{
    char folder[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size >= sizeof folder)
        return error_set(error, ERROR_USAGE, "%s: too long for a path", path);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)size, path);
    if (slash == NULL)
        (void)snprintf(folder, sizeof folder, ".");
    else if (size == 0)
        (void)snprintf(folder, sizeof folder, "/");
    if (!file_make_folder(folder, 0700, error))
        return false;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST || error_set_errno(error, errno, "%s", path);
    close(fd);
    const int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = folder_fd >= 0 && fsync(folder_fd) == 0;
    const int cause = errno;
    if (folder_fd >= 0)
        close(folder_fd);
    return synced || error_set_errno(error, cause, "%s", folder);
}

static bool open_database(struct store *store, struct error *error)
{
    if (!make_file(store->path, error))
        return false;
    const int code = sqlite3_open_v2(store->path, &store->database,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return report(store, code, "open", error);
    (void)sqlite3_extended_result_codes(store->database, 1);
    return run(store, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL", "open", error) &&
           judge(store, error) && set_up(store, error);
}

struct store *store_open(const char *url, struct error *error)
{
    static const char scheme[] = "sqlite:";
    const char *path = url + sizeof scheme - 1;
    if (!slice_starts_with(slice_of(url), scheme) || *path == '\0') {
        error_set(error, ERROR_USAGE, "state '%s': this version keeps its state in sqlite:PATH",
                  url);
        return NULL;
    }
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->path = strdup(path)) == NULL) {
        free(store);
        error_set_errno(error, ENOMEM, "%s", path);
        return NULL;
    }
    if (!open_database(store, error)) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    ASSERT(!store->scanning);
    for (size_t i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close_v2(store->database);
    free(store->path);
    free(store);
}

static bool write_rows(struct store *store, const struct store_write *writes, size_t count,
                       struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_write *write = &writes[i];
        ASSERT(write->key.size > 0 && write->key.size <= STORE_KEY_BYTES_MAX);
        ASSERT(write->remove || write->value.size <= STORE_VALUE_BYTES_MAX);
        int code = SQLITE_DONE;
        if (write->remove) {
            sqlite3_stmt *statement = store->statements[ROW_REMOVE];
            bind(statement, 1, write->key);
            code = sqlite3_step(statement);
            (void)sqlite3_reset(statement);
        } else {
            code = put(store->statements[ROW_PUT], write->key, write->value);
        }
        if (code != SQLITE_DONE)
            return report(store, code, "write", error);
    }
    return true;
}

static bool usable(const struct store *store, struct error *error)
{
    return !store->broken || error_set(error, ERROR_SYSTEM,
                                       "%s: failed before: close and open it again", store->path);
}

bool store_commit(struct store *store, const struct store_write *writes, size_t count,
                  struct error *error)
{
    ASSERT(!store->scanning && count > 0 && count <= STORE_WRITES_MAX);
    if (!usable(store, error))
        return false;
    if (run(store, "BEGIN IMMEDIATE", "begin", error) && write_rows(store, writes, count, error) &&
        run(store, "COMMIT", "commit", error))
        return true;
    /* SQLite ends a transaction by itself after some errors, and not after others. */
    if (sqlite3_get_autocommit(store->database) == 0 &&
        sqlite3_exec(store->database, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        store->broken = true;
    return false;
}

/* The least key greater than all that start with `prefix`; its size, or 0 when there is none. */
static size_t prefix_end(struct slice prefix, char *end)
{
    size_t size = prefix.size;
    memcpy(end, prefix.data, size);
    while (size > 0 && (unsigned char)end[size - 1] == 0xff)
        size--;
    if (size > 0)
        end[size - 1] = (char)((unsigned char)end[size - 1] + 1);
    return size;
}

static bool hand_out(const struct store *store, sqlite3_stmt *statement, store_each *each,
                     void *context)
{
    char damage[PATH_BYTES_MAX + 256];
    struct store_row row = {.key = column(statement, 0), .value = SLICE("")};
    if (row_intact(statement)) {
        row.value = column(statement, 1);
    } else {
        (void)snprintf(damage, sizeof damage,
                       "%s: row '%.*s' is damaged and was not acted upon: restore a copy of the "
                       "store, or end what it belongs to and look at its hosts",
                       store->path, (int)row.key.size, row.key.data);
        row.damage = damage;
    }
    return each(context, &row);
}

bool store_scan(struct store *store, const char *prefix, store_each *each, void *context,
                struct error *error)
{
    const struct slice from = slice_of(prefix);
    char end[STORE_KEY_BYTES_MAX];
    ASSERT(!store->scanning && from.size <= sizeof end);
    if (!usable(store, error))
        return false;
    const size_t end_size = prefix_end(from, end);
    ASSERT(end_size > 0 || from.size == 0); /* Keys are text: 0xff is in none. */
    sqlite3_stmt *statement = store->statements[end_size > 0 ? ROW_SCAN : ROW_SCAN_ALL];
    if (end_size > 0) {
        bind(statement, 1, from);
        bind(statement, 2, (struct slice){.data = end, .size = end_size});
    }
    store->scanning = true;
    int code = SQLITE_ROW;
    bool more = true;
    while (more && (code = sqlite3_step(statement)) == SQLITE_ROW)
        more = hand_out(store, statement, each, context);
    store->scanning = false;
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE || report(store, code, "read", error);
}

uint64_t store_token(const struct store *store)
{
    ASSERT(store->token > 0);
    return store->token;
}
