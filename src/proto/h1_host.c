#include "proto/h1_host.h"

#include "proto/h1_scan.h"

enum {
    NAME_SIZE_MAX = 255, /* RFC 1035 2.3.4 */
    PORT_DIGITS_MAX = 5,
    IPV6_GROUPS = 8,
};

/* Four decimal numbers up to 255, without leading zeros (RFC 3986 3.2.2). */
static bool is_ipv4(const char *at, const char *end)
{
    for (int octet = 0;; octet++) {
        const char *stop = h1_skip(at, end, H1_CLASS_DIGIT);
        uint64_t value;
        if (stop - at > 3 || !slice_to_u64((struct slice){at, (size_t)(stop - at)}, &value) ||
            value > 255 || (stop - at > 1 && *at == '0')) {
            return false;
        }
        if (octet == 3) {
            return stop == end;
        }
        if (stop == end || *stop != '.') {
            return false;
        }
        at = stop + 1;
    }
}

/* RFC 3986 3.2.2, IPv6address: no zone, no IPvFuture. */
static bool is_ipv6(const char *at, const char *end)
{
    int groups = 0;
    bool elided = false;
    if (end - at >= 2 && at[0] == ':' && at[1] == ':') {
        elided = true;
        at += 2;
    }
    while (at < end) {
        const char *stop = h1_skip(at, end, H1_CLASS_HEX);
        if (stop < end && *stop == '.') {
            return is_ipv4(at, end) &&
                   (elided ? groups < IPV6_GROUPS - 2 : groups == IPV6_GROUPS - 2);
        }
        if (stop == at || stop - at > 4 || ++groups > IPV6_GROUPS) {
            return false;
        }
        at = stop;
        if (at == end) {
            break;
        }
        if (*at != ':' || ++at == end) {
            return false;
        }
        if (*at == ':') {
            if (elided) {
                return false;
            }
            elided = true;
            at++;
        }
    }
    return elided ? groups < IPV6_GROUPS : groups == IPV6_GROUPS;
}

/* Where the host ends in host[:port]: at its ':' or at end. NULL if it is malformed. */
static const char *host_end(const char *at, const char *end)
{
    if (at < end && *at == '[') {
        const char *bracket = memchr(at, ']', (size_t)(end - at));
        return bracket != NULL && is_ipv6(at + 1, bracket) ? bracket + 1 : NULL;
    }
    const char *stop = h1_skip(at, end, H1_CLASS_HOST);
    return stop > at && stop - at <= NAME_SIZE_MAX ? stop : NULL;
}

/*
 * Names are of letters, digits and "-._~": RFC 3986 would let escapes and "!$&'()*+,;=" pass, but
 * no host has them, and readers disagree about them. An empty port is legal (RFC 3986 3.2.3).
 */
bool h1_host_valid(struct slice text)
{
    const char *end = text.data + text.size;
    const char *at = host_end(text.data, end);
    if (at == NULL) {
        return false;
    }
    if (at == end) {
        return true;
    }
    const struct slice port = {at + 1, (size_t)(end - at - 1)};
    uint64_t number = 0;
    return *at == ':' && port.size <= PORT_DIGITS_MAX &&
           (port.size == 0 || (slice_to_u64(port, &number) && number <= UINT16_MAX));
}

bool h1_authority_valid(struct slice text)
{
    if (!h1_host_valid(text)) {
        return false;
    }
    const char *end = text.data + text.size;
    const char *colon = host_end(text.data, end);
    uint64_t port = 0;
    return colon < end &&
           slice_to_u64((struct slice){colon + 1, (size_t)(end - colon - 1)}, &port) && port > 0;
}
