#include "config/config_range.h"

#include "unit.h"

static struct config_range range_of(const char *text)
{
    struct config_range range;
    struct config_complaint complaint;
    if (!config_range_parse(&range, slice_of(text), &complaint))
        ck_abort_msg("%s %s", text, complaint.text);
    return range;
}

static void expands_to(const char *text, uint32_t index, const char *expected)
{
    char expanded[CONFIG_RANGE_TEXT_MAX];
    const struct config_range range = range_of(text);
    const struct slice slice = config_range_expand(&range, index, expanded);
    ck_assert_msg(slice_is(slice, expected), "%s[%u] is %.*s, not %s", text, index, (int)slice.size,
                  slice.data, expected);
}

START_TEST(test_a_range_counts_both_ends)
{
    ck_assert_uint_eq(range_of("web-[2-9]").count, 8);
    ck_assert_uint_eq(range_of("web-[5-5]").count, 1);
    ck_assert_uint_eq(range_of("127.1.0.1:[10000-10299]").count, 300);
    ck_assert_uint_eq(range_of("web").count, 1);
    ck_assert(!range_of("web").ranged);
    expands_to("web-[2-9]", 0, "web-2");
    expands_to("web-[2-9]", 7, "web-9");
    expands_to("web-[9-10]", 1, "web-10");
    expands_to("127.1.0.1:[10000-10299]", 299, "127.1.0.1:10299");
    expands_to("10.0.0.[2-9]:80", 3, "10.0.0.5:80");
    expands_to("[1-3]", 1, "2");
    expands_to("web", 0, "web");
}
END_TEST

START_TEST(test_leading_zeros_keep_the_width)
{
    expands_to("proxy-[000-299]", 0, "proxy-000");
    expands_to("proxy-[000-299]", 42, "proxy-042");
    expands_to("proxy-[008-011]", 3, "proxy-011");
    expands_to("p[0-10]", 10, "p10");
}
END_TEST

START_TEST(test_brackets_with_a_colon_inside_are_ipv6)
{
    ck_assert(!range_of("[2001:db8::1]:80").ranged);
    ck_assert(!range_of("[::1]:80").ranged);
    expands_to("[::1]:[8001-8003]", 2, "[::1]:8003");
    expands_to("[2001:db8::[1-9]]:80", 8, "[2001:db8::9]:80");
    expands_to("root@[2001:db8::[1-9]]", 4, "root@[2001:db8::5]");
}
END_TEST

START_TEST(test_bad_ranges_are_told_why)
{
    static const struct {
        const char *text;
        const char *complaint;
    } bad[] = {
        {"a[]", "holds '[]', which is no range; a range is [FIRST-LAST]"},
        {"a[-]", "holds '[-]', which is no range; a range is [FIRST-LAST]"},
        {"a[1-]", "holds '[1-]', which is no range; a range is [FIRST-LAST]"},
        {"a[1]", "holds '[1]', which is no range; a range is [FIRST-LAST]"},
        {"a[1,3]", "holds '[1,3]', which is no range; a range is [FIRST-LAST]"},
        {"a[1--3]", "holds '[1--3]', which is no range; a range is [FIRST-LAST]"},
        {"a[1-9999999999]", "holds '[1-9999999999]', which is no range; a range is [FIRST-LAST]"},
        {"a[3-1]", "holds '[3-1]', which counts down; did you mean '[1-3]'?"},
        {"a[01-100]", "holds '[01-100]'; with leading zeros both ends need the same width"},
        {"a[0-100000]", "holds '[0-100000]', more than 100000 hosts"},
        {"a[1-2][3-4]", "is 'a[1-2][3-4]'; one range is the most a setting can hold"},
        {"a[1-2", "is 'a[1-2', in which a '[' is never closed"},
        {"a[[1-2]]", "is 'a[[1-2]]', in which a '[' is never closed"},
        {"a[", "is 'a[', in which a '[' is never closed"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct config_range range;
        struct config_complaint complaint;
        ck_assert(!config_range_parse(&range, slice_of(bad[i].text), &complaint));
        ck_assert_str_eq(complaint.text, bad[i].complaint);
    }
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_a_range_counts_both_ends);
    tcase_add_test(c, test_leading_zeros_keep_the_width);
    tcase_add_test(c, test_brackets_with_a_colon_inside_are_ipv6);
    tcase_add_test(c, test_bad_ranges_are_told_why);
}

UNIT_MAIN(tests)
