#include "os/socket.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool socket_parse(const char *host, uint16_t port, struct socket_address *address)
{
    memset(address, 0, sizeof *address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address->size = sizeof *v4;
        return true;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address->size = sizeof *v6;
        return true;
    }
    return false;
}

bool socket_resolve(const char *host, uint16_t port, struct socket_address *address,
                    struct error *error)
{
    if (socket_parse(host, port, address))
        return true;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int result = getaddrinfo(host, NULL, &hints, &found);
    if (result != 0)
        return error_set(error, ERROR_UNREACHABLE, "cannot resolve '%s': %s", host,
                         gai_strerror(result));
    ASSERT(found != NULL && found->ai_addrlen <= sizeof address->storage);
    memset(address, 0, sizeof *address);
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    if (address->storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&address->storage)->sin_port = htons(port);
    return true;
}

void socket_format_host(const struct socket_address *address, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "";
    switch (address->storage.ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&address->storage)->sin_addr, text,
                  sizeof text);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&address->storage)->sin6_addr, text,
                  sizeof text);
        break;
    default: (void)snprintf(text, sizeof text, "unix"); break;
    }
    (void)snprintf(out, size, "%s", text);
}

void socket_format(const struct socket_address *address, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    socket_format_host(address, host, sizeof host);
    switch (address->storage.ss_family) {
    case AF_INET:
        (void)snprintf(out, size, "%s:%u", host,
                       ntohs(((const struct sockaddr_in *)&address->storage)->sin_port));
        break;
    case AF_INET6:
        (void)snprintf(out, size, "[%s]:%u", host,
                       ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port));
        break;
    default:
        (void)snprintf(out, size, "%s", ((const struct sockaddr_un *)&address->storage)->sun_path);
        break;
    }
}

/* Closes `fd`, keeps errno for the message. */
static int fail(int fd, struct error *error, const char *what, const char *where)
{
    const int cause = errno;
    if (fd >= 0)
        close(fd);
    error_set_errno(error, cause, "cannot %s %s", what, where);
    return -1;
}

static int open_stream(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A socket bound there; -1 with errno. */
static int bind_stream(const struct socket_address *address, bool reuse_port)
{
    const int on = 1;
    const int fd = open_stream(address->storage.ss_family);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        (address->storage.ss_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, (const struct sockaddr *)&address->storage, address->size) == 0)
        return fd;
    const int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

bool socket_is_free(const struct socket_address *address, struct error *error)
{
    char where[SOCKET_TEXT_MAX];
    socket_format(address, where, sizeof where);
    const int fd = bind_stream(address, false);
    if (fd >= 0)
        close(fd);
    else
        (void)fail(fd, error, "listen on", where);
    return fd >= 0;
}

int socket_listen(const struct socket_address *address, bool reuse_port, int backlog,
                  struct error *error)
{
    char where[SOCKET_TEXT_MAX];
    socket_format(address, where, sizeof where);
    const int fd = bind_stream(address, reuse_port);
    if (fd < 0 || listen(fd, backlog) != 0)
        return fail(fd, error, "listen on", where);
    return fd;
}

static bool unix_address(const char *path, struct sockaddr_un *address, struct error *error)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path)
        return error_set(error, ERROR_USAGE, "socket path '%s' is longer than %zu bytes", path,
                         sizeof address->sun_path - 1);
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

/* A socket file whose owner is gone refuses connections. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    const int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    const bool stale = result != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

int socket_listen_unix(const char *path, uint32_t mode, struct error *error)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address, error))
        return -1;
    const int fd = open_stream(AF_UNIX);
    if (fd < 0)
        return fail(fd, error, "listen on", path);
    if (is_stale(&address))
        (void)unlink(path);
    /* fchmod before bind: the file never exists with a wider mode. */
    if (fchmod(fd, (mode_t)mode) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, (mode_t)mode) != 0 || listen(fd, 128) != 0)
        return fail(fd, error, "listen on", path);
    return fd;
}

int socket_connect(const struct socket_address *address, struct error *error)
{
    char where[SOCKET_TEXT_MAX];
    const int on = 1;
    const int fd = open_stream(address->storage.ss_family);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0 &&
         errno != EINPROGRESS)) {
        const int cause = errno;
        socket_format(address, where, sizeof where);
        errno = cause;
        return fail(fd, error, "connect to", where);
    }
    return fd;
}

int socket_connect_unix(const char *path, struct error *error)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address, error))
        return -1;
    const int fd = open_stream(AF_UNIX);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return fail(fd, error, "connect to", path);
    return fd;
}

int socket_error(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) != 0)
        return errno;
    return value;
}
