/*
 * connection: one socket to a client or to a host, and the bytes that could not move on at once.
 *
 * A connection stands in epoll from its first to its last day and is never modified there: its
 * flags say what is known of the socket. It is written at once; only what the kernel does not take
 * is copied to `output`, and EPOLLOUT is waited for. It is read into the thread's one buffer (the
 * view, see struct view); only an incomplete head, or bytes whose turn has not come, are copied to
 * `input`. So an idle connection owns no memory beyond this struct.
 *
 * Closed connections stay in memory until the batch of events ends (state CONNECTION_CLOSED), so
 * that whoever is on the call stack may still look at their state.
 *
 * All reads and writes of sockets are in connection.c: another transport goes in there.
 */
#pragma once

#include "base/list.h"
#include "os/loop.h"
#include "proxy/body.h"
#include "proxy/timeouts.h"

#include <stdbool.h>
#include <stdint.h>

struct request;
struct worker;

enum connection_state {
    CONNECTION_CLOSED = 0,
    CLIENT_IDLE,   /* Between requests. */
    CLIENT_HEAD,   /* Part of a head has come. */
    CLIENT_BUSY,   /* With a request. */
    CLIENT_FLUSH,  /* The request is over, its last bytes wait in `output`. */
    CLIENT_LINGER, /* Answered and shut; what it still sends is dropped, so that no reset overtakes
                      the answer (RFC 9112 9.6). */
    CLIENT_TUNNEL,
    UPSTREAM_CONNECTING,
    UPSTREAM_IDLE, /* In the pool. */
    UPSTREAM_BUSY, /* With a request. */
    UPSTREAM_TUNNEL,
};

enum {
    CONNECTION_READABLE = 1U << 0,     /* There may be bytes, or the end. */
    CONNECTION_PEER_CLOSED = 1U << 1,  /* The peer sends no more; the end has not been read yet. */
    CONNECTION_BROKEN = 1U << 2,       /* A write failed or epoll reported an error. */
    CONNECTION_SHUT = 1U << 3,         /* We send no more. */
    CONNECTION_ENDED = 1U << 4,        /* The end of the peer's bytes was read. */
    CONNECTION_CLOSE_AFTER = 1U << 5,  /* Close once `output` is gone. */
    CONNECTION_PARTIAL = 1U << 6,      /* `input` begins with a head that was seen to be short. */
    CONNECTION_POOLED = 1U << 7,       /* Upstream: it has carried a request before. */
    CONNECTION_RESUMING = 1U << 8,     /* Listed to go on after this batch. */
    CONNECTION_STOP_SENDING = 1U << 9, /* Upstream: it takes no more of the request. */
};

enum {
    CONNECTION_INPUT_BYTES_MAX = 64 * 1024, /* One read of the thread's buffer. */
    CONNECTION_LINGER_MS = 2000,
    CONNECTION_ADDRESS_MAX = 46, /* INET6_ADDRSTRLEN */
    CONNECTION_TURNS_MAX = 8,    /* Reads or requests before others get their turn. */
};

/* Bytes kept for later, in memory of their own. */
struct kept {
    char *data; /* NULL: none. */
    uint32_t at;
    uint32_t size; /* Bytes from data + at on. */
};

struct connection {
    struct loop_watch watch;
    struct worker *worker;
    struct request *request; /* NULL when idle. */
    uint64_t since_ns;       /* When this state began; of a flush, its last progress. */
    struct timeout timeout;
    struct list link; /* Pool, resume list or list of the dead. */
    struct kept input;
    struct kept output;
    struct body body; /* What this peer is sending. */
    uint32_t scanned; /* Of an incomplete head, see h1.h. */
    uint32_t target;  /* Upstream: whose. */
    uint16_t flags;
    uint16_t tier;     /* Client: of its last request. */
    uint16_t listener; /* Client: where it came in. */
    uint8_t state;
    uint8_t address_size;
    char address[CONNECTION_ADDRESS_MAX]; /* Client: without port, for X-Forwarded-For. */
};

_Static_assert(sizeof(struct connection) <= 256, "a connection fits four cache lines");

/*
 * The thread's read buffer. At most one connection owns the bytes in it; they count as that
 * connection's input. Whoever needs the buffer for another connection makes the owner keep its
 * bytes first (connection_fill() does).
 */
enum { VIEW_HEADROOM = 4096, VIEW_BYTES = 64 * 1024 };

struct view {
    struct connection *owner;
    char *data;
    size_t size;
    char *buffer; /* VIEW_HEADROOM + VIEW_BYTES */
};

/*
 * Takes the socket over and puts it into the loop. NULL: memory, or epoll refuses; the fd is then
 * still the caller's.
 */
struct connection *connection_open(struct worker *, int fd, enum connection_state,
                                   void (*on_event)(struct loop_watch *, uint32_t));
/* Frees all it owns; the struct itself when the batch ends. Its request is dealt with before. */
void connection_close(struct connection *);
/* The same, and the peer sees a reset: it must not take what it got for whole. */
void connection_reset(struct connection *);

/* A new state begins now, and with it its deadline. */
void connection_enter(struct connection *, enum connection_state);
/* Takes over what epoll reports. */
void connection_note(struct connection *, uint32_t events);

enum input {
    INPUT_BYTES, /* The view is this connection's and not empty. */
    INPUT_NONE,  /* Nothing now. */
    INPUT_END,   /* The peer will send no more. */
    INPUT_ERROR, /* Reset, or memory is out. */
};

/* Makes kept or new bytes the view's; with `more`, new ones must be among them. */
enum input connection_fill(struct connection *, bool more);
/* Bytes that are already here (or an end that was not read yet): filling makes sense. */
bool connection_has_input(const struct connection *);
/* The first `size` bytes of the view are dealt with. */
void connection_consume(struct connection *, size_t size);
/* Copies what is left in the view to its owner's `input` and frees the view. False: no memory. */
bool connection_keep(struct view *);

/*
 * Sends, or keeps what the kernel does not take. False: the peer is gone (the flag BROKEN is set).
 * `head` may be empty. `*started` (may be NULL): at least one byte may have reached the peer.
 */
bool connection_send(struct connection *, const char *data, size_t size);
bool connection_send_two(struct connection *, struct slice head, struct slice body, bool *started);
/* Sends kept output. False: the peer is gone. */
bool connection_flush(struct connection *);

static inline bool connection_blocked(const struct connection *connection)
{
    return connection->output.size != 0;
}

/* No more bytes from us; after what is kept. */
void connection_shut(struct connection *);

/* Goes on after this batch, though nothing will be reported: others had to get their turn. */
void connection_resume_later(struct connection *);

/* For a pooled connection: is it still open, with nothing to read? One system call. */
bool connection_is_quiet(const struct connection *);
