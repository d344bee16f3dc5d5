#include "proxy/listener.h"

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/worker_state.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void count_shed(struct worker *worker)
{
    counter_add(&worker->counters->connections_shed, 1);
}

/*
 * Out of descriptors: the spare one lets us take the client off the queue and close it, instead of
 * being told of it for ever.
 */
static bool shed_for_descriptors(struct worker *worker, int listen_fd)
{
    if (worker->reserve_fd >= 0) {
        close(worker->reserve_fd);
        worker->reserve_fd = -1;
    }
    const int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        count_shed(worker);
    }
    worker->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

/* False: nobody waits. */
static bool take_client(struct listener *listener)
{
    struct worker *worker = listener->worker;
    struct socket_address address;
    address.size = sizeof address.storage;
    const int fd = accept4(listener->watch.fd, (struct sockaddr *)&address.storage, &address.size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return shed_for_descriptors(worker, listener->watch.fd);
        /* Errors of the network belong to that client alone (accept(2)). */
        return errno != EAGAIN;
    }
    const uint32_t before =
        atomic_fetch_add_explicit(worker->connections_total, 1, memory_order_relaxed);
    if (before >= worker->config->limits.connections || !client_open(listener, fd, &address)) {
        atomic_fetch_sub_explicit(worker->connections_total, 1, memory_order_relaxed);
        close(fd);
        count_shed(worker);
    }
    return true;
}

static void on_event(struct loop_watch *watch, uint32_t events)
{
    struct listener *listener = CONTAINER_OF(watch, struct listener, watch);
    ASSERT(events != 0);
    listener->worker->now_ns = loop_now_ns(listener->worker->loop);
    (void)take_client(listener);
}

bool listener_open(struct listener *listener, struct worker *worker, uint16_t index, int fd,
                   struct error *error)
{
    ASSERT(fd >= 0);
    const int on = 1;
    listener->watch.on_event = on_event;
    listener->watch.fd = fd;
    listener->worker = worker;
    listener->config = &worker->config->listeners[index];
    listener->index = index;
    /* What it accepts inherits this: an answer's last short segment does not wait for an ack. Not
     * on a Unix socket, where it does not exist. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return loop_watch_add_level(worker->loop, &listener->watch, error);
}

void listener_drain(struct listener *listener)
{
    for (uint32_t i = 0; i < listener->worker->config->limits.connections; i++) {
        if (!take_client(listener))
            return;
    }
}

void listener_close(struct listener *listener)
{
    if (listener->watch.fd < 0)
        return;
    const int fd = listener->watch.fd;
    loop_watch_remove(listener->worker->loop, &listener->watch);
    close(fd);
}

/* Without the port; the brackets of IPv6 stay. */
static struct slice host_name(struct slice host)
{
    for (size_t i = host.size; i > 0; i--) {
        const char byte = host.data[i - 1];
        if (byte == ':')
            return (struct slice){host.data, i - 1};
        if (byte < '0' || byte > '9')
            break;
    }
    return host;
}

uint16_t listener_route(const struct listener *listener, struct slice host, struct slice path)
{
    const struct config_listener *config = listener->config;
    const struct slice name = host_name(host);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (route->host != NULL && !slice_equal_nocase(name, slice_of(route->host)))
            continue;
        if (route->path != NULL && !slice_starts_with(path, route->path))
            continue;
        return (uint16_t)route->tier;
    }
    return LISTENER_NO_TIER;
}

uint16_t listener_default_tier(const struct listener *listener)
{
    const struct config_listener *config = listener->config;
    ASSERT(config->route_count > 0);
    return (uint16_t)config->routes[config->route_count - 1].tier;
}
