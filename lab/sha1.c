#include "sha1.h"

#include <string.h>

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

/* RFC 3174, section 6.1. */
static void digest_block(struct sha1 *sha1, const unsigned char *block)
{
    uint32_t w[80];
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);

    uint32_t a = sha1->state[0], b = sha1->state[1], c = sha1->state[2], d = sha1->state[3],
             e = sha1->state[4];
    for (unsigned i = 0; i < 80; i++) {
        uint32_t mix, constant;
        if (i < 20) {
            mix = (b & c) | (~b & d);
            constant = 0x5a827999;
        } else if (i < 40) {
            mix = b ^ c ^ d;
            constant = 0x6ed9eba1;
        } else if (i < 60) {
            mix = (b & c) | (b & d) | (c & d);
            constant = 0x8f1bbcdc;
        } else {
            mix = b ^ c ^ d;
            constant = 0xca62c1d6;
        }
        uint32_t next = rotate(a, 5) + mix + e + w[i] + constant;
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    sha1->state[0] += a;
    sha1->state[1] += b;
    sha1->state[2] += c;
    sha1->state[3] += d;
    sha1->state[4] += e;
}

void sha1_init(struct sha1 *sha1)
{
    *sha1 = (struct sha1){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
}

void sha1_feed(struct sha1 *sha1, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t used = sha1->size % SHA1_BLOCK;
    sha1->size += size;
    while (size > 0) {
        if (used == 0 && size >= SHA1_BLOCK) {
            digest_block(sha1, bytes);
            bytes += SHA1_BLOCK;
            size -= SHA1_BLOCK;
            continue;
        }
        size_t take = SHA1_BLOCK - used < size ? SHA1_BLOCK - used : size;
        memcpy(sha1->block + used, bytes, take);
        used += take;
        bytes += take;
        size -= take;
        if (used == SHA1_BLOCK) {
            digest_block(sha1, sha1->block);
            used = 0;
        }
    }
}

void sha1_finish(struct sha1 *sha1, unsigned char digest[SHA1_SIZE])
{
    uint64_t bits = sha1->size * 8;
    static const unsigned char padding[SHA1_BLOCK] = {0x80};
    size_t used = sha1->size % SHA1_BLOCK;
    sha1_feed(sha1, padding, used < 56 ? 56 - used : 120 - used);
    unsigned char tail[8];
    for (unsigned i = 0; i < 8; i++)
        tail[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha1_feed(sha1, tail, sizeof tail);
    for (unsigned i = 0; i < SHA1_SIZE; i++)
        digest[i] = (unsigned char)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha1_finish_hex(struct sha1 *sha1, char hex[2 * SHA1_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA1_SIZE];
    sha1_finish(sha1, digest);
    for (unsigned i = 0; i < SHA1_SIZE; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * SHA1_SIZE] = '\0';
}
