#include "bad.h"

static const struct bad_case values_are_checked_cases[] = {
    {TIER "    slow_start: 5\n",
     "nines.yaml:5:17: 'slow_start' in tier 'web' is '5', which has no unit; did you mean '5s'?"},
    {TIER "    slow_start: 1.5s\n",
     "nines.yaml:5:17: 'slow_start' in tier 'web' is '1.5s'; a duration is a whole number and a "
     "unit; did you mean '1500ms'?"},
    {TIER "    slow_start: 10 sec\n", "nines.yaml:5:17: 'slow_start' in tier 'web' is '10 sec', in "
                                      "which 'sec' is no unit; did you mean '10s'?"},
    {TIER "    slow_start: 5minutes\n",
     "nines.yaml:5:17: 'slow_start' in tier 'web' is '5minutes', in which 'minutes' is no unit; "
     "did you mean '5m'?"},
    {TIER "    slow_start: soon\n", "nines.yaml:5:17: 'slow_start' in tier 'web' is 'soon'; it "
                                    "must be a duration: a number and a unit (ms, s, m, h or d)"},
    {TIER "    slow_start: -1s\n", "nines.yaml:5:17: 'slow_start' in tier 'web' is '-1s'; it must "
                                   "be a duration: a number and a unit (ms, s, m, h or d)"},
    {TIER "    slow_start: 99999999999999999999s\n",
     "nines.yaml:5:17: 'slow_start' in tier 'web' is '99999999999999999999s'; it must be between "
     "0ms and 1d"},
    {TIER "    slow_start:\n",
     "nines.yaml:5:16: 'slow_start' in tier 'web' has no value; give it one or remove it"},
    {TIER "    slow_start: [1s]\n",
     "nines.yaml:5:17: 'slow_start' in tier 'web' must be a single value, not a list"},
    {TIER "    timeouts: { connect: 0s, server: 2d }\n",
     "nines.yaml:5:26: 'timeouts.connect' in tier 'web' is '0s'; it must be between 1ms and 1h\n"
     "nines.yaml:5:38: 'timeouts.server' in tier 'web' is '2d'; it must be between 1ms and 1d"},
    {TIER "    health: { interval: 1ms, timeout: 0ms, rise: 0, fall: x }\n",
     "nines.yaml:5:25: 'health.interval' in tier 'web' is '1ms'; it must be between 10ms and 1h\n"
     "nines.yaml:5:39: 'health.timeout' in tier 'web' is '0ms'; it must be between 1ms and 1h\n"
     "nines.yaml:5:50: 'health.rise' in tier 'web' is '0'; it must be between 1 and 1000\n"
     "nines.yaml:5:59: 'health.fall' in tier 'web' is 'x'; it must be a whole number"},
    {TIER "    health: maybe\n",
     "nines.yaml:5:13: 'health' in tier 'web' is 'maybe', not one of http, tcp, off, or a mapping"},
    {TIER "    health: { path: healthz }\n",
     "nines.yaml:5:21: 'health.path' in tier 'web' is 'healthz', which does not start with '/'; "
     "did you mean '/healthz'?"},
    {TIER "    health: { path: \"/a b\" }\n", "nines.yaml:5:21: 'health.path' in tier 'web' is '/a "
                                              "b'; it must be printable ASCII without spaces"},
    {TIER "    hold: { time: 2m, requests: -1 }\n",
     "nines.yaml:5:19: 'hold.time' in tier 'web' is '2m'; it must be between 0ms and 1m\n"
     "nines.yaml:5:33: 'hold.requests' in tier 'web' is '-1'; it must be a whole number"},
    {TIER "    retry: { attempts: 11, when: [conect, reset, reset], budget: 20 }\n",
     "nines.yaml:5:24: 'retry.attempts' in tier 'web' is '11'; it must be between 0 and 10\n"
     "nines.yaml:5:35: 'retry.when' in tier 'web' is 'conect', not one of connect, reset, 502, "
     "503; did you mean 'connect'?\n"
     "nines.yaml:5:50: 'retry.when' in tier 'web' holds 'reset' twice\n"
     "nines.yaml:5:66: 'retry.budget' in tier 'web' is '20'; did you mean '20%'?"},
    {TIER "    retry: { when: connect, budget: 120% }\n",
     "nines.yaml:5:20: 'retry.when' in tier 'web' must be a list, not a single value\n"
     "nines.yaml:5:37: 'retry.budget' in tier 'web' is '120%'; it must be between 0% and 100%"},
    {TIER "    retry: { budget: lots }\n",
     "nines.yaml:5:22: 'retry.budget' in tier 'web' is 'lots'; it must be a share, such as 20%"},
    {TIER "limits: { header_bytes: 16, headers: 1e3, body_bytes: 10MB, connections: 0 }\n",
     "nines.yaml:5:25: 'limits.header_bytes' is '16', which has no unit; did you mean '16KiB'?\n"
     "nines.yaml:5:38: 'limits.headers' is '1e3'; it must be a whole number\n"
     "nines.yaml:5:55: 'limits.body_bytes' is '10MB', in which 'MB' is no unit; did you mean "
     "'10MiB'?\n"
     "nines.yaml:5:74: 'limits.connections' is '0'; it must be between 1 and 10000000"},
    {TIER "limits: { header_bytes: 16k, body_bytes: infinite }\n",
     "nines.yaml:5:25: 'limits.header_bytes' is '16k', in which 'k' is no unit; did you mean "
     "'16KiB'?\n"
     "nines.yaml:5:42: 'limits.body_bytes' is 'infinite'; it must be a size: a number and a unit "
     "(B, KiB, MiB or GiB)"},
    {TIER "limits: { header_bytes: 1MiB, body_bytes: 1.5GiB }\n",
     "nines.yaml:5:25: 'limits.header_bytes' is '1MiB'; it must be between 1KiB and 64KiB\n"
     "nines.yaml:5:43: 'limits.body_bytes' is '1.5GiB'; a size is a whole number and a unit; did "
     "you mean '1536MiB'?"},
    {TIER "threads: 300\n", "nines.yaml:5:10: 'threads' is '300'; it must be between 1 and 256"},
    {TIER "threads: 0\n", "nines.yaml:5:10: 'threads' is '0'; it must be between 1 and 256"},
    {TIER "threads: two\n", "nines.yaml:5:10: 'threads' is 'two'; it must be a whole number"},
    {TIER "state: /var/lib/nines/state.db\n",
     "nines.yaml:5:8: 'state' is '/var/lib/nines/state.db'; did you mean "
     "'sqlite:/var/lib/nines/state.db'?"},
    {TIER "state: sqlite:state.db\n",
     "nines.yaml:5:8: 'state' is 'sqlite:state.db'; the path after 'sqlite:' must be absolute"},
    {TIER "state: mysql://x\n",
     "nines.yaml:5:8: 'state' is 'mysql://x'; it must be sqlite:PATH or etcd://HOST:PORT/NAME"},
    {TIER "admin: run/nines\n",
     "nines.yaml:5:8: 'admin' is 'run/nines'; it must be an absolute path (start with '/')"},
    {TIER "admin: "
          "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxx\n",
     "nines.yaml:5:8: 'admin' is "
     "'/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...', longer than 80 "
     "bytes"},
    {TIER "user: \"no such\"\n",
     "nines.yaml:5:7: 'user' is 'no such', which is not the name of a user"},
    {TIER "ssh_config: ~/.ssh/config\n", "nines.yaml:5:13: 'ssh_config' is '~/.ssh/config'; it "
                                         "must be an absolute path (start with '/')"},
    {TIER "log: { access: access.log, format: apache }\n",
     "nines.yaml:5:16: 'log.access' is 'access.log'; it must be off, stdout or an absolute path\n"
     "nines.yaml:5:36: 'log.format' is 'apache', not one of combined, json"},
    {TIER "log:\n", "nines.yaml:5:5: 'log' has no value; give it one or remove it"},
    {TIER "log: off\n", "nines.yaml:5:6: 'log' must be a mapping, not a single value"},
};

