#include "config/config.h"

#include "base/check.h"
#include "config/config_schema.h"
#include "unit.h"

#include <stdio.h>

static struct config_problems problems;

static struct config *parse(const char *text)
{
    config_problems_init(&problems);
    struct config *config = config_parse("nines.yaml", slice_of(text), &problems);
    if (config == NULL)
        ck_abort_msg("%s", problems.items[0].text);
    return config;
}

static void done(struct config *config)
{
    config_unref(config);
    config_problems_done(&problems);
}

/* A file of this repository; the caller frees it. */
static char *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    char *data = calloc(1, 1024 * 1024);
    ck_assert_ptr_nonnull(data);
    *size = fread(data, 1, 1024 * 1024 - 1, file);
    (void)fclose(file);
    return data;
}

static const char minimal[] = "listen: [{ address: 0.0.0.0:80, tier: web }]\n"
                              "tiers: { web: { hosts: [{ name: web-1, address: 10.0.0.1:80 }] } }";

/* ---- Defaults ---- */

struct initial {
    const char *path;
    const char *written;
    uint64_t value;
    uint64_t expected;
};

enum { INITIALS_MAX = 64 };

static size_t initials(const struct config *config, struct initial list[static INITIALS_MAX])
{
    const struct config_tier *t = &config->tiers[0];
    const struct config_update *u = &t->update;
    const uint64_t all_retries =
        CONFIG_RETRY_CONNECT | CONFIG_RETRY_RESET | CONFIG_RETRY_502 | CONFIG_RETRY_503;
    const struct initial known[] = {
        {"tiers.NAME.balance", "least_requests", t->balance, CONFIG_BALANCE_LEAST_REQUESTS},
        {"tiers.NAME.key.hash", "md5", t->key.hash, CONFIG_HASH_MD5},
        {"tiers.NAME.health.kind", "http", t->health.kind, CONFIG_HEALTH_HTTP},
        {"tiers.NAME.health.path", "/", strcmp(t->health.path, "/") == 0, 1},
        {"tiers.NAME.health.interval", "1s", t->health.interval_ms, 1000},
        {"tiers.NAME.health.timeout", "500ms", t->health.timeout_ms, 500},
        {"tiers.NAME.health.rise", "2", t->health.rise, 2},
        {"tiers.NAME.health.fall", "3", t->health.fall, 3},
        {"tiers.NAME.timeouts.connect", "1s", t->timeouts.connect_ms, 1000},
        {"tiers.NAME.timeouts.header", "10s", t->timeouts.header_ms, 10000},
        {"tiers.NAME.timeouts.body_idle", "30s", t->timeouts.body_idle_ms, 30000},
        {"tiers.NAME.timeouts.client_idle", "60s", t->timeouts.client_idle_ms, 60000},
        {"tiers.NAME.timeouts.server", "30s", t->timeouts.server_ms, 30000},
        {"tiers.NAME.timeouts.tunnel_idle", "1h", t->timeouts.tunnel_idle_ms, 3600000},
        {"tiers.NAME.slow_start", "10s", t->slow_start_ms, 10000},
        {"tiers.NAME.hold.time", "2s", t->hold.time_ms, 2000},
        {"tiers.NAME.hold.requests", "1000", t->hold.requests, 1000},
        {"tiers.NAME.retry.attempts", "2", t->retry.attempts, 2},
        {"tiers.NAME.retry.when", "connect, reset, 502, 503", t->retry.when, all_retries},
        {"tiers.NAME.retry.budget", "20%", t->retry.budget_ppm, 200000},
        {"tiers.NAME.hosts.weight", "100", t->hosts[0].weight, 100},
        {"tiers.NAME.standby.weight", "100", t->hosts[0].weight, 100},
        {"tiers.NAME.update.strategy", "rolling", u->strategy, CONFIG_STRATEGY_ROLLING},
        {"tiers.NAME.update.max_unavailable", "20%", u->max_unavailable.value, 200000},
        {"tiers.NAME.update.max_surge", "0", u->max_surge.value, 0},
        {"tiers.NAME.update.drain.timeout", "30s", u->drain_timeout_ms, 30000},
        {"tiers.NAME.update.drain.long_lived", "wait", u->long_lived, CONFIG_LONG_LIVED_WAIT},
        {"tiers.NAME.update.install.timeout", "10m", u->install_timeout_ms, 600000},
        {"tiers.NAME.update.reboot", "when_required", u->reboot, CONFIG_REBOOT_WHEN_REQUIRED},
        {"tiers.NAME.update.reboot_deadline", "10m", u->reboot_deadline_ms, 600000},
        {"tiers.NAME.update.verify.min_ready", "10s", u->min_ready_ms, 10000},
        {"tiers.NAME.update.verify.soak", "60s", u->soak_ms, 60000},
        {"tiers.NAME.update.verify.healthy_deadline", "5m", u->healthy_deadline_ms, 300000},
        {"tiers.NAME.update.verify.error_ratio_max", "1%", u->error_ratio_max_ppm, 10000},
        {"tiers.NAME.update.verify.shadow", "off", u->shadow, false},
        {"tiers.NAME.update.on_failure", "revert", u->on_failure, CONFIG_ON_FAILURE_REVERT},
        {"tiers.NAME.warm.hit_ratio", "measured", t->warm.hit_ratio_ppm, 0},
        {"state", "sqlite:/var/lib/nines/state.db",
         strcmp(config->state, "sqlite:/var/lib/nines/state.db") == 0, 1},
        {"admin", "/run/nines", strcmp(config->admin, "/run/nines") == 0, 1},
        {"log.access", "off", config->log.access == NULL, 1},
        {"log.format", "combined", config->log.format, CONFIG_LOG_COMBINED},
        {"limits.header_bytes", "16KiB", config->limits.header_bytes, 16384},
        {"limits.headers", "100", config->limits.headers, 100},
        {"limits.body_bytes", "unlimited", config->limits.body_bytes, CONFIG_UNLIMITED},
        {"limits.connections", "20000", config->limits.connections, 20000},
    };
    ck_assert_uint_le(COUNT_OF(known), INITIALS_MAX);
    memcpy(list, known, sizeof known);
    return COUNT_OF(known);
}

