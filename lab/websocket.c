#include "websocket.h"

#include "base/check.h"
#include "sha1.h"

#include <string.h>

enum { SIZE_16_BITS = 126, SMALL_MAX = 125 };

static void base64(const unsigned char *data, size_t size, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned bits = (unsigned)data[i] << 16;
        bits |= i + 1 < size ? (unsigned)data[i + 1] << 8 : 0;
        bits |= i + 2 < size ? data[i + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    *out = '\0';
}

void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
    static const char salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    struct sha1 sha1;
    unsigned char digest[SHA1_SIZE];
    sha1_init(&sha1);
    sha1_feed(&sha1, key, strlen(key));
    sha1_feed(&sha1, salt, sizeof salt - 1);
    sha1_finish(&sha1, digest);
    base64(digest, sizeof digest, accept);
}

size_t websocket_write(unsigned char out[WEBSOCKET_FRAME_MAX], unsigned opcode, const void *payload,
                       size_t size, const unsigned char *mask)
{
    ASSERT(size <= WEBSOCKET_PAYLOAD_MAX);
    const unsigned char *bytes = payload;
    unsigned char mask_bit = mask ? 0x80 : 0;
    size_t at = 0;
    out[at++] = (unsigned char)(0x80 | opcode);
    if (size <= SMALL_MAX) {
        out[at++] = (unsigned char)(mask_bit | size);
    } else {
        out[at++] = mask_bit | SIZE_16_BITS;
        out[at++] = (unsigned char)(size >> 8);
        out[at++] = (unsigned char)size;
    }
    for (size_t i = 0; mask && i < 4; i++)
        out[at++] = mask[i];
    for (size_t i = 0; i < size; i++)
        out[at++] = mask ? (unsigned char)(bytes[i] ^ mask[i % 4]) : bytes[i];
    return at;
}

int websocket_read(unsigned char *data, size_t size, struct websocket_frame *frame)
{
    if (size < 2)
        return 0;
    bool final = data[0] & 0x80, reserved = data[0] & 0x70;
    frame->opcode = data[0] & 15;
    frame->masked = data[1] & 0x80;
    frame->size = data[1] & 0x7f;
    size_t at = 2;
    if (frame->size == SIZE_16_BITS) {
        if (size < 4)
            return 0;
        frame->size = (size_t)data[2] << 8 | data[3];
        at = 4;
    }
    if (!final || reserved || frame->opcode == 0 || frame->size > WEBSOCKET_PAYLOAD_MAX)
        return -1;
    size_t mask_at = at;
    at += frame->masked ? 4 : 0;
    if (size < at + frame->size)
        return 0;
    frame->payload = data + at;
    frame->frame_size = at + frame->size;
    for (size_t i = 0; frame->masked && i < frame->size; i++)
        frame->payload[i] ^= data[mask_at + i % 4];
    return 1;
}
