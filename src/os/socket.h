/*
 * socket: addresses, listening and connecting, the same for TCP and Unix sockets. Everything it
 * opens is non-blocking and close-on-exec.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SOCKET_TEXT_MAX = 128 };

struct socket_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/*
 * From a host (IPv4 or IPv6 literal, or a name looked up once, blocking: at start only) and a port.
 */
bool socket_resolve(const char *host, uint16_t port, struct socket_address *, struct error *);
/* Literals only: never blocks. */
bool socket_parse(const char *host, uint16_t port, struct socket_address *);
/* "10.0.0.1:80", "[::1]:80" or the path. */
void socket_format(const struct socket_address *, char *out, size_t size);
/* The address alone, without port: "10.0.0.1", "::1". */
void socket_format_host(const struct socket_address *, char *out, size_t size);

/*
 * False with the reason when somebody listens there. To be asked before listening with
 * `reuse_port`: Linux lets any process of the same user join such sockets, and would deal out
 * connections between two programs that do not know of each other.
 */
bool socket_is_free(const struct socket_address *, struct error *);
/* With SO_REUSEADDR; `reuse_port` for one socket a thread. Returns the fd or -1. */
int socket_listen(const struct socket_address *, bool reuse_port, int backlog, struct error *);
/* A Unix socket with this mode; a stale file nobody listens on is replaced. Returns the fd or -1.
 */
int socket_listen_unix(const char *path, uint32_t mode, struct error *);
/* Starts to connect; TCP_NODELAY is set. Returns the fd or -1. EINPROGRESS is no error. */
int socket_connect(const struct socket_address *, struct error *);
int socket_connect_unix(const char *path, struct error *);
/* SO_ERROR of a socket: 0 or an errno value. */
int socket_error(int fd);
