#include "base/check.h"
#include "base/slice.h"
#include "base/text.h"
#include "os/file.h"
#include "proxy/weights_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The file, a line an entry:
 *     host TIER HOST WEIGHT
 *     token TIER TOKEN
 * Weights of 0 to 1000; a host that was restored has no line.
 */
static const char file_head[] = "# Weights set by operators and updates; written by nines.\n";

enum { WEIGHT_MAX = 1000, ENTRIES_MAX = 2 * CONFIG_HOSTS_MAX };

struct weights_parent {
    struct loop *loop;
    const struct config *config;
    char *path;
    /* Entries with a host have a weight; those without have the tier's token. */
    struct weights_change *entries;
    size_t count;
    size_t capacity;
    struct loop_watch watch; /* The channel to the present child; fd -1 when there is none. */
};

static struct weights_change *find(const struct weights_parent *parent, const char *tier,
                                   const char *host)
{
    for (size_t i = 0; i < parent->count; i++) {
        if (strcmp(parent->entries[i].tier, tier) == 0 &&
            strcmp(parent->entries[i].host, host) == 0)
            return &parent->entries[i];
    }
    return NULL;
}

/* The entry of this name, made when there is none; NULL when memory or ENTRIES_MAX is used up. */
static struct weights_change *need(struct weights_parent *parent, const char *tier,
                                   const char *host)
{
    struct weights_change *entry = find(parent, tier, host);
    if (entry != NULL)
        return entry;
    if (parent->count == parent->capacity) {
        const size_t capacity = parent->capacity == 0 ? 64 : parent->capacity * 2;
        struct weights_change *entries =
            capacity > ENTRIES_MAX
                ? NULL
                : reallocarray(parent->entries, capacity, sizeof *parent->entries);
        if (entries == NULL)
            return NULL;
        parent->entries = entries;
        parent->capacity = capacity;
    }
    entry = &parent->entries[parent->count++];
    *entry = (struct weights_change){.weight = WEIGHTS_RESTORED};
    (void)snprintf(entry->tier, sizeof entry->tier, "%s", tier);
    (void)snprintf(entry->host, sizeof entry->host, "%s", host);
    return entry;
}

/* --- The file. --- */

/* Cuts the next word off a line. */
static struct slice next_word(struct slice *line)
{
    struct slice word = {.data = line->data};
    while (word.size < line->size && line->data[word.size] != ' ')
        word.size++;
    const size_t used = word.size < line->size ? word.size + 1 : word.size;
    line->data += used;
    line->size -= used;
    return word;
}

static bool copy_name(struct slice word, char *out)
{
    if (word.size == 0 || word.size > CONFIG_NAME_MAX)
        return false;
    memcpy(out, word.data, word.size);
    out[word.size] = '\0';
    return true;
}

static bool read_line(struct weights_parent *parent, struct slice line)
{
    struct weights_change change = {.weight = WEIGHTS_RESTORED};
    uint64_t number = 0;
    const struct slice kind = next_word(&line);
    if (!copy_name(next_word(&line), change.tier))
        return false;
    const bool host = slice_is(kind, "host");
    if (host ? !copy_name(next_word(&line), change.host) : !slice_is(kind, "token"))
        return false;
    if (!slice_to_u64(next_word(&line), &number) || line.size > 0)
        return false;
    if (host && number > WEIGHT_MAX)
        return false;
    struct weights_change *entry = need(parent, change.tier, change.host);
    if (entry == NULL)
        return false;
    if (host)
        entry->weight = (uint32_t)number;
    else
        entry->token = number;
    return true;
}

static bool read_lines(struct weights_parent *parent, struct slice content, struct error *error)
{
    for (uint32_t number = 1; content.size > 0; number++) {
        const char *end = memchr(content.data, '\n', content.size);
        if (end == NULL)
            return error_set(error, ERROR_FAILED, "%s:%u: the file is cut off", parent->path,
                             number);
        const struct slice line = {.data = content.data, .size = (size_t)(end - content.data)};
        content.data += line.size + 1;
        content.size -= line.size + 1;
        if (line.size > 0 && line.data[0] != '#' && !read_line(parent, line))
            return error_set(error, ERROR_FAILED,
                             "%s:%u: not an entry nines has written; mend the line, or remove the "
                             "file if every host may take traffic",
                             parent->path, number);
    }
    return true;
}

