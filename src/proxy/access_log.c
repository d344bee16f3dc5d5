#include "proxy/access_log.h"

#include "base/check.h"
#include "base/text.h"
#include "base/writer.h"
#include "os/clock.h"
#include "proxy/counter.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert((ACCESS_LOG_RING_BYTES & (ACCESS_LOG_RING_BYTES - 1)) == 0, "a power of two");

/*
 * A ring with one writer (the worker) and one reader (the log's thread). `put` and `taken` count
 * bytes and never wrap in practice; `put` only ever stands at the end of a line.
 */
struct access_log_worker {
    struct access_log *log;
    char *ring;
    struct text line;
    uint64_t second; /* That `stamp` names. */
    char stamp[32];
    uint64_t taken_seen; /* The worker's last look at `taken`. */
    _Alignas(COUNTER_LINE_BYTES) _Atomic uint64_t put;
    counter dropped;
    _Alignas(COUNTER_LINE_BYTES) _Atomic uint64_t taken;
};

struct access_log {
    enum config_log_format format;
    int fd;              /* The thread's alone once it runs. */
    _Atomic int fd_next; /* A new file, or -1. */
    int wake_fd;         /* eventfd: a ring is half full, or the end has come. */
    atomic_bool stopping;
    bool failing; /* The thread's: the file takes nothing, and that was told. */
    pthread_t thread;
    uint32_t worker_count;
    struct access_log_worker *workers;
};

/* --- Lines. --- */

/* Into quotes, with everything escaped that could end them or forge a line. */
static void add_escaped(struct text *line, struct slice field)
{
    static const char digits[] = "0123456789abcdef";
    const size_t size = field.size < ACCESS_LOG_FIELD_MAX ? field.size : ACCESS_LOG_FIELD_MAX;
    size_t plain = 0;
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)field.data[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\')
            continue;
        text_append(line, (struct slice){.data = field.data + plain, .size = i - plain});
        plain = i + 1;
        if (byte == '"' || byte == '\\') {
            text_append(line, (struct slice){.data = (char[]){'\\', (char)byte}, .size = 2});
        } else {
            const char hex[] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
            text_append(line, (struct slice){.data = hex, .size = sizeof hex});
        }
    }
    text_append(line, (struct slice){.data = field.data + plain, .size = size - plain});
}

static void add_quoted(struct text *line, struct slice field)
{
    text_add(line, " \"");
    if (field.size == 0)
        text_add_char(line, '-');
    else
        add_escaped(line, field);
    text_add_char(line, '"');
}

static void add_number(struct text *line, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_append(line, (struct slice){.data = digits + at, .size = sizeof digits - at});
}

static void format_combined(struct access_log_worker *worker, const struct access_entry *entry)
{
    struct text *line = &worker->line;
    if (worker->second != entry->wall_ms / 1000) {
        worker->second = entry->wall_ms / 1000;
        clock_format_log(entry->wall_ms, worker->stamp, sizeof worker->stamp);
    }
    text_append(line, entry->client);
    text_add(line, " - - [");
    text_add(line, worker->stamp);
    text_add(line, "] \"");
    if (entry->method.size == 0) {
        text_add_char(line, '-');
    } else {
        add_escaped(line, entry->method);
        text_add_char(line, ' ');
        add_escaped(line, entry->target);
        text_add(line, entry->minor == 0 ? " HTTP/1.0" : " HTTP/1.1");
    }
    text_add(line, "\" ");
    add_number(line, entry->status);
    text_add_char(line, ' ');
    if (entry->body_bytes == 0)
        text_add_char(line, '-');
    else
        add_number(line, entry->body_bytes);
    add_quoted(line, entry->referer);
    add_quoted(line, entry->user_agent);
}

static void add_member(struct writer *json, const char *name, struct slice field)
{
    if (field.size == 0)
        return;
    if (field.size > ACCESS_LOG_FIELD_MAX)
        field.size = ACCESS_LOG_FIELD_MAX;
    writer_slice(json, name, field);
}

