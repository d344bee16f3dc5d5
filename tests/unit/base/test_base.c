#include "base/arena.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/random.h"
#include "base/text.h"
#include "base/writer.h"
#include "unit.h"

#include <math.h>

START_TEST(test_arena_keeps_its_limit)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    char *first = arena_allocate(&arena, 100);
    ck_assert_ptr_nonnull(first);
    ck_assert_int_eq(first[99], 0);
    ck_assert_uint_eq((uintptr_t)first % 16, 0);
    ck_assert_ptr_null(arena_allocate(&arena, 64 * 1024));
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX, 2));
    ck_assert_str_eq(arena_format(&arena, "%s-%d", "web", 3), "web-3");
    arena_reset(&arena);
    ck_assert_uint_eq(arena.used, 0);
    ck_assert_ptr_nonnull(arena_allocate(&arena, 40 * 1024));
    arena_done(&arena);
}
END_TEST

START_TEST(test_error_carries_context)
{
    struct error error;
    ck_assert(!error_set(&error, ERROR_USAGE, "unknown setting '%s'", "strtegy"));
    ck_assert(!error_add(&error, "%s:%d:%d", "nines.yaml", 12, 8));
    ck_assert_str_eq(error.text, "nines.yaml:12:8: unknown setting 'strtegy'");
    ck_assert_int_eq(error_exit_code(error.kind), 2);
    ck_assert(!error_set(NULL, ERROR_LIMIT, "nobody listens"));
    error_set_errno(&error, 2, "cannot open %s", "x");
    ck_assert_str_eq(error.text, "cannot open x: No such file or directory");
}
END_TEST

START_TEST(test_slice_numbers_are_strict)
{
    uint64_t value = 7;
    ck_assert(slice_to_u64(SLICE("18446744073709551615"), &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(!slice_to_u64(SLICE("18446744073709551616"), &value));
    ck_assert(!slice_to_u64(SLICE("+1"), &value));
    ck_assert(!slice_to_u64(SLICE(""), &value));
    ck_assert(!slice_to_u64(SLICE("1 "), &value));
    ck_assert(slice_equal_nocase(SLICE("Content-Length"), SLICE("content-lengtH")));
    ck_assert(slice_is(slice_trim(SLICE(" \tx y\t ")), "x y"));
}
END_TEST

START_TEST(test_heap_orders_and_keeps_ties_in_order)
{
    struct heap heap;
    struct heap_node nodes[200] = {0};
    struct random random;
    random_init(&random, 42);
    heap_init(&heap);
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        ck_assert(heap_reserve(&heap));
        heap_insert(&heap, &nodes[i], random_below(&random, 20));
    }
    for (size_t i = 0; i < COUNT_OF(nodes); i += 3)
        heap_remove(&heap, &nodes[i]);
    uint64_t last_key = 0;
    uint64_t last_order = 0;
    size_t seen = 0;
    struct heap_node *node;
    while ((node = heap_least(&heap)) != NULL) {
        ck_assert(node->key > last_key || (node->key == last_key && node->order >= last_order));
        last_key = node->key;
        last_order = node->order;
        heap_remove(&heap, node);
        seen++;
    }
    ck_assert_uint_eq(seen, 200 - 67);
    heap_done(&heap);
}
END_TEST

START_TEST(test_histogram_is_within_a_32nd)
{
    static struct histogram histogram;
    histogram_init(&histogram);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 0);
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_record(&histogram, value);
    const double median = (double)histogram_quantile(&histogram, 0.5);
    const double tail = (double)histogram_quantile(&histogram, 0.99);
    ck_assert(fabs(median - 50000) <= 50000.0 / 32);
    ck_assert(fabs(tail - 99000) <= 99000.0 / 32);
    histogram_record(&histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram_quantile(&histogram, 1), (1ULL << 40) - 1);
}
END_TEST

START_TEST(test_random_is_uniform_and_replayable)
{
    struct random a;
    struct random b;
    random_init(&a, 1);
    random_init(&b, 1);
    uint32_t counts[10] = {0};
    for (int i = 0; i < 100000; i++) {
        const uint32_t value = random_below(&a, 10);
        ck_assert_uint_eq(value, random_below(&b, 10));
        counts[value]++;
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        ck_assert(counts[i] > 9500 && counts[i] < 10500);
    const double unit = random_unit(&a);
    ck_assert(unit >= 0 && unit < 1);
}
END_TEST

START_TEST(test_json_escapes_and_nests)
{
    struct text text;
    struct writer json;
    text_init(&text, 4096);
    writer_init(&json, &text);
    writer_object(&json, NULL);
    writer_string(&json, "name", "a\"b\n\xff\xc3\xa9");
    writer_array(&json, "list");
    writer_u64(&json, NULL, 1);
    writer_double(&json, NULL, 33.5);
    writer_double(&json, NULL, (double)INFINITY);
    writer_end(&json);
    writer_bool(&json, "on", true);
    writer_end(&json);
    ck_assert_str_eq(text.data,
                     "{\"name\":\"a\\\"b\\n\\ufffd\xc3\xa9\",\"list\":[1,33.5,null],\"on\":true}");
    text_done(&text);
}
END_TEST

START_TEST(test_text_fails_once_and_for_all)
{
    struct text text;
    text_init(&text, 8);
    text_add(&text, "12345");
    text_add(&text, "6789");
    ck_assert(text.failed);
    text_add(&text, "6");
    ck_assert_str_eq(text.data, "12345");
    text_clear(&text);
    text_format(&text, "%d", 12345678);
    ck_assert(!text.failed);
    text_consume(&text, 3);
    ck_assert_str_eq(text.data, "45678");
    text_done(&text);
}
END_TEST

struct item {
    int value;
    struct list node;
};

START_TEST(test_list_removal_during_walk)
{
    struct list head;
    struct item items[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};
    list_init(&head);
    for (size_t i = 0; i < COUNT_OF(items); i++)
        list_push_back(&head, &items[i].node);
    LIST_EACH_SAFE (node, &head) {
        if (CONTAINER_OF(node, struct item, node)->value % 2 == 0)
            list_remove(node);
    }
    ck_assert_int_eq(CONTAINER_OF(list_pop_front(&head), struct item, node)->value, 1);
    ck_assert_int_eq(CONTAINER_OF(list_pop_front(&head), struct item, node)->value, 3);
    ck_assert_ptr_null(list_pop_front(&head));
}
END_TEST

START_TEST(test_broken_promise_aborts)
{
    struct heap heap;
    struct heap_node node = {0};
    heap_init(&heap);
    heap_remove(&heap, &node);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_arena_keeps_its_limit);
    tcase_add_test(c, test_error_carries_context);
    tcase_add_test(c, test_slice_numbers_are_strict);
    tcase_add_test(c, test_heap_orders_and_keeps_ties_in_order);
    tcase_add_test(c, test_histogram_is_within_a_32nd);
    tcase_add_test(c, test_random_is_uniform_and_replayable);
    tcase_add_test(c, test_json_escapes_and_nests);
    tcase_add_test(c, test_text_fails_once_and_for_all);
    tcase_add_test(c, test_list_removal_during_walk);
    tcase_add_test_raise_signal(c, test_broken_promise_aborts, SIGABRT);
}

UNIT_MAIN(tests)
