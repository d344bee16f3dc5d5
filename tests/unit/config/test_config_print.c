#include "config/config_print.h"

#include "config/config_schema.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>

typedef void printer(struct text *);

/* The committed page is what the schema prints today. */
static void is_printed(const char *path, printer *print, const char *command)
{
    struct text wanted;
    text_init(&wanted, 1024 * 1024);
    print(&wanted);
    ck_assert(!wanted.failed);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    char *found = calloc(1, wanted.size + 2);
    ck_assert_ptr_nonnull(found);
    const size_t size = fread(found, 1, wanted.size + 1, file);
    (void)fclose(file);
    ck_assert_msg(size == wanted.size && memcmp(found, wanted.data, size) == 0,
                  "%s is not what the schema says: %s > %s", path, command, path);
    free(found);
    text_done(&wanted);
}

START_TEST(test_the_reference_is_current)
{
    is_printed("docs/reference.md", config_print_reference, "nines check --reference");
}
END_TEST

START_TEST(test_the_man_page_is_current)
{
    is_printed("man/nines.yaml.5.scd", config_print_man, "nines check --man");
}
END_TEST

struct counted {
    const char *reference;
    const char *man;
    size_t rows;
};

static void is_told(void *context, const char *path, const struct config_setting *row)
{
    struct counted *counted = context;
    char cell[256];
    (void)snprintf(cell, sizeof cell, "\n| `%s` |", row->name);
    ck_assert_msg(strstr(counted->reference, cell) != NULL, "%s", path);
    ck_assert_msg(strstr(counted->reference, row->help) != NULL, "%s", path);
    ck_assert_ptr_nonnull(row->help);
    const size_t end = strlen(row->help);
    ck_assert_msg(row->help[end - 1] == '.', "%s: help is a sentence", path);
    counted->rows++;
}

START_TEST(test_every_setting_is_told)
{
    struct text reference;
    text_init(&reference, 1024 * 1024);
    config_print_reference(&reference);
    struct counted counted = {.reference = reference.data};
    config_schema_each(is_told, &counted);
    ck_assert_uint_gt(counted.rows, 80);
    text_done(&reference);
}
END_TEST

START_TEST(test_the_json_schema_is_json_and_closed)
{
    struct text text;
    text_init(&text, 1024 * 1024);
    config_print_json_schema(&text);
    json_error_t error;
    json_t *schema = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(schema != NULL, "%s", error.text);
    const json_t *tiers = json_object_get(json_object_get(schema, "properties"), "tiers");
    const json_t *tier = json_object_get(tiers, "additionalProperties");
    ck_assert(json_is_false(json_object_get(tier, "additionalProperties")));
    const json_t *settings = json_object_get(tier, "properties");
    const json_t *slow_start = json_object_get(settings, "slow_start");
    ck_assert_str_eq(json_string_value(json_object_get(slow_start, "default")), "10s");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(tier, "required"), 0)),
                     "hosts");
    json_decref(schema);
    text_done(&text);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_the_reference_is_current);
    tcase_add_test(c, test_the_man_page_is_current);
    tcase_add_test(c, test_every_setting_is_told);
    tcase_add_test(c, test_the_json_schema_is_json_and_closed);
}

UNIT_MAIN(tests)