struct initials_known {
    struct initial list[INITIALS_MAX];
    size_t count;
    const char *reference;
};

/* The line of a setting in the reference page, which heads each section by its path. */
static void in_reference(const char *reference, const char *path, const char *written)
{
    const char *dot = strrchr(path, '.');
    char heading[128];
    char row[128];
    char cell[128];
    (void)snprintf(heading, sizeof heading, "\n## %.*s\n", dot == NULL ? 8 : (int)(dot - path),
                   dot == NULL ? "The file" : path);
    (void)snprintf(row, sizeof row, "\n| `%s` |", dot == NULL ? path : dot + 1);
    (void)snprintf(cell, sizeof cell, " | `%s` | ", written);
    const char *at = strstr(reference, heading);
    ck_assert_msg(at != NULL, "the reference has no %s", heading);
    at = strstr(at, row);
    ck_assert_msg(at != NULL, "the reference has no %s", row);
    const char *end = strchr(at + 1, '\n');
    const char *found = strstr(at, cell);
    ck_assert_msg(found != NULL && found < end, "the reference does not say %s for %s", cell, path);
}

static void check_initial(void *context, const char *path, const struct config_setting *row)
{
    const struct initials_known *known = context;
    if (row->initial == NULL)
        return;
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->list[i].path, path) != 0)
            continue;
        ck_assert_str_eq(row->initial, known->list[i].written);
        ck_assert_msg(known->list[i].value == known->list[i].expected, "%s is not %s", path,
                      row->initial);
        if (strncmp(path, "tiers.NAME.standby.", 19) != 0) /* Told with `hosts`. */
            in_reference(known->reference, path, row->initial);
        return;
    }
    ck_abort_msg("a default that no test knows: %s", path);
}

