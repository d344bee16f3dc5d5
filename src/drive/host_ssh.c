#include "base/check.h"
#include "drive/host_run.h"
#include "os/file.h"

#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * OpenSSH's client, one process a job over a shared connection (ControlMaster), so that a job costs
 * a few milliseconds once the host is connected. The name of the connection's socket is ours, a
 * hash of the target: after a job without an answer it is removed, since the connection may be to a
 * machine that is no more, and the next job opens a new one. What is left of the old one ends
 * itself (ServerAliveInterval, ControlPersist).
 */
enum {
    CONNECT_S_MAX = 10,
    ARGUMENTS_MAX = 48,
    TARGET_BYTES_MAX = 255,
    /* ssh binds "PATH.<16 letters>" and renames it. */
    SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 18,
};

struct host {
    struct host_run run;
    const char *ssh_config; /* NULL: ssh's own. */
    const char *target;     /* [user@]host */
    const char *port;       /* NULL: ssh's own. */
    const char *socket;     /* NULL: no shared connection. */
    host_done *on_done;     /* Of the job under way. */
    void *context;
    bool reboot;
};

static bool name_ok(struct slice name, const char *marks)
{
    if (name.size == 0 || name.size > TARGET_BYTES_MAX || name.data[0] == '-')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        const char byte = name.data[i];
        const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                           (byte >= '0' && byte <= '9');
        if (!plain && (byte == '\0' || strchr(marks, byte) == NULL))
            return false;
    }
    return true;
}

/* "[user@]host[:port]", the host also "[::1]". Two colons without brackets are IPv6, no port. */
static bool split_target(struct slice text, struct slice *user, struct slice *host,
                         struct slice *port)
{
    const char *at = memchr(text.data, '@', text.size);
    *user = SLICE("");
    *port = SLICE("");
    if (at != NULL) {
        *user = (struct slice){.data = text.data, .size = (size_t)(at - text.data)};
        text = (struct slice){.data = at + 1, .size = text.size - user->size - 1};
        if (!name_ok(*user, "._-"))
            return false;
    }
    const bool bracket = text.size > 0 && text.data[0] == '[';
    const char *close = bracket ? memchr(text.data, ']', text.size) : NULL;
    if (bracket && close == NULL)
        return false;
    const char *colon = NULL;
    if (bracket)
        colon = close + 1 < text.data + text.size ? close + 1 : NULL;
    else if (memchr(text.data, ':', text.size) == memrchr(text.data, ':', text.size))
        colon = memchr(text.data, ':', text.size);
    const char *end = colon != NULL ? colon : text.data + text.size;
    if (colon != NULL) {
        *port =
            (struct slice){.data = colon + 1, .size = (size_t)(text.data + text.size - colon) - 1};
        uint64_t number = 0;
        if (*colon != ':' || !slice_to_u64(*port, &number) || number == 0 || number > 65535)
            return false;
    }
    *host = bracket ? (struct slice){.data = text.data + 1, .size = (size_t)(close - text.data) - 1}
                    : (struct slice){.data = text.data, .size = (size_t)(end - text.data)};
    return name_ok(*host, "._:%-");
}

/* FNV-1a: a short name for the target's socket; the same target in two tiers shares a connection.
 */
static uint64_t name_sum(const char *text)
{
    uint64_t sum = 0xcbf29ce484222325U;
    for (const char *byte = text; *byte != '\0'; byte++)
        sum = (sum ^ (unsigned char)*byte) * 0x100000001b3U;
    return sum;
}

static bool open_target(struct host *ssh, struct arena *arena, const struct config *config,
                        const struct config_host *host, struct error *error)
{
    struct slice user;
    struct slice name;
    struct slice port;
    if (host->ssh == NULL)
        return error_set(error, ERROR_USAGE, "driver ssh needs `ssh: [user@]host[:port]`");
    if (!split_target(slice_of(host->ssh), &user, &name, &port))
        return error_set(error, ERROR_USAGE, "'%s' is not [user@]host[:port]", host->ssh);
    ssh->ssh_config = config->ssh_config;
    ssh->target = arena_format(arena, "%.*s%s%.*s", (int)user.size, user.data,
                               user.size > 0 ? "@" : "", (int)name.size, name.data);
    ssh->port = port.size > 0 ? arena_text(arena, port) : NULL;
    ssh->socket = arena_format(arena, "%s/ssh-%016llx", config->admin,
                               (unsigned long long)name_sum(host->ssh));
    if (ssh->target == NULL || ssh->socket == NULL || (port.size > 0 && ssh->port == NULL))
        return error_set(error, ERROR_LIMIT, "out of memory");
    if (strlen(ssh->socket) > SOCKET_PATH_MAX || strpbrk(ssh->socket, "%\"\\") != NULL)
        ssh->socket = NULL; /* It works without, only slower. */
    return ssh->socket == NULL || file_make_folder(config->admin, 0700, error);
}

