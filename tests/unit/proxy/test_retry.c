#include "proxy/retry.h"

#include "base/check.h"
#include "proxy/request.h"
#include "unit.h"

static const uint32_t every =
    CONFIG_RETRY_CONNECT | CONFIG_RETRY_RESET | CONFIG_RETRY_502 | CONFIG_RETRY_503;

static struct config_tier tier_with(uint32_t when)
{
    struct config_tier tier = {0};
    tier.retry.attempts = 2;
    tier.retry.when = when;
    return tier;
}

struct row {
    uint32_t flags;
    enum target_end end;
    uint16_t status;
    bool allowed;
};

static const uint32_t post = 0;
static const uint32_t get = REQUEST_SAFE;

START_TEST(test_rules)
{
    const struct row rows[] = {
        /* Nothing was sent: any method. */
        {post, TARGET_END_CONNECT_FAILED, 0, true},
        {get, TARGET_END_CONNECT_FAILED, 0, true},
        {post, TARGET_END_RESET, 0, true},
        /* Something was sent. */
        {post | REQUEST_STARTED, TARGET_END_RESET, 0, false},
        {get | REQUEST_STARTED, TARGET_END_RESET, 0, true},
        {get | REQUEST_STARTED | REQUEST_SENT, TARGET_END_RESET, 0, true},
        {get | REQUEST_STARTED | REQUEST_HEARD, TARGET_END_RESET, 0, false},
        /* A head of 502 or 503. */
        {get | REQUEST_STARTED | REQUEST_HEARD, TARGET_END_ANSWERED, 502, true},
        {get | REQUEST_STARTED | REQUEST_HEARD, TARGET_END_ANSWERED, 503, true},
        {get | REQUEST_STARTED | REQUEST_HEARD, TARGET_END_ANSWERED, 500, false},
        {get | REQUEST_STARTED | REQUEST_HEARD, TARGET_END_ANSWERED, 504, false},
        {post | REQUEST_STARTED | REQUEST_HEARD, TARGET_END_ANSWERED, 503, false},
        /* A 1xx or more went to the client. */
        {get | REQUEST_FORWARDED, TARGET_END_CONNECT_FAILED, 0, false},
        {get | REQUEST_STARTED | REQUEST_FORWARDED, TARGET_END_ANSWERED, 503, false},
        /* Never. */
        {get, TARGET_END_TIMEOUT, 0, false},
        {get, TARGET_END_BAD_ANSWER, 0, false},
        {get, TARGET_END_TRUNCATED, 0, false},
        {get, TARGET_END_CLIENT_GONE, 0, false},
        {get, TARGET_END_UNUSED, 0, false},
    };
    const struct config_tier tier = tier_with(every);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        ck_assert_msg(retry_allowed(&tier, row->flags, 0, row->end, row->status) == row->allowed,
                      "row %zu", i);
    }
}
END_TEST

START_TEST(test_attempts_end)
{
    const struct config_tier tier = tier_with(every);
    ck_assert(retry_allowed(&tier, get, 1, TARGET_END_CONNECT_FAILED, 0));
    ck_assert(!retry_allowed(&tier, get, 2, TARGET_END_CONNECT_FAILED, 0));
}
END_TEST

START_TEST(test_only_what_is_wanted)
{
    const struct config_tier tier = tier_with(CONFIG_RETRY_CONNECT | CONFIG_RETRY_503);
    const uint32_t sent = get | REQUEST_STARTED;
    ck_assert(retry_allowed(&tier, get, 0, TARGET_END_CONNECT_FAILED, 0));
    ck_assert(!retry_allowed(&tier, sent, 0, TARGET_END_RESET, 0));
    ck_assert(!retry_allowed(&tier, sent, 0, TARGET_END_ANSWERED, 502));
    ck_assert(retry_allowed(&tier, sent, 0, TARGET_END_ANSWERED, 503));
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_rules);
    tcase_add_test(c, test_attempts_end);
    tcase_add_test(c, test_only_what_is_wanted);
}

UNIT_MAIN(tests)
