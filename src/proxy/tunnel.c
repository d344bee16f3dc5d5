#include "proxy/tunnel.h"

#include "base/check.h"
#include "base/random.h"
#include "proxy/client.h"
#include "proxy/connection.h"
#include "proxy/worker_state.h"

#include <string.h>

/* --- WebSocket frames (RFC 6455 5.2) --- */

enum {
    FRAME_OPCODE = 0x0f,
    FRAME_OPCODE_CLOSE = 0x8,
    FRAME_MASKED = 0x80,
    FRAME_LENGTH = 0x7f,
    FRAME_LENGTH_16 = 126,
    FRAME_LENGTH_64 = 127,
    FRAME_MASK_BYTES = 4,
};

static uint8_t header_need(const uint8_t *header)
{
    const uint8_t length = header[1] & FRAME_LENGTH;
    uint8_t need = 2;
    if (length == FRAME_LENGTH_16)
        need = 4;
    else if (length == FRAME_LENGTH_64)
        need = 10;
    return (header[1] & FRAME_MASKED) ? (uint8_t)(need + FRAME_MASK_BYTES) : need;
}

static uint64_t payload_size(const uint8_t *header)
{
    const uint8_t length = header[1] & FRAME_LENGTH;
    const uint8_t digits = length == FRAME_LENGTH_64 ? 8 : 2;
    if (length < FRAME_LENGTH_16)
        return length;
    uint64_t size = 0;
    for (uint8_t i = 0; i < digits; i++)
        size = size << 8 | header[2 + i];
    return size;
}

void tunnel_frames_follow(struct tunnel_frames *frames, const unsigned char *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        if (frames->left != 0) {
            const size_t skip = frames->left < size - at ? (size_t)frames->left : size - at;
            frames->left -= skip;
            at += skip;
            continue;
        }
        if (frames->header_size < sizeof frames->header)
            frames->header[frames->header_size] = data[at];
        frames->header_size++;
        at++;
        if (frames->header_size < 2)
            continue;
        frames->header_need = header_need(frames->header);
        if (frames->header_size < frames->header_need)
            continue;
        frames->left = payload_size(frames->header);
        if ((frames->header[0] & FRAME_OPCODE) == FRAME_OPCODE_CLOSE)
            frames->close_sent = true;
        frames->header_size = 0;
    }
}

bool tunnel_frames_whole(const struct tunnel_frames *frames)
{
    return frames->left == 0 && frames->header_size == 0;
}

/* Close, 1001 "going away"; from us to a host it is masked, as a client's must be. */
static bool send_close(struct connection *c, bool masked)
{
    const unsigned char code[2] = {0x03, 0xe9};
    unsigned char frame[8] = {0x88, 0x02, code[0], code[1]};
    size_t size = 4;
    if (masked) {
        struct random random;
        random_init(&random, c->worker->now_ns ^ (uint64_t)(uintptr_t)c);
        const uint64_t mask = random_u64(&random);
        frame[1] = FRAME_MASKED | 0x02;
        memcpy(frame + 2, &mask, FRAME_MASK_BYTES);
        frame[6] = code[0] ^ frame[2];
        frame[7] = code[1] ^ frame[3];
        size = 8;
    }
    return connection_send(c, (const char *)frame, size);
}

/* --- Relaying --- */

void tunnel_begin(struct request *r, bool websocket)
{
    struct worker *worker = r->client->worker;
    ASSERT(r->upstream != NULL && r->client->body.mode == BODY_DONE);
    memset(&r->tunnel, 0, sizeof r->tunnel);
    r->tunnel.websocket = websocket;
    r->flags |= REQUEST_TUNNEL | REQUEST_CLOSE;
    body_begin_raw(&r->client->body);
    body_begin_raw(&r->upstream->body);
    r->active_ns = worker->now_ns;
    counter_add(&worker->counters->tunnels_open, 1);
    connection_enter(r->client, CLIENT_TUNNEL);
    connection_enter(r->upstream, UPSTREAM_TUNNEL);
}

enum flow { FLOW_OPEN, FLOW_ENDED, FLOW_SOURCE_GONE, FLOW_SINK_GONE };

/* Asked to end: says so as soon as a frame is whole, then sends no more this way. */
static void end_way(struct request *r, struct connection *sink, struct tunnel_frames *frames)
{
    if ((sink->flags & CONNECTION_SHUT) != 0)
        return;
    if (r->tunnel.websocket) {
        if (!tunnel_frames_whole(frames))
            return;
        if (!frames->close_sent)
            (void)send_close(sink, sink->state == UPSTREAM_TUNNEL);
        frames->close_sent = true;
    }
    if ((sink->flags & CONNECTION_BROKEN) == 0)
        connection_shut(sink);
}

/* One way. Once it was ended by a close frame of ours, what still comes is dropped. */
static enum flow relay_way(struct request *r, struct connection *source, struct connection *sink,
                           struct tunnel_frames *frames)
{
    struct view *view = &source->worker->view;
    for (int turn = 0; !connection_blocked(sink); turn++) {
        if (turn == CONNECTION_TURNS_MAX) {
            connection_resume_later(source);
            return FLOW_OPEN;
        }
        switch (connection_fill(source, false)) {
        case INPUT_BYTES: break;
        case INPUT_NONE: return FLOW_OPEN;
        case INPUT_END: connection_shut(sink); return FLOW_ENDED;
        case INPUT_ERROR: return FLOW_SOURCE_GONE;
        }
        const size_t size = view->size;
        if ((sink->flags & CONNECTION_SHUT) == 0) {
            if (r->tunnel.websocket)
                tunnel_frames_follow(frames, (const unsigned char *)view->data, size);
            if (!connection_send(sink, view->data, size))
                return FLOW_SINK_GONE;
            *(source->state == CLIENT_TUNNEL ? &r->bytes_in : &r->bytes_out) += size;
            r->active_ns = source->worker->now_ns;
        }
        connection_consume(source, size);
        if (r->tunnel.closing)
            end_way(r, sink, frames);
    }
    return FLOW_OPEN;
}

static bool gone(enum flow flow)
{
    return flow == FLOW_SOURCE_GONE || flow == FLOW_SINK_GONE;
}

enum tunnel_state tunnel_relay(struct request *r)
{
    struct connection *client = r->client;
    struct connection *host = r->upstream;
    const enum flow down = relay_way(r, host, client, &r->tunnel.down);
    const enum flow up = gone(down) ? FLOW_OPEN : relay_way(r, client, host, &r->tunnel.up);
    if (gone(down) || gone(up)) {
        if (r->tunnel.closing) /* It was told to go, and went without ceremony. */
            return TUNNEL_OVER;
        const bool host_gone = down == FLOW_SOURCE_GONE || up == FLOW_SINK_GONE;
        return host_gone ? TUNNEL_HOST_GONE : TUNNEL_CLIENT_GONE;
    }
    if (down == FLOW_ENDED && up == FLOW_ENDED && !connection_blocked(client) &&
        !connection_blocked(host))
        return TUNNEL_OVER;
    return TUNNEL_OPEN;
}

void tunnel_close(struct request *r)
{
    ASSERT((r->flags & REQUEST_TUNNEL) != 0);
    if (r->tunnel.closing)
        return;
    r->tunnel.closing = true;
    connection_enter(r->upstream, UPSTREAM_TUNNEL); /* TUNNEL_CLOSE_MS from now. */
    end_way(r, r->client, &r->tunnel.down);
    end_way(r, r->upstream, &r->tunnel.up);
}