static struct host *ssh_open(struct arena *arena, struct loop *loop, const struct config *config,
                             const struct config_tier *tier, const struct config_host *host,
                             struct error *error)
{
    ASSERT(host->driver == CONFIG_DRIVER_SSH);
    struct host *ssh = arena_allocate(arena, sizeof *ssh);
    const bool ready = ssh == NULL ? error_set(error, ERROR_LIMIT, "out of memory")
                                   : open_target(ssh, arena, config, host, error);
    if (!ready) {
        error_add(error, "%s:%u:%u: host '%s' of tier '%s'", config->file, host->place.line,
                  host->place.column, host->name, tier->name);
        return NULL;
    }
    host_run_init(&ssh->run, loop);
    return ssh;
}

static void drop_connection(const struct host *ssh)
{
    if (ssh->socket != NULL)
        (void)unlink(ssh->socket);
}

static void on_run_done(void *context, const struct host_result *result)
{
    struct host *ssh = context;
    if (result->outcome == HOST_UNREACHABLE || (ssh->reboot && result->outcome == HOST_OK))
        drop_connection(ssh);
    ssh->on_done(ssh->context, result);
}

/* Fills `argv`; `options` holds the words made here. */
static void compose(const struct host *ssh, uint32_t timeout_ms, const char **argv, char *options,
                    size_t size)
{
    static const char *const fixed[] = {
        "ssh", "-T",
        "-x",  "-a",
        "-e",  "none",
        "-o",  "BatchMode=yes",
        "-o",  "StrictHostKeyChecking=yes",
        "-o",  "LogLevel=ERROR",
        "-o",  "PermitLocalCommand=no",
        "-o",  "RequestTTY=no",
        "-o",  "ClearAllForwardings=yes",
        "-o",  "ServerAliveInterval=5",
        "-o",  "ServerAliveCountMax=3",
    };
    const uint32_t timeout_s = timeout_ms / 1000 + 1;
    const uint32_t connect_s = timeout_s < CONNECT_S_MAX ? timeout_s : CONNECT_S_MAX;
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        argv[count++] = fixed[i];
    argv[count++] = "-o";
    argv[count++] = options;
    const int used = snprintf(options, size, "ConnectTimeout=%u", connect_s) + 1;
    argv[count++] = "-o";
    if (ssh->socket != NULL) {
        argv[count++] = "ControlMaster=auto";
        argv[count++] = "-o";
        argv[count++] = "ControlPersist=60";
        argv[count++] = "-o";
        argv[count++] = options + used;
        (void)snprintf(options + used, size - (size_t)used, "ControlPath=\"%s\"", ssh->socket);
    } else {
        argv[count++] = "ControlPath=none";
    }
    if (ssh->ssh_config != NULL) {
        argv[count++] = "-F";
        argv[count++] = ssh->ssh_config;
    }
    if (ssh->port != NULL) {
        argv[count++] = "-p";
        argv[count++] = ssh->port;
    }
    argv[count++] = "--";
    argv[count++] = ssh->target;
    argv[count++] = HOST_RUN_COMMAND;
    argv[count] = NULL;
    ASSERT(count < ARGUMENTS_MAX);
}

static void ssh_start(struct host *ssh, const struct host_job *job, host_done *on_done,
                      void *context)
{
    const char *argv[ARGUMENTS_MAX];
    char options[256];
    compose(ssh, job->timeout_ms, argv, options, sizeof options);
    ssh->on_done = on_done;
    ssh->context = context;
    ssh->reboot = job->verb == HOST_REBOOT;
    host_run_start(&ssh->run, argv, job, on_run_done, ssh);
}

static void ssh_cancel(struct host *ssh)
{
    host_run_cancel(&ssh->run);
}

static void ssh_close(struct host *ssh)
{
    if (ssh != NULL)
        host_run_cancel(&ssh->run);
}

const struct host_driver host_ssh = {
    .name = "ssh",
    .open = ssh_open,
    .start = ssh_start,
    .cancel = ssh_cancel,
    .close = ssh_close,
};
