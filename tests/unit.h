/*
 * unit: what every unit test shares: libcheck, and a main() for the tests of one file.
 *
 *     static void tests(TCase *c) { tcase_add_test(c, test_it_works); }
 *     UNIT_MAIN(tests)
 */
#pragma once

#include <check.h>
#include <signal.h>
#include <stdlib.h>

static inline int unit_run(const char *name, void (*add)(TCase *))
{
    Suite *suite = suite_create(name);
    TCase *test_case = tcase_create(name);
    tcase_set_timeout(test_case, 30);
    add(test_case);
    suite_add_tcase(suite, test_case);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(add)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        return unit_run(__FILE__, add);                                                            \
    }
