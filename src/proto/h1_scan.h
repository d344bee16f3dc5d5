/*
 * h1_scan: how far a run of allowed bytes goes. Private to h1_*.c.
 *
 * On x86-64 sixteen bytes at a time with SSE2, which every such processor has; the last few bytes,
 * and all of them elsewhere, by table. No load goes past `end`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Classes of bytes; h1_class[] holds their union for each byte. */
enum {
    H1_CLASS_TOKEN = 1,  /* tchar (RFC 9110 5.6.2) */
    H1_CLASS_TEXT = 2,   /* field-content and blanks (RFC 9110 5.5): HTAB, SP, VCHAR, obs-text */
    H1_CLASS_PATH = 4,   /* May stand for itself in a path; '%' is looked at apart. */
    H1_CLASS_QUERY = 8,  /* The same for a query. */
    H1_CLASS_HOST = 16,  /* unreserved (RFC 3986 2.3) */
    H1_CLASS_DIGIT = 32, /* 0-9 */
    H1_CLASS_HEX = 64,   /* 0-9 A-F a-f */
};

extern const uint8_t h1_class[256];

static inline int h1_is(char byte, int classes)
{
    return h1_class[(uint8_t)byte] & classes;
}

static inline const char *h1_skip(const char *at, const char *end, int classes)
{
    while (at < end && h1_is(*at, classes)) {
        at++;
    }
    return at;
}

#ifdef __SSE2__
static inline __m128i h1_load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Bytes from `low` to `low` + `width`, both included: all ones. */
static inline __m128i h1_within(__m128i bytes, char low, char width)
{
    const __m128i from_low = _mm_sub_epi8(bytes, _mm_set1_epi8(low));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_low, _mm_set1_epi8(width)), from_low);
}

/* Controls but HTAB, and DEL. */
static inline unsigned h1_text_stops(const char *at)
{
    const __m128i bytes = h1_load(at);
    const __m128i control = h1_within(bytes, 0, 0x1f);
    const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
}

/* All but letters, digits and '-': the bytes that names are made of, nearly always. */
static inline unsigned h1_name_stops(const char *at)
{
    const __m128i bytes = h1_load(at);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i name =
        _mm_or_si128(_mm_or_si128(h1_within(folded, 'a', 25), h1_within(bytes, '0', 9)),
                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
    return (unsigned)_mm_movemask_epi8(name) ^ 0xffffU;
}

/* All but letters, digits and "-./_&=+": the plain bytes of paths and queries. */
static inline unsigned h1_target_stops(const char *at)
{
    const __m128i bytes = h1_load(at);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i letter = h1_within(folded, 'a', 25);
    const __m128i digit = h1_within(bytes, '-', '9' - '-'); /* Also '.' and '/'. */
    const __m128i sign = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')),
                                      _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('&')),
                                                   _mm_cmpeq_epi8(bytes, _mm_set1_epi8('='))));
    const __m128i plain = _mm_or_si128(_mm_or_si128(letter, digit), sign);
    return (unsigned)_mm_movemask_epi8(plain) ^ 0xffffU;
}
#endif

/* The first byte that is not H1_CLASS_TEXT, or end. */
static inline const char *h1_skip_text(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        const unsigned stops = h1_text_stops(at);
        if (stops != 0) {
            return at + __builtin_ctz(stops);
        }
    }
#endif
    return h1_skip(at, end, H1_CLASS_TEXT);
}

/* The first byte that is not H1_CLASS_TOKEN, or end. */
static inline const char *h1_skip_token(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        const unsigned stops = h1_name_stops(at);
        if (stops != 0) {
            at += __builtin_ctz(stops);
            break;
        }
    }
#endif
    return h1_skip(at, end, H1_CLASS_TOKEN);
}

/* The first byte that is not in `classes`, of H1_CLASS_PATH or H1_CLASS_QUERY, or end. */
static inline const char *h1_skip_target(const char *at, const char *end, int classes)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        const unsigned stops = h1_target_stops(at);
        if (stops == 0) {
            at += 16;
            continue;
        }
        at += __builtin_ctz(stops);
        if (!h1_is(*at, classes)) {
            return at;
        }
        at++;
    }
#endif
    return h1_skip(at, end, classes);
}
