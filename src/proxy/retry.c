#include "proxy/retry.h"

#include "base/check.h"
#include "proxy/request.h"

/* The bit of retry.when that covers this end of a try; 0: none does. */
static uint32_t reason_of(enum target_end end, uint16_t status)
{
    switch (end) {
    case TARGET_END_CONNECT_FAILED: return CONFIG_RETRY_CONNECT;
    case TARGET_END_RESET: return CONFIG_RETRY_RESET;
    case TARGET_END_ANSWERED:
        if (status == 502)
            return CONFIG_RETRY_502;
        return status == 503 ? CONFIG_RETRY_503 : 0;
    case TARGET_END_TIMEOUT:
    case TARGET_END_BAD_ANSWER:
    case TARGET_END_TRUNCATED:
    case TARGET_END_CLIENT_GONE:
    case TARGET_END_UNUSED: return 0;
    case TARGET_END_COUNT: break;
    }
    UNREACHABLE();
}

bool retry_allowed(const struct config_tier *tier, uint32_t flags, uint32_t retries,
                   enum target_end end, uint16_t status)
{
    const uint32_t reason = reason_of(end, status);
    ASSERT(end != TARGET_END_ANSWERED || status != 0);
    if ((tier->retry.when & reason) == 0 || retries >= tier->retry.attempts ||
        (flags & REQUEST_FORWARDED) != 0)
        return false;
    if ((flags & REQUEST_STARTED) == 0)
        return true;
    if ((flags & REQUEST_SAFE) == 0)
        return false;
    return reason != CONFIG_RETRY_RESET || (flags & REQUEST_HEARD) == 0;
}
