#include "proto/h1_id.h"

#include "base/check.h"
#include "proto/h1_scan.h"

enum { NAME_SIZE_MAX = 19, ROW_SIZE = 32 };

/* In the order of enum h1_id, which is by size: the names of one size are neighbours. */
static const char names[H1_ID_COUNT][ROW_SIZE] __attribute__((aligned(16))) = {
    [H1_ID_TE] = "te",
    [H1_ID_AGE] = "age",
    [H1_ID_VIA] = "via",
    [H1_ID_DATE] = "date",
    [H1_ID_HOST] = "host",
    [H1_ID_RANGE] = "range",
    [H1_ID_ACCEPT] = "accept",
    [H1_ID_COOKIE] = "cookie",
    [H1_ID_EXPECT] = "expect",
    [H1_ID_SERVER] = "server",
    [H1_ID_REFERER] = "referer",
    [H1_ID_TRAILER] = "trailer",
    [H1_ID_UPGRADE] = "upgrade",
    [H1_ID_FORWARDED] = "forwarded",
    [H1_ID_CONNECTION] = "connection",
    [H1_ID_KEEP_ALIVE] = "keep-alive",
    [H1_ID_SET_COOKIE] = "set-cookie",
    [H1_ID_USER_AGENT] = "user-agent",
    [H1_ID_RETRY_AFTER] = "retry-after",
    [H1_ID_CONTENT_TYPE] = "content-type",
    [H1_ID_MAX_FORWARDS] = "max-forwards",
    [H1_ID_X_REQUEST_ID] = "x-request-id",
    [H1_ID_AUTHORIZATION] = "authorization",
    [H1_ID_CACHE_CONTROL] = "cache-control",
    [H1_ID_CONTENT_RANGE] = "content-range",
    [H1_ID_CONTENT_LENGTH] = "content-length",
    [H1_ID_HTTP2_SETTINGS] = "http2-settings",
    [H1_ID_X_FORWARDED_FOR] = "x-forwarded-for",
    [H1_ID_CONTENT_ENCODING] = "content-encoding",
    [H1_ID_PROXY_CONNECTION] = "proxy-connection",
    [H1_ID_X_FORWARDED_HOST] = "x-forwarded-host",
    [H1_ID_X_FORWARDED_PROTO] = "x-forwarded-proto",
    [H1_ID_TRANSFER_ENCODING] = "transfer-encoding",
    [H1_ID_PROXY_AUTHORIZATION] = "proxy-authorization",
};

/* The ids of names of one size: first to last. */
static const struct {
    uint8_t first;
    uint8_t last;
} by_size[NAME_SIZE_MAX + 1] = {
    [0] = {1, 0},
    [1] = {1, 0},
    [2] = {H1_ID_TE, H1_ID_TE},
    [3] = {H1_ID_AGE, H1_ID_VIA},
    [4] = {H1_ID_DATE, H1_ID_HOST},
    [5] = {H1_ID_RANGE, H1_ID_RANGE},
    [6] = {H1_ID_ACCEPT, H1_ID_SERVER},
    [7] = {H1_ID_REFERER, H1_ID_UPGRADE},
    [8] = {1, 0},
    [9] = {H1_ID_FORWARDED, H1_ID_FORWARDED},
    [10] = {H1_ID_CONNECTION, H1_ID_USER_AGENT},
    [11] = {H1_ID_RETRY_AFTER, H1_ID_RETRY_AFTER},
    [12] = {H1_ID_CONTENT_TYPE, H1_ID_X_REQUEST_ID},
    [13] = {H1_ID_AUTHORIZATION, H1_ID_CONTENT_RANGE},
    [14] = {H1_ID_CONTENT_LENGTH, H1_ID_HTTP2_SETTINGS},
    [15] = {H1_ID_X_FORWARDED_FOR, H1_ID_X_FORWARDED_FOR},
    [16] = {H1_ID_CONTENT_ENCODING, H1_ID_X_FORWARDED_HOST},
    [17] = {H1_ID_X_FORWARDED_PROTO, H1_ID_TRANSFER_ENCODING},
    [18] = {1, 0},
    [19] = {H1_ID_PROXY_AUTHORIZATION, H1_ID_PROXY_AUTHORIZATION},
};

_Static_assert(H1_ID_COUNT <= 64, "a bit of h1_head.seen for each");

/* The name is made of token bytes: there, 0x20 folds letters only and makes no known name of an
 * unknown one ('^' and '_' turn into '~' and DEL). */
static bool same(const char *name, const char *row, size_t from, size_t size)
{
    for (size_t i = from; i < size; i++) {
        if ((name[i] | 0x20) != row[i]) {
            return false;
        }
    }
    return true;
}

enum h1_id h1_id_find(const char *name, size_t size, const char *end)
{
    ASSERT((size_t)(end - name) >= size);
    if (size > NAME_SIZE_MAX) {
        return H1_ID_OTHER;
    }
    unsigned id = by_size[size].first;
    const unsigned last = by_size[size].last;
#ifdef __SSE2__
    if (end - name >= 16) {
        const __m128i folded = _mm_or_si128(h1_load(name), _mm_set1_epi8(0x20));
        const unsigned wanted = size >= 16 ? 0xffffU : (1U << size) - 1;
        for (; id <= last; id++) {
            const __m128i equal = _mm_cmpeq_epi8(folded, h1_load(names[id]));
            if (((unsigned)_mm_movemask_epi8(equal) & wanted) == wanted &&
                same(name, names[id], 16, size)) {
                return (enum h1_id)id;
            }
        }
        return H1_ID_OTHER;
    }
#endif
    for (; id <= last; id++) {
        if (same(name, names[id], 0, size)) {
            return (enum h1_id)id;
        }
    }
    return H1_ID_OTHER;
}

enum h1_id h1_id_of(struct slice name)
{
    const char *end = name.data + name.size;
    if (h1_skip(name.data, end, H1_CLASS_TOKEN) != end) {
        return H1_ID_OTHER;
    }
    return h1_id_find(name.data, name.size, end);
}