START_TEST(test_every_default_is_what_the_reference_says)
{
    struct config *config = parse(minimal);
    size_t size = 0;
    char *reference = file_read("docs/reference.md", &size);
    static struct initials_known known;
    known.count = initials(config, known.list);
    known.reference = reference;
    config_schema_each(check_initial, &known);
    free(reference);
    done(config);
}
END_TEST

START_TEST(test_a_minimal_config_asks_for_nothing_unbuilt)
{
    struct config *config = parse(minimal);
    ck_assert_uint_eq(problems.unbuilt, 0);
    ck_assert_uint_eq(config->threads, 0);
    ck_assert_ptr_null(config->user);
    ck_assert_ptr_null(config->ssh_config);
    ck_assert(!config->metrics_given);
    ck_assert_uint_eq(config->listener_count, 1);
    ck_assert_uint_eq(config->listeners[0].route_count, 1);
    ck_assert_ptr_null(config->listeners[0].routes[0].host);
    ck_assert_ptr_null(config->listeners[0].routes[0].path);
    const struct config_tier *web = &config->tiers[0];
    ck_assert_uint_eq(web->update.place.line, 0);
    ck_assert_int_eq(web->update.install, CONFIG_INSTALL_NONE);
    ck_assert(!web->update.floor_given);
    ck_assert(!web->update.failure_domain_zone);
    ck_assert(!web->warm.given);
    ck_assert_int_eq(web->hosts[0].driver, CONFIG_DRIVER_NONE);
    ck_assert_str_eq(web->hosts[0].machine, "web/web-1");
    done(config);
}
END_TEST

/* ---- A whole file ---- */

static void check_web(const struct config_tier *web)
{
    ck_assert_uint_eq(web->host_count, 9);
    ck_assert_uint_eq(web->standby_count, 0);
    const struct config_host *last = config_host_find(web, "web-9");
    ck_assert_ptr_eq(last, &web->hosts[8]);
    ck_assert_str_eq(last->address.text, "10.0.0.9:80");
    ck_assert_str_eq(last->address.host, "10.0.0.9");
    ck_assert_uint_eq(last->address.port, 80);
    ck_assert_str_eq(last->zone, "b");
    ck_assert_str_eq(last->ssh, "root@10.0.0.9");
    ck_assert_str_eq(last->machine, "10.0.0.9");
    ck_assert_int_eq(last->driver, CONFIG_DRIVER_SSH);
    ck_assert_str_eq(web->health.path, "/healthz");
    ck_assert(web->update.max_unavailable.percent);
    ck_assert(web->update.failure_domain_zone);
    ck_assert(web->update.floor_given);
    ck_assert_uint_eq(web->update.floor_ppm, 750000);
    ck_assert_int_eq(web->update.install, CONFIG_INSTALL_APT);
    ck_assert_uint_eq(web->update.package_count, 1);
    ck_assert_str_eq(web->update.packages[0], "openssl");
    ck_assert(!web->update.security);
    ck_assert(web->update.shadow);
}

static void check_proxies(const struct config_tier *proxies)
{
    ck_assert_uint_eq(proxies->host_count, 310);
    ck_assert_uint_eq(proxies->standby_count, 10);
    ck_assert_int_eq(proxies->balance, CONFIG_BALANCE_KEY);
    ck_assert_int_eq(proxies->key.from, CONFIG_KEY_QUERY);
    ck_assert_str_eq(proxies->key.name, "q");
    ck_assert_uint_eq(proxies->key.normalize, CONFIG_NORMALIZE_TRIM | CONFIG_NORMALIZE_SQUEEZE |
                                                  CONFIG_NORMALIZE_LOWERCASE);
    ck_assert_str_eq(proxies->hosts[0].name, "proxy-000");
    ck_assert_str_eq(proxies->hosts[299].name, "proxy-299");
    ck_assert_uint_eq(proxies->hosts[299].address.port, 10299);
    ck_assert(!proxies->hosts[299].standby);
    ck_assert_str_eq(proxies->hosts[300].name, "spare-0");
    ck_assert(proxies->hosts[300].standby);
    ck_assert(proxies->warm.given);
    ck_assert_uint_eq(proxies->warm.time_ms, 30 * 60 * 1000);
    ck_assert_uint_eq(proxies->warm.cold_max_ppm, 200000);
    ck_assert_uint_eq(proxies->warm.backend_load_max_ppm, 0);
}