static bool read_file(struct weights_parent *parent, struct error *error)
{
    if (access(parent->path, F_OK) != 0 && errno == ENOENT)
        return true;
    struct text content;
    text_init(&content, WEIGHTS_FILE_BYTES_MAX);
    const bool done =
        file_read(parent->path, &content, error) && read_lines(parent, text_slice(&content), error);
    text_done(&content);
    return done;
}

static bool write_file(const struct weights_parent *parent, struct error *error)
{
    struct text content;
    text_init(&content, WEIGHTS_FILE_BYTES_MAX);
    text_add(&content, file_head);
    for (size_t i = 0; i < parent->count; i++) {
        const struct weights_change *entry = &parent->entries[i];
        if (entry->host[0] != '\0' && entry->weight != WEIGHTS_RESTORED)
            text_format(&content, "host %s %s %u\n", entry->tier, entry->host, entry->weight);
        else if (entry->host[0] == '\0' && entry->token > 0)
            text_format(&content, "token %s %llu\n", entry->tier, (unsigned long long)entry->token);
    }
    const bool done =
        content.failed
            ? error_set(error, ERROR_LIMIT, "the weights do not fit into %s", parent->path)
            : file_replace(parent->path, 0600, text_slice(&content), error);
    text_done(&content);
    return done;
}

/* --- Changes. --- */

static bool judge(const struct weights_parent *parent, const struct weights_change *change,
                  struct error *error)
{
    const struct config_tier *tier = config_tier_find(parent->config, change->tier);
    if (tier == NULL)
        return error_set(error, ERROR_NOT_FOUND, "no tier '%s'", change->tier);
    if (change->host[0] != '\0' && config_host_find(tier, change->host) == NULL)
        return error_set(error, ERROR_NOT_FOUND, "no host '%s' in tier '%s'", change->host,
                         change->tier);
    if (change->weight > WEIGHT_MAX && change->weight != WEIGHTS_RESTORED)
        return error_set(error, ERROR_USAGE, "weight %u is over %d", change->weight, WEIGHT_MAX);
    const struct weights_change *token = find(parent, change->tier, "");
    if (change->token != 0 && token != NULL && change->token < token->token)
        return error_set(error, ERROR_CONFLICT, "token %llu is older than %llu",
                         (unsigned long long)change->token, (unsigned long long)token->token);
    return true;
}

/* Keeps the change in the table and on disk, or in neither. */
static bool keep(struct weights_parent *parent, const struct weights_change *change,
                 struct error *error)
{
    if (!judge(parent, change, error))
        return false;
    uint64_t former_token = 0;
    if (change->token != 0) {
        struct weights_change *entry = need(parent, change->tier, "");
        if (entry == NULL)
            return error_set_errno(error, ENOMEM, "cannot keep the token of '%s'", change->tier);
        former_token = entry->token;
        entry->token = change->token;
    }
    uint32_t former_weight = WEIGHTS_RESTORED;
    if (change->host[0] != '\0') {
        struct weights_change *entry = need(parent, change->tier, change->host);
        if (entry == NULL)
            return error_set_errno(error, ENOMEM, "cannot keep the weight of '%s'", change->host);
        former_weight = entry->weight;
        entry->weight = change->weight;
    }
    if (write_file(parent, error))
        return true;
    /* need() may have moved the entries: look them up again. */
    if (change->host[0] != '\0')
        find(parent, change->tier, change->host)->weight = former_weight;
    if (change->token != 0)
        find(parent, change->tier, "")->token = former_token;
    return false;
}

/* --- The channel. --- */

bool weights_record_valid(const struct weights_record *record, size_t size)
{
    return size == sizeof *record && record->magic == WEIGHTS_RECORD_MAGIC &&
           memchr(record->change.tier, '\0', sizeof record->change.tier) != NULL &&
           memchr(record->change.host, '\0', sizeof record->change.host) != NULL &&
           memchr(record->text, '\0', sizeof record->text) != NULL;
}