static void format_json(struct access_log_worker *worker, const struct access_entry *entry)
{
    struct writer json;
    char stamp[32];
    clock_format_rfc3339(entry->wall_ms, stamp, sizeof stamp);
    writer_init(&json, &worker->line);
    writer_object(&json, NULL);
    writer_string(&json, "time", stamp);
    add_member(&json, "client", entry->client);
    add_member(&json, "method", entry->method);
    add_member(&json, "target", entry->target);
    add_member(&json, "host", entry->host);
    writer_u64(&json, "minor", entry->minor);
    writer_u64(&json, "status", entry->status);
    writer_u64(&json, "body_bytes", entry->body_bytes);
    writer_u64(&json, "duration_us", entry->duration_us);
    if (entry->tier != NULL)
        writer_string(&json, "tier", entry->tier);
    if (entry->target_name != NULL)
        writer_string(&json, "upstream", entry->target_name);
    writer_u64(&json, "tries", entry->tries);
    writer_bool(&json, "truncated", entry->truncated);
    add_member(&json, "referer", entry->referer);
    add_member(&json, "user_agent", entry->user_agent);
    writer_end(&json);
}

/* --- The worker's end of a ring. --- */

static void wake(const struct access_log *log)
{
    const uint64_t one = 1;
    const ssize_t size = write(log->wake_fd, &one, sizeof one);
    ASSERT(size == (ssize_t)sizeof one || errno == EAGAIN);
}

static bool put_line(struct access_log_worker *worker, struct slice line)
{
    const uint64_t put = atomic_load_explicit(&worker->put, memory_order_relaxed);
    if (put + line.size - worker->taken_seen > ACCESS_LOG_RING_BYTES)
        worker->taken_seen = atomic_load_explicit(&worker->taken, memory_order_acquire);
    const uint64_t used = put - worker->taken_seen;
    ASSERT(used <= ACCESS_LOG_RING_BYTES);
    if (used + line.size > ACCESS_LOG_RING_BYTES)
        return false;
    const size_t at = put % ACCESS_LOG_RING_BYTES;
    const size_t to_end = ACCESS_LOG_RING_BYTES - at;
    const size_t first = line.size < to_end ? line.size : to_end;
    memcpy(worker->ring + at, line.data, first);
    memcpy(worker->ring, line.data + first, line.size - first);
    atomic_store_explicit(&worker->put, put + line.size, memory_order_release);
    const uint64_t half = ACCESS_LOG_RING_BYTES / 2;
    if (used < half && used + line.size >= half)
        wake(worker->log);
    return true;
}

void access_log_add(struct access_log_worker *worker, const struct access_entry *entry)
{
    struct text *line = &worker->line;
    text_clear(line);
    if (worker->log->format == CONFIG_LOG_JSON)
        format_json(worker, entry);
    else
        format_combined(worker, entry);
    text_add_char(line, '\n');
    if (line->failed || !put_line(worker, text_slice(line)))
        counter_add(&worker->dropped, 1);
}

/* --- The log's thread. --- */

static void pause_thread(const struct access_log *log)
{
    struct pollfd wait = {.fd = log->wake_fd, .events = POLLIN};
    if (poll(&wait, 1, ACCESS_LOG_INTERVAL_MS) == 1) {
        uint64_t count = 0;
        const ssize_t size = read(log->wake_fd, &count, sizeof count);
        ASSERT(size == (ssize_t)sizeof count || errno == EAGAIN || errno == EINTR);
    }
}

static void take_new_file(struct access_log *log)
{
    const int fd = atomic_exchange(&log->fd_next, -1);
    if (fd < 0)
        return;
    close(log->fd);
    log->fd = fd;
}

static void tell_failure(struct access_log *log, int cause)
{
    if (log->failing)
        return;
    log->failing = true;
    (void)fprintf(stderr,
                  "nines: the access log cannot be written (%s): lines are dropped until it can\n",
                  strerrordesc_np(cause));
}