static const struct bad_case rare_values_are_checked_cases[] = {
    {TIER "    retry: { budget: 0.12345% }\n", "nines.yaml:5:22: 'retry.budget' in tier 'web' is "
                                               "'0.12345%'; it must be a share, such as 20%"},
    {TIER "    retry: { budget: 1.% }\n",
     "nines.yaml:5:22: 'retry.budget' in tier 'web' is '1.%'; it must be a share, such as 20%"},
    {TIER "    retry: { budget: \"%\" }\n",
     "nines.yaml:5:22: 'retry.budget' in tier 'web' is '%'; it must be a share, such as 20%"},
    {TIER "    slow_start: 1.s\n",
     "nines.yaml:5:17: 'slow_start' in tier 'web' is '1.s'; a duration "
     "is a whole number and a unit (ms, s, m, h or d)"},
    {TIER "    health: { path: \"/#top\" }\n",
     "nines.yaml:5:21: 'health.path' in tier 'web' is '/#top'; a path cannot hold '#'"},
    {TIER "    hold: { requests: 99999999999999999999 }\n",
     "nines.yaml:5:23: 'hold.requests' in tier 'web' is '99999999999999999999'; it must be between "
     "0 and 1000000"},
    {TIER "limits: { body_bytes: 0B }\n",
     "nines.yaml:5:23: 'limits.body_bytes' is '0B'; it must be between 1B and unlimited"},
    {TIER "limits: { header_bytes: 16M }\n",
     "nines.yaml:5:25: 'limits.header_bytes' is '16M', in which 'M' is no unit; did you mean "
     "'16MiB'?"},
    {TIER "limits: { header_bytes: unlimited }\n",
     "nines.yaml:5:25: 'limits.header_bytes' is 'unlimited'; it must be a size: a number and a "
     "unit "
     "(B, KiB, MiB or GiB)"},
    {TIER "    balance: key\n    key: { path: /x }\n",
     "nines.yaml:5:5: warning: 'balance' in tier 'web' is 'key', which is not built in this "
     "version: serve and update refuse it\n"
     "nines.yaml:6:5: warning: 'key' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:6:18: 'key.path' in tier 'web' is '/x'; it can only be on"},
    {TIER "    warm: { time: 1m, backend_load_max: 20%, hit_ratio: half }\n",
     "nines.yaml:5:5: warning: 'warm' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:5:57: 'warm.hit_ratio' in tier 'web' is 'half'; it must be 'measured' or a share, "
     "such as 90%"},
    {TIER "    retry: { when: [connect, , reset] }\n", "nines.yaml:5:30: a value is expected here"},
    {TIER "    retry: { when: [connect, ~] }\n",
     "nines.yaml:5:30: 'retry.when' in tier 'web' holds an entry without a value"},
};

