#include "config/config_problem.h"

#include "unit.h"

#include <stdio.h>

static uint32_t distance(const char *a, const char *b)
{
    return config_distance(slice_of(a), slice_of(b), 5);
}

START_TEST(test_distance_counts_edits)
{
    ck_assert_uint_eq(distance("strategy", "strategy"), 0);
    ck_assert_uint_eq(distance("strtegy", "strategy"), 1);
    ck_assert_uint_eq(distance("hosst", "hosts"), 1); /* Neighbours swapped. */
    ck_assert_uint_eq(distance("Zone", "zone"), 0);
    ck_assert_uint_eq(distance("", "abc"), 3);
    ck_assert_uint_eq(distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(distance("abcdef", "uvwxyz"), 6); /* More than the limit of 5. */
    ck_assert_uint_eq(distance("a", "abcdefgh"), 6);
}
END_TEST

START_TEST(test_a_suggestion_is_near_or_none)
{
    struct config_suggestion suggestion;
    config_suggestion_init(&suggestion, SLICE("drian"));
    config_suggestion_offer(&suggestion, "rain");
    config_suggestion_offer(&suggestion, "drain");
    config_suggestion_offer(&suggestion, "train");
    ck_assert_str_eq(suggestion.best, "drain");
    config_suggestion_init(&suggestion, SLICE("cache"));
    config_suggestion_offer(&suggestion, "strategy");
    ck_assert_ptr_null(suggestion.best);
    config_suggestion_init(&suggestion, SLICE("ab"));
    config_suggestion_offer(&suggestion, "cd");
    ck_assert_ptr_null(suggestion.best);
}
END_TEST

START_TEST(test_a_quote_is_short_and_printable)
{
    ck_assert_str_eq(config_quote(SLICE("a\nb\x1b[1m")).text, "a?b?[1m");
    char text[200];
    memset(text, 'x', sizeof text);
    struct config_quote quote = config_quote((struct slice){.data = text, .size = sizeof text});
    ck_assert_uint_eq(strlen(quote.text), CONFIG_QUOTE_MAX - 1);
    ck_assert_str_eq(quote.text + CONFIG_QUOTE_MAX - 4, "...");
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* e with an acute accent, never cut in half. */
    quote = config_quote((struct slice){.data = text + 1, .size = sizeof text - 1});
    ck_assert_int_eq((unsigned char)quote.text[strlen(quote.text) - 4], 0xa9);
}
END_TEST

static void add(struct config_problems *problems, enum config_severity severity, uint32_t line)
{
    config_problem_add(problems,
                       (struct config_about){.severity = severity,
                                             .place = {.line = line, .column = 1},
                                             .setting = "x"},
                       "%u", line);
}

START_TEST(test_problems_are_in_file_order)
{
    static struct config_problems problems;
    config_problems_init(&problems);
    problems.file = "f";
    add(&problems, CONFIG_ERROR, 3);
    add(&problems, CONFIG_WARNING, 1);
    add(&problems, CONFIG_UNBUILT, 2);
    add(&problems, CONFIG_ERROR, 0); /* Of the whole file: its beginning. */
    ck_assert_uint_eq(problems.count, 4);
    ck_assert_str_eq(problems.items[0].text, "f:1:1: warning: 1");
    ck_assert_str_eq(problems.items[1].text, "f:1:1: 0");
    ck_assert_str_eq(problems.items[2].text, "f:2:1: warning: 2");
    ck_assert_str_eq(problems.items[3].text, "f:3:1: 3");
    config_problems_done(&problems);
}
END_TEST

START_TEST(test_warnings_make_room)
{
    static struct config_problems problems;
    config_problems_init(&problems);
    problems.file = "f";
    for (uint32_t i = 1; i <= CONFIG_PROBLEMS_MAX + 50; i++)
        add(&problems, CONFIG_WARNING, i);
    ck_assert_uint_eq(problems.count, CONFIG_PROBLEMS_MAX);
    for (uint32_t i = 0; i < 10; i++) {
        add(&problems, CONFIG_ERROR, 1000 + i);
        add(&problems, CONFIG_UNBUILT, 2000 + i);
    }
    ck_assert_uint_eq(problems.count, CONFIG_PROBLEMS_MAX);
    ck_assert_uint_eq(problems.errors, 10);
    ck_assert_uint_eq(problems.unbuilt, 10);
    ck_assert_uint_eq(problems.warnings, CONFIG_PROBLEMS_MAX + 50);
    ck_assert_str_eq(problems.items[CONFIG_PROBLEMS_MAX - 1].text, "f:2009:1: warning: 2009");
    ck_assert_str_eq(problems.items[CONFIG_PROBLEMS_MAX - 20].text, "f:1000:1: 1000");
    /* Only errors left: an earlier place takes the room of the last. */
    for (uint32_t i = 0; i < CONFIG_PROBLEMS_MAX; i++)
        add(&problems, CONFIG_ERROR, 500 + i);
    add(&problems, CONFIG_ERROR, 1);
    add(&problems, CONFIG_WARNING, 1);
    ck_assert_str_eq(problems.items[0].text, "f:1:1: 1");
    ck_assert_uint_eq(problems.count, CONFIG_PROBLEMS_MAX);
    config_problems_done(&problems);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_distance_counts_edits);
    tcase_add_test(c, test_a_suggestion_is_near_or_none);
    tcase_add_test(c, test_a_quote_is_short_and_printable);
    tcase_add_test(c, test_problems_are_in_file_order);
    tcase_add_test(c, test_warnings_make_room);
}

UNIT_MAIN(tests)