/* Writes what a ring holds up to now; stays with it until it is done, so that lines stay whole. */
static void empty_ring(struct access_log *log, struct access_log_worker *worker)
{
    const uint64_t put = atomic_load_explicit(&worker->put, memory_order_acquire);
    uint64_t taken = atomic_load_explicit(&worker->taken, memory_order_relaxed);
    while (taken != put) {
        const size_t at = taken % ACCESS_LOG_RING_BYTES;
        const size_t left = (size_t)(put - taken);
        const size_t to_end = ACCESS_LOG_RING_BYTES - at;
        const size_t first = left < to_end ? left : to_end;
        const struct iovec parts[] = {
            {.iov_base = worker->ring + at, .iov_len = first},
            {.iov_base = worker->ring, .iov_len = left - first},
        };
        const ssize_t size = writev(log->fd, parts, COUNT_OF(parts));
        if (size > 0) {
            log->failing = false;
            taken += (uint64_t)size;
            atomic_store_explicit(&worker->taken, taken, memory_order_release);
            continue;
        }
        if (size < 0 && errno == EINTR)
            continue;
        tell_failure(log, size == 0 ? EIO : errno);
        if (atomic_load(&log->stopping))
            return;
        pause_thread(log);
        take_new_file(log);
    }
}

static void *run(void *context)
{
    struct access_log *log = context;
    bool last = false;
    while (!last) {
        pause_thread(log);
        last = atomic_load(&log->stopping); /* Then the rings get nothing more. */
        take_new_file(log);
        for (uint32_t i = 0; i < log->worker_count; i++)
            empty_ring(log, &log->workers[i]);
    }
    return NULL;
}

/* --- Opening and closing. --- */

static void release(struct access_log *log)
{
    for (uint32_t i = 0; log->workers != NULL && i < log->worker_count; i++) {
        text_done(&log->workers[i].line);
        free(log->workers[i].ring);
    }
    if (log->wake_fd >= 0)
        close(log->wake_fd);
    free(log->workers);
    free(log);
}

static bool open_workers(struct access_log *log)
{
    const size_t bytes = log->worker_count * sizeof *log->workers;
    log->workers = aligned_alloc(COUNTER_LINE_BYTES, bytes);
    if (log->workers == NULL)
        return false;
    memset(log->workers, 0, bytes);
    for (uint32_t i = 0; i < log->worker_count; i++) {
        struct access_log_worker *worker = &log->workers[i];
        worker->log = log;
        text_init(&worker->line, ACCESS_LOG_LINE_MAX);
        worker->ring = malloc(ACCESS_LOG_RING_BYTES);
        if (worker->ring == NULL)
            return false;
    }
    return true;
}

struct access_log *access_log_open(int fd, enum config_log_format format, uint32_t workers,
                                   struct error *error)
{
    ASSERT(fd >= 0 && workers > 0);
    struct access_log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        error_set_errno(error, ENOMEM, "cannot open the access log");
        return NULL;
    }
    log->format = format;
    log->fd = fd;
    log->worker_count = workers;
    atomic_init(&log->fd_next, -1);
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int cause = errno;
    if (log->wake_fd >= 0)
        cause = open_workers(log) ? pthread_create(&log->thread, NULL, run, log) : ENOMEM;
    if (cause != 0) {
        error_set_errno(error, cause, "cannot open the access log");
        release(log);
        return NULL;
    }
    return log;
}

void access_log_close(struct access_log *log)
{
    if (log == NULL)
        return;
    atomic_store(&log->stopping, true);
    wake(log);
    struct timespec until;
    const int known = clock_gettime(CLOCK_REALTIME, &until);
    ASSERT(known == 0);
    until.tv_sec += ACCESS_LOG_STOP_MS / 1000;
    /* A thread that is stuck in the file keeps its memory: the end of the process ends both. */
    if (pthread_timedjoin_np(log->thread, NULL, &until) != 0)
        return;
    take_new_file(log);
    close(log->fd);
    release(log);
}

struct access_log_worker *access_log_worker(struct access_log *log, uint32_t index)
{
    if (log == NULL)
        return NULL;
    ASSERT(index < log->worker_count);
    return &log->workers[index];
}

void access_log_reopen(struct access_log *log, int fd)
{
    const int unused = atomic_exchange(&log->fd_next, fd);
    if (unused >= 0)
        close(unused);
    wake(log);
}

uint64_t access_log_dropped(const struct access_log *log)
{
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < log->worker_count; i++)
        dropped += counter_read(&log->workers[i].dropped);
    return dropped;
}