START_TEST(test_the_site_example_is_accepted)
{
    size_t size = 0;
    char *text = file_read("examples/site.yaml", &size);
    struct config *config = parse(text);
    free(text); /* Nothing of the text is kept. */
    ck_assert_uint_eq(problems.errors, 0);
    ck_assert_uint_eq(config->tier_count, 3);
    const struct config_tier *web = config_tier_find(config, "web");
    const struct config_tier *api = config_tier_find(config, "api");
    check_web(web);
    check_proxies(config_tier_find(config, "proxies"));
    const struct config_listener *listener = &config->listeners[0];
    ck_assert(listener->tls);
    ck_assert_str_eq(listener->key, "/etc/nines/site.key");
    ck_assert_uint_eq(listener->route_count, 2);
    ck_assert_str_eq(listener->routes[0].host, "api.example.com");
    ck_assert_str_eq(listener->routes[0].path, "/v1/");
    ck_assert_ptr_eq(&config->tiers[listener->routes[0].tier], api);
    ck_assert_ptr_eq(&config->tiers[listener->routes[1].tier], web);
    ck_assert_uint_eq(config->file_count, 3);
    ck_assert_str_eq(config->files[0].path, "/etc/nines/site.pem");
    ck_assert_str_eq(config->files[0].setting, "listen.tls.certificate");
    ck_assert_uint_eq(config->files[0].place.line, 3);
    ck_assert_str_eq(config->metrics.text, "127.0.0.1:9101");
    ck_assert_uint_eq(config->threads, 2);
    ck_assert_str_eq(config->log.access, "/var/log/nines/access.log");
    ck_assert_str_eq(config->user, "nines");
    done(config);
}
END_TEST

START_TEST(test_unbuilt_settings_are_found_once_each_with_their_tier)
{
    static const struct {
        const char *setting;
        const char *tier;
    } wanted[] = {
        {"listen.tls", NULL},
        {"tiers.web.update.verify.shadow", "web"},
        {"tiers.proxies.balance", "proxies"},
        {"tiers.proxies.key", "proxies"},
        {"tiers.proxies.standby", "proxies"},
        {"tiers.proxies.warm", "proxies"},
    };
    size_t size = 0;
    char *text = file_read("examples/site.yaml", &size);
    struct config *config = parse(text);
    size_t found = 0;
    for (size_t i = 0; i < problems.count; i++) {
        const struct config_problem *problem = &problems.items[i];
        if (problem->severity != CONFIG_UNBUILT)
            continue;
        ck_assert_uint_lt(found, COUNT_OF(wanted));
        ck_assert_str_eq(problem->setting, wanted[found].setting);
        ck_assert_pstr_eq(problem->tier, wanted[found].tier);
        found++;
    }
    ck_assert_uint_eq(found, COUNT_OF(wanted));
    ck_assert_uint_eq(problems.unbuilt, COUNT_OF(wanted));
    free(text);
    done(config);
}
END_TEST

START_TEST(test_all_examples_are_accepted)
{
    static const char *const files[] = {"examples/minimal.yaml", "examples/rolling.yaml",
                                        "examples/proxies.yaml"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        size_t size = 0;
        char *text = file_read(files[i], &size);
        done(parse(text));
        free(text);
    }
}
END_TEST

/* ---- What callers do with it ---- */

START_TEST(test_references_keep_a_config_alive)
{
    struct config *config = parse(minimal);
    struct config *other = config_ref(config);
    ck_assert_ptr_eq(config, other);
    config_unref(config);
    ck_assert_str_eq(other->tiers[0].name, "web");
    done(other);
    config_unref(NULL);
}
END_TEST