START_TEST(test_rare_values_are_checked)
{
    BAD_RUN_ALL(rare_values_are_checked_cases);
}
END_TEST

START_TEST(test_values_are_read)
{
    static struct config_problems problems;
    config_problems_init(&problems);
    struct config *config = config_parse(
        "f",
        SLICE(TIER "    health: { kind: tcp, interval: 250ms, timeout: 100ms }\n"
                   "    timeouts: { connect: 2m, tunnel_idle: 7d, server: 24h }\n"
                   "    hold: { time: 0s, requests: 0 }\n"
                   "    retry: { attempts: 0, when: [503, \"connect\"], budget: 0.05% }\n"
                   "    update:\n"
                   "      max_unavailable: 33.3333%\n"
                   "      floor: 12.5%\n"
                   "      install:\n"
                   "        method: command\n"
                   "        command: [/bin/sh, -c, \"echo 'a b'\\n\", \"\"]\n"
                   "        check: [/bin/true]\n"
                   "limits: { header_bytes: 2048B, body_bytes: 3GiB }\n"
                   "log: { access: stdout, format: json }\n"
                   "threads: 7\n"),
        &problems);
    ck_assert_uint_eq(problems.count, 0);
    const struct config_tier *web = &config->tiers[0];
    ck_assert_int_eq(web->health.kind, CONFIG_HEALTH_TCP);
    ck_assert_uint_eq(web->health.interval_ms, 250);
    ck_assert_uint_eq(web->timeouts.connect_ms, 120000);
    ck_assert_uint_eq(web->timeouts.tunnel_idle_ms, 7U * 86400000);
    ck_assert_uint_eq(web->timeouts.server_ms, 86400000);
    ck_assert_uint_eq(web->hold.time_ms, 0);
    ck_assert_uint_eq(web->retry.when, CONFIG_RETRY_503 | CONFIG_RETRY_CONNECT);
    ck_assert_uint_eq(web->retry.budget_ppm, 500);
    ck_assert_uint_eq(web->update.max_unavailable.value, 333333);
    ck_assert_uint_eq(web->update.floor_ppm, 125000);
    ck_assert_uint_eq(web->update.command.count, 4);
    ck_assert_str_eq(web->update.command.words[2], "echo 'a b'\n");
    ck_assert_str_eq(web->update.command.words[3], "");
    ck_assert_ptr_null(web->update.command.words[4]);
    ck_assert_uint_eq(web->update.command_check.count, 1);
    ck_assert_uint_eq(config->limits.header_bytes, 2048);
    ck_assert_uint_eq(config->limits.body_bytes, 3ULL << 30);
    ck_assert_str_eq(config->log.access, "stdout");
    ck_assert_int_eq(config->log.format, CONFIG_LOG_JSON);
    ck_assert_uint_eq(config->threads, 7);
    config_unref(config);
    config_problems_done(&problems);
}
END_TEST

START_TEST(test_off_is_off_however_written)
{
    static const char *const words[] = {"off", "false", "no"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        static struct config_problems problems;
        char text[1024];
        (void)snprintf(text, sizeof text,
                       TIER "    health: %s\n    update: { install: { method: reboot }, verify: { "
                            "shadow: %s } }\nlog: { access: %s }\n",
                       words[i], words[i], words[i]);
        config_problems_init(&problems);
        struct config *config = config_parse("f", slice_of(text), &problems);
        ck_assert_uint_eq(problems.count, 0);
        ck_assert_int_eq(config->tiers[0].health.kind, CONFIG_HEALTH_OFF);
        ck_assert(!config->tiers[0].update.shadow);
        ck_assert_ptr_null(config->log.access);
        config_unref(config);
        config_problems_done(&problems);
    }
}
END_TEST

START_TEST(test_values_are_checked)
{
    BAD_RUN_ALL(values_are_checked_cases);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_values_are_checked);
    tcase_add_test(c, test_rare_values_are_checked);
    tcase_add_test(c, test_values_are_read);
    tcase_add_test(c, test_off_is_off_however_written);
}

UNIT_MAIN(tests)
