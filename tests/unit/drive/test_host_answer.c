#include "drive/host_answer.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

#define ANSWER                                                                                     \
    "nines-answer web-1.install.7\n"                                                               \
    "recorded=yes\noutcome=ok\nexit_status=0\nsentence=\nput_back_possible=yes\n"                  \
    "before.boot_id=aaaa\nbefore.versions=openssl=3.0.15-1 libssl3=3.0.15-1 new=\n"                \
    "after.boot_id=aaaa\nafter.kernel=6.1.0\nafter.uptime_s=12\nafter.reboot_required=yes\n"       \
    "after.versions=openssl=3.0.17-1 libssl3=3.0.17-1 new=1\nafter.later=unknown\n"                \
    "|Setting up openssl\n|nines-end web-1.install.7\n|\n"                                         \
    "nines-end web-1.install.7\n"

static bool read_answer(struct host_answer *answer, const char *printed)
{
    return host_answer_read(answer, "web-1.install.7", slice_of(printed));
}

START_TEST(test_whole_answer)
{
    struct host_answer answer;
    ck_assert(read_answer(&answer, "Welcome to web-1\nnines-wait\n" ANSWER "logout\n"));
    const struct host_result *result = &answer.result;
    ck_assert_int_eq(result->outcome, HOST_OK);
    ck_assert(result->recorded && result->put_back_possible && result->after.reboot_required);
    ck_assert_uint_eq(result->after.uptime_s, 12);
    ck_assert_str_eq(result->after.kernel, "6.1.0");
    ck_assert_str_eq(result->before.kernel, "");
    ck_assert_str_eq(result->after.candidates, "");
    ck_assert_str_eq(result->before.versions, "openssl=3.0.15-1 libssl3=3.0.15-1 new=");
    /* A marker within the output is output. */
    ck_assert_str_eq(result->output, "Setting up openssl\nnines-end web-1.install.7\n\n");
    ck_assert_str_eq(result->sentence, "openssl 3.0.15-1 -> 3.0.17-1, libssl3 3.0.15-1 -> 3.0.17-1"
                                       ", new none -> 1");
    host_answer_done(&answer);
}
END_TEST

/* A connection may be cut after any byte. */
START_TEST(test_cut_anywhere_it_is_none)
{
    for (size_t size = 0; size < sizeof ANSWER - 1; size++) {
        struct host_answer answer;
        ck_assert(!host_answer_read(&answer, "web-1.install.7",
                                    (struct slice){.data = ANSWER, .size = size}));
        ck_assert_int_eq(answer.result.outcome, HOST_UNREACHABLE);
        host_answer_done(&answer);
    }
}
END_TEST

START_TEST(test_answers_that_make_no_sense)
{
    static const char *const printed[] = {
        "nines-answer web-1.install.8\noutcome=ok\nnines-end web-1.install.8\n",
        "nines-answer web-1.install.7\noutcome=ok\nnines-end web-1.install.8\n",
        "nines-answer web-1.install.7 \noutcome=ok\nnines-end web-1.install.7\n",
        "nines-answer web-1.install.7\nnines-end web-1.install.7\n",
        "nines-answer web-1.install.7\noutcome=fine\nnines-end web-1.install.7\n",
        "nines-answer web-1.install.7\noutcome=unreachable\nnines-end web-1.install.7\n",
        "nines-answer web-1.install.7\noutcome=ok\nexit_status=-1\nnines-end web-1.install.7\n",
        "nines-answer web-1.install.7\noutcome=ok\nafter.uptime_s=x\nnines-end web-1.install.7\n",
        "nines-answer web-1.install.7\noutcome=ok\nno value\nnines-end web-1.install.7\n",
        "|nines-answer web-1.install.7\noutcome=ok\nnines-end web-1.install.7\n",
    };
    for (size_t i = 0; i < sizeof printed / sizeof *printed; i++) {
        struct host_answer answer;
        ck_assert_msg(!read_answer(&answer, printed[i]), "%s", printed[i]);
        host_answer_done(&answer);
    }
}
END_TEST

START_TEST(test_sentences)
{
    static const struct {
        const char *lines;
        const char *sentence;
    } cases[] = {
        {"outcome=ok\n", "done"},
        {"outcome=failed\nsentence=exit status 3\n", "exit status 3"},
        {"outcome=ok\nbefore.versions=a=1\nafter.versions=a=1\n", "versions as they were"},
        {"outcome=ok\nbefore.versions=ab=1 a=2\nafter.versions=a=3\n", "a 2 -> 3"},
        {"outcome=ok\nbefore.versions=a=1 b=1 c=1 d=1 e=1\nafter.versions=a=2 b=2 c=2 d=2 e=\n",
         "a 1 -> 2, b 1 -> 2, c 1 -> 2 and 2 more"},
        {"outcome=ok\nbefore.boot_id=0123456789\nafter.boot_id=9876543210\n",
         "rebooted: boot_id 01234567 -> 98765432"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char printed[512];
        struct host_answer answer;
        (void)snprintf(printed, sizeof printed,
                       "nines-answer web-1.install.7\n%snines-end web-1.install.7\n",
                       cases[i].lines);
        ck_assert(read_answer(&answer, printed));
        ck_assert_str_eq(answer.result.sentence, cases[i].sentence);
        host_answer_done(&answer);
    }
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_whole_answer);
    tcase_add_test(c, test_cut_anywhere_it_is_none);
    tcase_add_test(c, test_answers_that_make_no_sense);
    tcase_add_test(c, test_sentences);
}

UNIT_MAIN(tests)
