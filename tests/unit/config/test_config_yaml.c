#include "bad.h"

static const struct bad_case yaml_is_refused_where_it_could_surprise_cases[] = {
    {"", "nines.yaml:1:1: the file is empty; a config needs 'listen' and 'tiers'"},
    {"# nothing\n", "nines.yaml:1:1: the file is empty; a config needs 'listen' and 'tiers'"},
    {"just words\n", "nines.yaml:1:1: a config is a mapping of settings ('listen', 'tiers', ...), "
                     "not a single value"},
    {"- a\n"
     "- b\n",
     "nines.yaml:1:1: a config is a mapping of settings ('listen', 'tiers', ...), not a list"},
    {TIER "---\n"
          "x: 1\n",
     "nines.yaml:5:1: a second document starts here; a config is one document"},
    {TIER "state: \"sqlite:/x\n", "nines.yaml:5:8: this quote is never closed"},
    {TIER "state: 'sqlite:/x\n", "nines.yaml:5:8: this quote is never closed"},
    {"listen:\n"
     "\t- x\n",
     "nines.yaml:2:1: a tab cannot indent YAML; use spaces"},
    {"listen: [\n", "nines.yaml:2:1: a value is expected here"},
    {"listen: {address: x\n",
     "nines.yaml:2:1: a ',' or '}' is expected here, in what began at 1:9"},
    {"listen: a: b\n", "nines.yaml:1:10: a ':' is not expected here; check the indentation, or put "
                       "the value in quotes"},
    {TIER "   threads: 2\n",
     "nines.yaml:5:4: a setting is expected here; check the indentation and the commas"},
    {TIER "state: @x\n", "nines.yaml:5:8: a value cannot start with '@'; put it in quotes"},
    {TIER "user: !!str x\n",
     "nines.yaml:5:7: tags (tag:yaml.org,2002:str) are not supported; remove it"},
    {TIER "user: &me x\n",
     "nines.yaml:5:7: anchors (&me) are not supported; write the value out where it is used"},
    {TIER "user: *me\n", "nines.yaml:5:7: aliases (*me) are not supported; write the value out"},
    {TIER "\"<<\": x\n",
     "nines.yaml:5:1: merge keys (<<) are not supported; write the settings out"},
    {WEB "    hosts: [{name: *web, address: 10.0.0.1:80}]\n",
     "nines.yaml:4:20: aliases (*web) are not supported; write the value out"},
    {TIER "    update: {install: {method: *apt}}\n",
     "nines.yaml:5:32: aliases (*apt) are not supported; write the value out"},
    {TIER "<<: {user: x}\n",
     "nines.yaml:5:1: merge keys (<<) are not supported; write the settings out"},
    {TIER "{{ user }}: x\n", "nines.yaml:5:1: the name of a setting must be text; put a value that "
                             "starts with '{' or '[' in quotes"},
    {TIER "threads: 2\n"
          "threads: 3\n",
     "nines.yaml:6:1: setting 'threads' is given twice; the first is at 5:1"},
    {TIER HOSTS, "nines.yaml:5:5: setting 'hosts' is given twice; the first is at 4:5"},
    {"a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
     "nines.yaml:1:35: nested deeper than 32 levels"},
    {"\377\376: 1\n",
     "nines.yaml:1:1: the file is not UTF-8 text (invalid leading UTF-8 octet at byte 0)"},
    {TIER "user: a\377b\n",
     "nines.yaml:5:8: the file is not UTF-8 text (invalid leading UTF-8 octet at byte 216)"},
    {TIER "user: \"a\\0b\"\n", "nines.yaml:5:7: 'user' holds a NUL byte"},
};

START_TEST(test_yaml_is_refused_where_it_could_surprise)
{
    BAD_RUN_ALL(yaml_is_refused_where_it_could_surprise_cases);
}
END_TEST

static void one_finding(struct text *text, const char *finding)
{
    const struct bad_case bad = {.text = text->data, .findings = finding, .size = text->size};
    ck_assert(!text->failed);
    bad_run(&bad);
    text_done(text);
}

START_TEST(test_a_mapping_has_a_limit)
{
    struct text text;
    text_init(&text, 1024 * 1024);
    for (int i = 0; i < 2000; i++)
        text_format(&text, "k%d: 1\n", i);
    one_finding(&text, "nines.yaml:1025:1: more than 1024 settings in one mapping");
}
END_TEST

START_TEST(test_lists_have_limits)
{
    struct text text;
    text_init(&text, 1024 * 1024);
    text_add(&text, TIER "    update: { install: { method: apt, packages: [");
    for (int i = 0; i < 257; i++)
        text_format(&text, "pkg%d, ", i);
    text_add(&text, "last] } }\n");
    one_finding(&text, "nines.yaml:5:49: 'update.install.packages' in tier 'web' holds 258 "
                       "entries; 256 is the most");
    text_init(&text, 1024 * 1024);
    text_add(&text, "tiers:\n  web:\n" HOSTS "listen:\n");
    for (int i = 1; i <= 65; i++)
        text_format(&text, "  - { address: 0.0.0.0:%d, tier: web }\n", i);
    one_finding(&text, "nines.yaml:5:3: 'listen' holds 65 entries; 64 is the most");
}
END_TEST

START_TEST(test_columns_count_characters)
{
    /* Two bytes each: a column is what an editor shows. */
    const struct bad_case bad = {
        TIER "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9: {x: [y\n",
        "nines.yaml:6:1: a ',' or ']' is expected here, in what began at 5:11", 0};
    bad_run(&bad);
    const struct bad_case other = {TIER "user: { \"\xc3\xa9\": \xc3\xa9 }\n",
                                   "nines.yaml:5:7: 'user' must be a single value, not a mapping",
                                   0};
    bad_run(&other);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_a_mapping_has_a_limit);
    tcase_add_test(c, test_lists_have_limits);
    tcase_add_test(c, test_columns_count_characters);
    tcase_add_test(c, test_yaml_is_refused_where_it_could_surprise);
}

UNIT_MAIN(tests)
