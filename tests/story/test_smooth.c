#include "story/story.h"
START_TEST(test_eight_hosts_in_two_zones)
{
    struct fleet *fleet = story_fleet(8);
    fleet_run(fleet, 3600 * 1000);
    puts(fleet->text);
}
END_TEST
static void tests(TCase *c)
{
    tcase_add_test(c, test_eight_hosts_in_two_zones);
}
UNIT_MAIN(tests)