START_TEST(test_a_changed_text_has_another_hash)
{
    struct config *one = parse(minimal);
    config_problems_done(&problems);
    char changed[sizeof minimal + 1];
    (void)snprintf(changed, sizeof changed, "%s\n", minimal);
    struct config *two = parse(changed);
    ck_assert_uint_ne(one->hash, two->hash);
    config_unref(one);
    done(two);
}
END_TEST

START_TEST(test_names_are_found_and_suggested)
{
    struct config *config =
        parse("listen: [{ address: 0.0.0.0:80, tier: web }]\n"
              "tiers:\n"
              "  web: { hosts: [{ name: \"web-[01-40]\", address: \"10.0.0.[1-40]:80\" }] }\n"
              "  api: { hosts: [{ name: api-1, address: 10.0.1.1:80 }] }\n");
    const struct config_tier *web = config_tier_find(config, "web");
    ck_assert_ptr_eq(web, &config->tiers[0]);
    ck_assert_ptr_null(config_tier_find(config, "we"));
    ck_assert_str_eq(config_tier_suggest(config, "wbe"), "web");
    ck_assert_ptr_null(config_tier_suggest(config, "storage"));
    for (size_t i = 0; i < web->host_count; i++)
        ck_assert_ptr_eq(config_host_find(web, web->hosts[i].name), &web->hosts[i]);
    ck_assert_ptr_null(config_host_find(web, "web-1"));
    ck_assert_ptr_null(config_host_find(web, ""));
    ck_assert_str_eq(config_host_suggest(web, "web-1"), "web-01");
    done(config);
}
END_TEST

START_TEST(test_amounts_round_as_promised)
{
    const struct config_amount fifth = {.percent = true, .value = 200000};
    ck_assert_uint_eq(config_amount_floor(fifth, 9), 1);
    ck_assert_uint_eq(config_amount_ceil(fifth, 9), 2);
    ck_assert_uint_eq(config_amount_floor(fifth, 4), 0);
    ck_assert_uint_eq(config_amount_floor(fifth, CONFIG_HOSTS_MAX), CONFIG_HOSTS_MAX / 5);
    const struct config_amount whole = {.percent = true, .value = CONFIG_PPM};
    ck_assert_uint_eq(config_amount_ceil(whole, 7), 7);
    const struct config_amount three = {.value = 3};
    ck_assert_uint_eq(config_amount_floor(three, 9), 3);
    ck_assert_uint_eq(config_amount_floor(three, 2), 2);
    ck_assert_uint_eq(config_amount_ceil(three, 2), 3);
}
END_TEST

START_TEST(test_names_of_words)
{
    ck_assert_str_eq(config_balance_name(CONFIG_BALANCE_POWER_OF_TWO), "power_of_two");
    ck_assert_str_eq(config_strategy_name(CONFIG_STRATEGY_BLUE_GREEN), "blue_green");
    ck_assert_str_eq(config_driver_name(CONFIG_DRIVER_SSH), "ssh");
    ck_assert_str_eq(config_driver_name(CONFIG_DRIVER_NONE), "none");
}
END_TEST

START_TEST(test_every_file_that_must_be_there_is_listed)
{
    struct text text;
    text_init(&text, 1024 * 1024);
    text_add(&text, "listen:\n");
    for (int i = 1; i <= 12; i++)
        text_format(
            &text,
            "  - { address: 0.0.0.0:%d, tier: web, tls: { certificate: /c%d, key: /k%d } }\n", i, i,
            i);
    text_add(&text, "tiers: { web: { hosts: [{ name: web-1, address: 10.0.0.1:80 }] } }\n");
    struct config *config = parse(text.data);
    ck_assert_uint_eq(config->file_count, 24);
    ck_assert_str_eq(config->files[0].path, "/c1");
    ck_assert_str_eq(config->files[23].path, "/k12");
    ck_assert_str_eq(config->files[23].setting, "listen.tls.key");
    ck_assert_uint_eq(config->files[23].place.line, 13);
    text_done(&text);
    done(config);
}
END_TEST

