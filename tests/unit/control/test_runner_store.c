/*
 * The runner above a store that fails on command. It is linked in place of the real one: its
 * functions are defined here.
 */
#include "fixture.h"
#include "unit.h"

enum { ROWS_MAX = 4096 };

struct row {
    char *key;
    char *value;
    size_t size;
};

/* What outlives a store's closing: the disk. */
static struct {
    struct row rows[ROWS_MAX];
    size_t count;
    uint64_t token;
    uint32_t commits; /* Tried, in all lives. */
    uint32_t fail_at; /* The number of a commit; 0: none. */
    uint32_t fail_count;
    enum error_kind how;
    bool written_all_the_same; /* The error comes after the disk took it. */
} disk;

struct store {
    bool broken;
};

struct store *store_open(const char *url, struct error *error)
{
    (void)url, (void)error;
    disk.token++;
    return calloc(1, sizeof(struct store));
}

void store_close(struct store *store)
{
    free(store);
}

uint64_t store_token(const struct store *store)
{
    ck_assert_ptr_nonnull(store);
    return disk.token;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void put(const struct store_write *write)
{
    size_t i = 0;
    while (i < disk.count && !slice_is(write->key, disk.rows[i].key))
        i++;
    FIXTURE_EXPECT(i < ROWS_MAX && !write->remove, "too many rows");
    if (i == disk.count)
        disk.rows[disk.count++] = (struct row){.key = strndup(write->key.data, write->key.size)};
    free(disk.rows[i].value);
    disk.rows[i].value = malloc(write->value.size + 1);
    memcpy(disk.rows[i].value, write->value.data, write->value.size);
    disk.rows[i].size = write->value.size;
}

bool store_commit(struct store *store, const struct store_write *writes, size_t count,
                  struct error *error)
{
    FIXTURE_EXPECT(count > 0, "an empty commit");
    if (store->broken)
        return error_set(error, ERROR_SYSTEM, "broken before");
    const uint32_t number = ++disk.commits;
    const bool fails = number >= disk.fail_at && number < disk.fail_at + disk.fail_count;
    for (size_t i = 0; i < count && (!fails || disk.written_all_the_same); i++)
        put(&writes[i]);
    if (!fails)
        return true;
    store->broken = disk.how == ERROR_SYSTEM;
    return error_set(error, disk.how, disk.how == ERROR_LIMIT ? "the disk is full" : "no disk");
}

bool store_scan(struct store *store, const char *prefix, store_each *each, void *context,
                struct error *error)
{
    if (store->broken)
        return error_set(error, ERROR_SYSTEM, "broken before");
    qsort(disk.rows, disk.count, sizeof disk.rows[0], compare);
    for (size_t i = 0; i < disk.count; i++) {
        const struct store_row row = {
            .key = slice_of(disk.rows[i].key),
            .value = {.data = disk.rows[i].value, .size = disk.rows[i].size}};
        if (strncmp(disk.rows[i].key, prefix, strlen(prefix)) == 0 && !each(context, &row))
            break;
    }
    return true;
}

static void disk_clear(void)
{
    for (size_t i = 0; i < disk.count; i++) {
        free(disk.rows[i].key);
        free(disk.rows[i].value);
    }
    memset(&disk, 0, sizeof disk);
}

static struct fixture fixture;

/* The commits of a rollout that nothing befalls. */
static uint32_t count_commits(void)
{
    struct error error = {0};
    disk_clear();
    fixture_open(&fixture, "");
    ck_assert_msg(fixture_start(&fixture, &error), "%s", error.text);
    fixture_run(&fixture);
    fixture_check_done(&fixture);
    fixture_close(&fixture);
    ck_assert_uint_gt(disk.commits, 50);
    return disk.commits;
}

static void run_with_failure(uint32_t at, uint32_t count, enum error_kind how, bool written)
{
    struct error error = {0};
    disk_clear();
    disk.fail_at = at;
    disk.fail_count = count;
    disk.how = how;
    disk.written_all_the_same = written;
    fixture_open(&fixture, "");
    ck_assert_msg(fixture_start(&fixture, &error), "%s", error.text);
    fixture_run(&fixture);
    fixture_check_done(&fixture);
    ck_assert_uint_eq(fixture.ends, 1);
    ck_assert_uint_ge(disk.commits, at);
    ck_assert_uint_eq(fixture.deaths, how == ERROR_SYSTEM ? 1 : 0);
    fixture_close(&fixture);
}

/* Nothing goes out before it is stored; what comes in meanwhile is not lost. */
START_TEST(test_a_full_disk_only_delays)
{
    const uint32_t commits = count_commits();
    for (uint32_t at = 2; at <= commits; at++)
        run_with_failure(at, 1 + at % 7, ERROR_LIMIT, false);
    disk_clear();
}
END_TEST

START_TEST(test_a_lost_commit_is_made_up_for)
{
    const uint32_t commits = count_commits();
    for (uint32_t at = 2; at < commits; at++)
        run_with_failure(at, 1, ERROR_SYSTEM, false);
    disk_clear();
}
END_TEST

/* Dead between the commit and the orders that follow from it. */
START_TEST(test_what_was_stored_and_never_ordered_is_ordered)
{
    const uint32_t commits = count_commits();
    for (uint32_t at = 2; at < commits; at++)
        run_with_failure(at, 1, ERROR_SYSTEM, true);
    disk_clear();
}
END_TEST

START_TEST(test_a_rollout_that_could_not_be_stored_does_not_exist)
{
    struct error error = {0};
    disk_clear();
    disk.fail_at = disk.fail_count = 1;
    disk.how = ERROR_LIMIT;
    fixture_open(&fixture, "");
    ck_assert(!fixture_start(&fixture, &error));
    ck_assert_int_eq(error.kind, ERROR_LIMIT);
    ck_assert_str_eq(error.text, "the disk is full");
    ck_assert_uint_eq(disk.count, 0);
    ck_assert(!fixture_reload(&fixture));
    ck_assert_msg(fixture_start(&fixture, &error), "%s", error.text);
    fixture_run(&fixture);
    fixture_check_done(&fixture);
    fixture_close(&fixture);
    disk_clear();
}
END_TEST

/* An order of the operator is refused while the store takes nothing, with the store's reason. */
START_TEST(test_operators_are_told_of_a_full_disk)
{
    struct error error = {0};
    disk_clear();
    disk.fail_at = 3;
    disk.fail_count = 5;
    disk.how = ERROR_LIMIT;
    fixture_open(&fixture, "");
    ck_assert(fixture_start(&fixture, &error));
    while (disk.commits < disk.fail_at)
        ck_assert(fixture_step(&fixture));
    ck_assert(!runner_operate(fixture.runner, ROLLOUT_PAUSE, "test", &error));
    ck_assert_int_eq(error.kind, ERROR_LIMIT);
    ck_assert_str_eq(error.text, "rollout 1 waits for its store: the disk is full");
    fixture_run(&fixture);
    fixture_check_done(&fixture);
    fixture_close(&fixture);
    disk_clear();
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_a_full_disk_only_delays);
    tcase_add_test(c, test_a_lost_commit_is_made_up_for);
    tcase_add_test(c, test_what_was_stored_and_never_ordered_is_ordered);
    tcase_add_test(c, test_a_rollout_that_could_not_be_stored_does_not_exist);
    tcase_add_test(c, test_operators_are_told_of_a_full_disk);
}

UNIT_MAIN(tests)
