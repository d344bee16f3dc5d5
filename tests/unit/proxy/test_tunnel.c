#include "proxy/tunnel.h"

#include "unit.h"

#include <string.h>

/* One frame (RFC 6455 5.2) at `out`; returns its size. */
static size_t frame(unsigned char *out, int opcode, int masked, size_t payload)
{
    size_t at = 0;
    const unsigned char mask_bit = masked ? 0x80 : 0;
    out[at++] = (unsigned char)(0x80 | opcode);
    if (payload < 126) {
        out[at++] = (unsigned char)(mask_bit | payload);
    } else if (payload < 65536) {
        out[at++] = mask_bit | 126;
        out[at++] = (unsigned char)(payload >> 8);
        out[at++] = (unsigned char)payload;
    } else {
        out[at++] = mask_bit | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[at++] = (unsigned char)((uint64_t)payload >> shift);
    }
    if (masked) {
        memset(out + at, 0x5a, 4);
        at += 4;
    }
    memset(out + at, 0x88, payload); /* Looks like a close, if one loses the count. */
    return at + payload;
}

static const size_t sizes[] = {0, 1, 125, 126, 127, 255, 256, 65535, 65536, 70000};

START_TEST(test_whole_at_the_end_of_each_frame_only)
{
    static unsigned char data[80000];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int masked = 0; masked < 2; masked++) {
            struct tunnel_frames frames = {0};
            const size_t size = frame(data, 2, masked, sizes[i]);
            ck_assert(tunnel_frames_whole(&frames));
            size_t whole = 0;
            for (size_t at = 0; at + 1 < size; at++) {
                tunnel_frames_follow(&frames, data + at, 1);
                whole += tunnel_frames_whole(&frames);
            }
            ck_assert_uint_eq(whole, 0);
            tunnel_frames_follow(&frames, data + size - 1, 1);
            ck_assert(tunnel_frames_whole(&frames));
            ck_assert(!frames.close_sent);
        }
    }
}
END_TEST

START_TEST(test_many_frames_in_one_piece)
{
    static unsigned char data[300000];
    struct tunnel_frames frames = {0};
    size_t size = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        size += frame(data + size, 1, i % 2 == 0, sizes[i]);
    tunnel_frames_follow(&frames, data, size);
    ck_assert(tunnel_frames_whole(&frames));
    ck_assert(!frames.close_sent);
    tunnel_frames_follow(&frames, data, frame(data, 8, 1, 2));
    ck_assert(tunnel_frames_whole(&frames));
    ck_assert(frames.close_sent);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_whole_at_the_end_of_each_frame_only);
    tcase_add_test(c, test_many_frames_in_one_piece);
}

UNIT_MAIN(tests)
