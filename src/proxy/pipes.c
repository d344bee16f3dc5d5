#include "proxy/pipes.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void close_pipe(struct pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    *pipe = (struct pipe){0};
}

bool pipes_take(struct pipes *pipes, struct pipe *pipe)
{
    ASSERT(!pipe->open);
    if (pipes->count > 0) {
        *pipe = pipes->kept[--pipes->count];
        return true;
    }
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPES_BYTES); /* Smaller ones work as well. */
    *pipe = (struct pipe){.read_fd = fds[0], .write_fd = fds[1], .open = true};
    return true;
}

void pipes_give(struct pipes *pipes, struct pipe *pipe)
{
    if (!pipe->open)
        return;
    if (pipe->held != 0 || pipes->count == PIPES_KEPT_MAX) {
        close_pipe(pipe);
        return;
    }
    pipes->kept[pipes->count++] = *pipe;
    *pipe = (struct pipe){0};
}

void pipes_done(struct pipes *pipes)
{
    while (pipes->count > 0)
        close_pipe(&pipes->kept[--pipes->count]);
}

static enum pipe_result result_of(ssize_t moved)
{
    if (moved > 0)
        return PIPE_MOVED;
    if (moved == 0)
        return PIPE_END;
    return errno == EAGAIN || errno == EINTR ? PIPE_WAIT : PIPE_ERROR;
}

enum pipe_result pipe_pull(struct pipe *pipe, int fd, uint64_t size)
{
    ASSERT(pipe->open && pipe->held == 0 && size > 0);
    const size_t most = size < PIPES_BYTES ? (size_t)size : PIPES_BYTES;
    const ssize_t moved =
        splice(fd, NULL, pipe->write_fd, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (moved > 0)
        pipe->held = (uint32_t)moved;
    return result_of(moved);
}

enum pipe_result pipe_push(struct pipe *pipe, int fd, bool more)
{
    ASSERT(pipe->open && pipe->held > 0);
    const unsigned int flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0);
    const ssize_t moved = splice(pipe->read_fd, NULL, fd, NULL, pipe->held, flags);
    if (moved > 0)
        pipe->held -= (uint32_t)moved;
    return result_of(moved);
}
