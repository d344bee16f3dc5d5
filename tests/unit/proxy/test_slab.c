#include "proxy/slab.h"

#include "unit.h"

#include <string.h>

struct thing {
    void *first; /* Overwritten by the slab while free. */
    uint32_t alive;
    uint32_t number;
};

static void count(void *object, void *context)
{
    const struct thing *thing = object;
    uint32_t *alive = context;
    *alive += thing->alive;
}

START_TEST(test_take_and_give)
{
    struct slab slab;
    slab_init(&slab, sizeof(struct thing));
    enum { THINGS = 20000 };
    static struct thing *things[THINGS];
    for (uint32_t i = 0; i < THINGS; i++) {
        things[i] = slab_take(&slab);
        ck_assert_ptr_nonnull(things[i]);
        ck_assert_uint_eq((uintptr_t)things[i] % SLAB_ALIGNMENT, 0);
        ck_assert_uint_eq(things[i]->alive, 0); /* Fresh memory is zero. */
        things[i]->alive = 1;
        things[i]->number = i;
    }
    for (uint32_t i = 0; i < THINGS; i++)
        ck_assert_uint_eq(things[i]->number, i);
    uint32_t alive = 0;
    slab_each(&slab, count, &alive);
    ck_assert_uint_eq(alive, THINGS);
    for (uint32_t i = 0; i < THINGS; i += 2) {
        things[i]->alive = 0;
        slab_give(&slab, things[i]);
    }
    alive = 0;
    slab_each(&slab, count, &alive);
    ck_assert_uint_eq(alive, THINGS / 2);
    /* The last one given is the first one taken. */
    ck_assert_ptr_eq(slab_take(&slab), things[THINGS - 2]);
    slab_done(&slab);
}
END_TEST

START_TEST(test_large_objects)
{
    struct slab slab;
    slab_init(&slab, SLAB_BLOCK_BYTES - SLAB_ALIGNMENT);
    char *one = slab_take(&slab);
    char *two = slab_take(&slab);
    ck_assert(one != NULL && two != NULL && one != two);
    memset(one, 1, SLAB_BLOCK_BYTES - SLAB_ALIGNMENT);
    memset(two, 2, SLAB_BLOCK_BYTES - SLAB_ALIGNMENT);
    ck_assert_int_eq(one[100], 1);
    slab_done(&slab);
    slab_done(&slab);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_take_and_give);
    tcase_add_test(c, test_large_objects);
}

UNIT_MAIN(tests)