static void hang_up(struct weights_parent *parent)
{
    const int fd = parent->watch.fd;
    if (fd < 0)
        return;
    loop_watch_remove(parent->loop, &parent->watch);
    close(fd);
}

static void on_channel(struct loop_watch *watch, uint32_t events)
{
    struct weights_parent *parent = CONTAINER_OF(watch, struct weights_parent, watch);
    ASSERT(events != 0);
    struct weights_record record;
    const ssize_t size = recv(watch->fd, &record, sizeof record, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* The child is gone, or it is not what we started: it gets no say over weights. */
    if (size <= 0 || !weights_record_valid(&record, (size_t)size) ||
        record.kind != WEIGHTS_RECORD_CHANGE) {
        hang_up(parent);
        return;
    }
    struct weights_record answer = {
        .magic = WEIGHTS_RECORD_MAGIC, .kind = WEIGHTS_RECORD_KEPT, .sequence = record.sequence};
    struct error error;
    if (!keep(parent, &record.change, &error)) {
        answer.kind = WEIGHTS_RECORD_FAILED;
        (void)snprintf(answer.text, sizeof answer.text, "%.250s", error.text);
    }
    /* A child that does not read its few answers is cut off, and started anew. */
    if (send(watch->fd, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        hang_up(parent);
}

struct weights_parent *weights_parent_open(struct loop *loop, const struct config *config,
                                           const char *path, struct error *error)
{
    struct weights_parent *parent = calloc(1, sizeof *parent);
    if (parent == NULL) {
        error_set_errno(error, ENOMEM, "cannot keep weights");
        return NULL;
    }
    parent->loop = loop;
    parent->config = config;
    parent->watch.fd = -1;
    parent->watch.on_event = on_channel;
    parent->path = strdup(path);
    if (parent->path == NULL)
        error_set_errno(error, ENOMEM, "cannot keep weights");
    if (parent->path == NULL || !read_file(parent, error)) {
        weights_parent_close(parent);
        return NULL;
    }
    return parent;
}

void weights_parent_close(struct weights_parent *parent)
{
    if (parent == NULL)
        return;
    hang_up(parent);
    free(parent->entries);
    free(parent->path);
    free(parent);
}

/* A sealed file in memory with every entry, so that a large fleet needs no pipe's patience. */
static int make_start_file(const struct weights_parent *parent, struct error *error)
{
    const int fd = memfd_create("nines-weights", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot hand the weights over");
        return -1;
    }
    const char *at = (const char *)parent->entries;
    size_t left = parent->count * sizeof *parent->entries;
    while (left > 0) {
        const ssize_t size = write(fd, at, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0) {
            error_set_errno(error, errno, "cannot hand the weights over");
            close(fd);
            return -1;
        }
        at += size;
        left -= (size_t)size;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        error_set_errno(error, errno, "cannot seal the weights");
        close(fd);
        return -1;
    }
    return fd;
}

bool weights_parent_attach(struct weights_parent *parent, int *channel_fd, int *start_fd,
                           struct error *error)
{
    hang_up(parent);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return error_set_errno(error, errno, "cannot make the channel of weights");
    parent->watch.fd = ends[0];
    if (!loop_watch_add_level(parent->loop, &parent->watch, error)) {
        parent->watch.fd = -1;
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    *start_fd = make_start_file(parent, error);
    if (*start_fd < 0) {
        hang_up(parent);
        close(ends[1]);
        return false;
    }
    *channel_fd = ends[1];
    return true;
}

bool weights_parent_send_log(struct weights_parent *parent, int log_fd, struct error *error)
{
    if (parent->watch.fd < 0)
        return error_set(error, ERROR_UNREACHABLE, "the balancer does not run");
    struct weights_record record = {.magic = WEIGHTS_RECORD_MAGIC, .kind = WEIGHTS_RECORD_LOG};
    struct iovec part = {.iov_base = &record, .iov_len = sizeof record};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &log_fd, sizeof log_fd);
    if (sendmsg(parent->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return error_set_errno(error, errno, "cannot hand the balancer its new access log");
    return true;
}