/* ---- Size ---- */

static struct config *parse_many(const char *address, size_t count, struct text *text)
{
    text_init(text, CONFIG_BYTES_MAX);
    text_add(text, "listen: [{ address: 0.0.0.0:80, tier: web }]\ntiers:\n  web:\n    hosts:\n");
    for (size_t i = 0; i < count; i++) {
        text_format(text, "      - { name: web-%zu, %s: 10.%zu.%zu.%zu:80, driver: local }\n", i,
                    address, (i >> 16) & 255, (i >> 8) & 255, i & 255);
    }
    ck_assert(!text->failed);
    config_problems_init(&problems);
    return config_parse("nines.yaml", text_slice(text), &problems);
}

START_TEST(test_a_hundred_thousand_hosts)
{
    struct text text;
    struct config *config = parse_many("address", CONFIG_HOSTS_MAX, &text);
    ck_assert_ptr_nonnull(config);
    const struct config_tier *web = &config->tiers[0];
    ck_assert_uint_eq(web->host_count, CONFIG_HOSTS_MAX);
    ck_assert_ptr_eq(config_host_find(web, "web-77777"), &web->hosts[77777]);
    text_done(&text);
    done(config);
}
END_TEST

START_TEST(test_one_host_too_many)
{
    struct config_problems *found = &problems;
    struct text text;
    struct config *config = parse_many("address", CONFIG_HOSTS_MAX + 1, &text);
    ck_assert_ptr_null(config);
    ck_assert_str_eq(found->items[0].text,
                     "nines.yaml:3:3: tier 'web' has 100001 hosts; 100000 is the most");
    text_done(&text);
    done(NULL);
}
END_TEST

START_TEST(test_many_errors_are_all_counted_and_the_first_are_kept)
{
    struct text text;
    struct config *config = parse_many("adress", 1000, &text);
    ck_assert_ptr_null(config);
    ck_assert_uint_eq(problems.errors, 1000);
    ck_assert_uint_eq(problems.count, CONFIG_PROBLEMS_MAX);
    for (uint32_t i = 0; i < CONFIG_PROBLEMS_MAX; i++)
        ck_assert_uint_eq(problems.items[i].place.line, 5 + i);
    text_done(&text);
    done(NULL);
}
END_TEST

START_TEST(test_a_file_that_is_too_large)
{
    const struct slice text = {.data = minimal, .size = (size_t)CONFIG_BYTES_MAX + 1};
    config_problems_init(&problems);
    ck_assert_ptr_null(
        config_parse("nines.yaml", text, &problems)); /* Refused by its size alone. */
    ck_assert_str_eq(problems.items[0].text,
                     "nines.yaml:1:1: the file has 67108865 bytes; 64 MiB is the most");
    done(NULL);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_every_default_is_what_the_reference_says);
    tcase_add_test(c, test_a_minimal_config_asks_for_nothing_unbuilt);
    tcase_add_test(c, test_the_site_example_is_accepted);
    tcase_add_test(c, test_unbuilt_settings_are_found_once_each_with_their_tier);
    tcase_add_test(c, test_all_examples_are_accepted);
    tcase_add_test(c, test_references_keep_a_config_alive);
    tcase_add_test(c, test_a_changed_text_has_another_hash);
    tcase_add_test(c, test_names_are_found_and_suggested);
    tcase_add_test(c, test_amounts_round_as_promised);
    tcase_add_test(c, test_names_of_words);
    tcase_add_test(c, test_every_file_that_must_be_there_is_listed);
    tcase_add_test(c, test_a_hundred_thousand_hosts);
    tcase_add_test(c, test_one_host_too_many);
    tcase_add_test(c, test_many_errors_are_all_counted_and_the_first_are_kept);
    tcase_add_test(c, test_a_file_that_is_too_large);
}

UNIT_MAIN(tests)
