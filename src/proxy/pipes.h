/*
 * pipes: for bodies that go from one socket to another without passing through our memory.
 *
 * A long body of known length is spliced: its pages go from the host's socket into a pipe and from
 * there into the client's (splice(2)). A pipe costs two descriptors and four system calls to make,
 * so a worker keeps those that are empty again for the next body, at most PIPES_KEPT_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PIPES_KEPT_MAX = 64,
    PIPES_BYTES = 256 * 1024,   /* Asked for; the kernel may give less. */
    PIPES_BODY_MIN = 64 * 1024, /* Shorter rests are copied. */
};

/* Bytes on their way from one socket to another. */
struct pipe {
    int read_fd;
    int write_fd;
    uint32_t held; /* Bytes in it. */
    bool open;
};

struct pipes {
    struct pipe kept[PIPES_KEPT_MAX];
    uint32_t count;
};

/* False: no descriptors left; the body is copied instead. */
bool pipes_take(struct pipes *, struct pipe *);
/* An empty one is kept, one with bytes in it closed. Nothing when it is not open. */
void pipes_give(struct pipes *, struct pipe *);
void pipes_done(struct pipes *);

enum pipe_result {
    PIPE_MOVED, /* At least one byte. */
    PIPE_WAIT,
    PIPE_END, /* The source has ended. */
    PIPE_ERROR,
};
/* From a socket into the pipe, at most `size` bytes. The pipe is empty. */
enum pipe_result pipe_pull(struct pipe *, int fd, uint64_t size);
/* From the pipe into a socket; `more`: the kernel may wait for more before it sends a short
 * segment. */
enum pipe_result pipe_push(struct pipe *, int fd, bool more);
