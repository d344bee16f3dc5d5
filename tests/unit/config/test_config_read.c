#include "bad.h"

static const struct bad_case unknown_settings_are_named_with_what_was_meant_cases[] = {
    {"listn: []\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:1:1: unknown setting 'listn'; did you mean 'listen'?"},
    {TIER "treads: 2\n", "nines.yaml:5:1: unknown setting 'treads'; did you mean 'threads'?"},
    {TIER "log: { acces: off }\n",
     "nines.yaml:5:8: unknown setting 'acces' in 'log'; did you mean 'access'?"},
    {TIER "zzz: 1\n", "nines.yaml:5:1: unknown setting 'zzz'; known here: listen, tiers, state, "
                      "admin, metrics, threads, user, ssh_config, log, limits"},
    {TIER "    strtegy: canary\n", "nines.yaml:5:5: unknown setting 'strtegy' in tier 'web'; did "
                                   "you mean 'strategy' under 'update'?"},
    {TIER "    update:\n"
          "      strtegy: rolling\n",
     "nines.yaml:6:7: unknown setting 'strtegy' in tier 'web'; did you mean 'strategy'?"},
    {TIER "    update: { drain: { time_out: 30s } }\n",
     "nines.yaml:5:24: unknown setting 'time_out' in tier 'web'; did you mean 'timeout'?"},
    {TIER "    health: { retry: { attempts: 1 } }\n",
     "nines.yaml:5:15: unknown setting 'retry' in tier 'web'; it belongs to a tier: indent it "
     "less"},
    {TIER "    update: { listen: 1 }\n", "nines.yaml:5:15: unknown setting 'listen' in tier 'web'; "
                                         "it belongs to the top of the file: indent it less"},
    {WEB "    hots: [{name: a, address: 10.0.0.1:80}]\n",
     "nines.yaml:4:5: unknown setting 'hots' in tier 'web'; did you mean 'hosts'?"},
    {WEB "    hosts:\n"
         "      - { nam: web-1, address: 10.0.0.1:80 }\n",
     "nines.yaml:5:11: unknown setting 'nam' in a host of tier 'web'; did you mean 'name'?"},
    {WEB "    hosts:\n"
         "      - { name: web-1, adress: 10.0.0.1:80 }\n",
     "nines.yaml:5:24: unknown setting 'adress' in host 'web-1' of tier 'web'; did you mean "
     "'address'?"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, Zone: a }\n",
     "nines.yaml:5:46: unknown setting 'Zone' in host 'web-1' of tier 'web'; did you mean 'zone'?"},
    {"listen:\n"
     "  - { adress: 0.0.0.0:80, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:7: unknown setting 'adress' in a listener; did you mean 'address'?"},
};

START_TEST(test_unknown_settings_are_named_with_what_was_meant)
{
    BAD_RUN_ALL(unknown_settings_are_named_with_what_was_meant_cases);
}
END_TEST

static const struct bad_case missing_settings_are_named_cases[] = {
    {"tiers: {web: {hosts: [{name: a, address: 10.0.0.1:80}]}}\n",
     "nines.yaml:1:1: the config needs 'listen'\n"
     "nines.yaml:1:15: warning: no host of tier 'web' has a driver: `nines update web` will "
     "refuse"},
    {LISTEN, "nines.yaml:1:1: the config needs 'tiers'"},
    {LISTEN "tiers:\n", "nines.yaml:2:7: 'tiers' has no value; give it one or remove it"},
    {LISTEN "tiers: {}\n", "nines.yaml:2:8: 'tiers' is empty; it needs at least one entry"},
    {LISTEN "tiers: []\n",
     "nines.yaml:2:8: 'tiers' must be a mapping of names to tiers, not a list"},
    {WEB, "nines.yaml:3:7: tier 'web' has no value; give it one or remove it"},
    {WEB "    balance: random\n", "nines.yaml:3:3: tier 'web' needs 'hosts'"},
    {WEB "    hosts: []\n",
     "nines.yaml:4:12: 'hosts' in tier 'web' is empty; it needs at least one host"},
    {WEB "    hosts: { web-1: 10.0.0.1:80 }\n",
     "nines.yaml:4:12: 'hosts' in tier 'web' must be a list of hosts, each a mapping ({ name: "
     "web-1, address: 10.0.0.1:80 })"},
    {WEB "    hosts: [web-1, web-2]\n",
     "nines.yaml:4:13: a host of tier 'web' must be a mapping, not a single value\n"
     "nines.yaml:4:20: a host of tier 'web' must be a mapping, not a single value"},
    {WEB "    hosts:\n",
     "nines.yaml:4:11: 'hosts' in tier 'web' has no value; give it one or remove it"},
    {WEB "    hosts:\n"
         "      - { name: web-1 }\n"
         "      - { address: 10.0.0.1:80 }\n",
     "nines.yaml:5:9: host 'web-1' of tier 'web' needs 'address'\n"
     "nines.yaml:6:9: a host of tier 'web' needs 'name'"},
    {"listen: []\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:1:9: 'listen' is empty; it needs at least one entry"},
    {"listen: 0.0.0.0:80\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:1:9: 'listen' must be a list, not a single value"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80 }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:5: listener '0.0.0.0:80' needs 'tier' or 'routes'"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80, tier: wbe }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:34: 'tier' in listener '0.0.0.0:80' is 'wbe', and there is no such tier; did "
     "you mean 'web'?"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80, tier: proxies }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:34: 'tier' in listener '0.0.0.0:80' is 'proxies', and there is no such tier"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80, tier: web, routes: [{tier: web}] }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:28: listener '0.0.0.0:80' has both 'routes' and 'tier'; the tier can be the "
     "last of the routes"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80, routes: [] }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:36: 'routes' in listener '0.0.0.0:80' is empty; it needs at least one entry"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80, routes: [{host: a_b, tier: web}, {path: v1, tier: web}, {path: "
     "/}, {path: /x, teir: web}] }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:44: 'host' in a route of listener '0.0.0.0:80' is 'a_b', which is neither a "
     "host name nor an address\n"
     "nines.yaml:2:68: 'path' in a route of listener '0.0.0.0:80' is 'v1', which does not start "
     "with '/'; did you mean '/v1'?\n"
     "nines.yaml:2:84: a route of listener '0.0.0.0:80' needs 'tier'\n"
     "nines.yaml:2:106: unknown setting 'teir' in a route of listener '0.0.0.0:80'; did you mean "
     "'tier'?"},
    {"listen:\n"
     "  - { address: 0.0.0.0:443, tier: web, tls: { certificate: site.pem } }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:40: warning: 'tls' in listener '0.0.0.0:443' is not built in this version: "
     "serve and update refuse it\n"
     "nines.yaml:2:40: 'tls' in listener '0.0.0.0:443' needs 'key'\n"
     "nines.yaml:2:60: 'tls.certificate' in listener '0.0.0.0:443' is 'site.pem'; it must be an "
     "absolute path (start with '/')"},
    {TIER "metrics: {}\n", "nines.yaml:5:1: 'metrics' needs 'address'"},
    {TIER "metrics: 127.0.0.1:9101\n",
     "nines.yaml:5:10: 'metrics' must be a mapping, not a single value"},
};

START_TEST(test_missing_settings_are_named)
{
    BAD_RUN_ALL(missing_settings_are_named_cases);
}
END_TEST

static const struct bad_case choices_are_checked_cases[] = {
    {TIER "    balance: least_request\n",
     "nines.yaml:5:14: 'balance' in tier 'web' is 'least_request', not one of round_robin, "
     "least_requests, power_of_two, random, key; did you mean 'least_requests'?"},
    {TIER "    balance: leastconn\n",
     "nines.yaml:5:14: 'balance' in tier 'web' is 'leastconn', not one of round_robin, "
     "least_requests, power_of_two, random, key"},
    {TIER "    balance: key\n",
     "nines.yaml:5:5: warning: 'balance' in tier 'web' is 'key', which is not built in this "
     "version: serve and update refuse it\n"
     "nines.yaml:5:5: 'balance: key' in tier 'web' needs 'key', such as { query: q }"},
    {TIER "    balance: key\n"
          "    key: { query: q, cookie: c }\n",
     "nines.yaml:5:5: warning: 'balance' in tier 'web' is 'key', which is not built in this "
     "version: serve and update refuse it\n"
     "nines.yaml:6:5: warning: 'key' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:6:5: 'key' in tier 'web' names 2 sources of the key; it needs exactly one of "
     "query, header, cookie and path"},
    {TIER "    balance: key\n"
          "    key: { normalize: [trim], hash: sha1 }\n",
     "nines.yaml:5:5: warning: 'balance' in tier 'web' is 'key', which is not built in this "
     "version: serve and update refuse it\n"
     "nines.yaml:6:5: warning: 'key' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:6:37: 'key.hash' in tier 'web' is 'sha1', not one of md5, xxh3"},
    {TIER "    warm: { time: 30m }\n",
     "nines.yaml:5:5: warning: 'warm' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:5:5: 'warm' in tier 'web' needs 'cold_max' or 'backend_load_max'"},
    {TIER "    warm: { cold_max: 20% }\n", "nines.yaml:5:5: warning: 'warm' in tier 'web' is not "
                                           "built in this version: serve and update refuse it\n"
                                           "nines.yaml:5:5: 'warm' in tier 'web' needs 'time'"},
    {TIER "    warm: { time: 30m, backend_load_max: 20%, hit_ratio: 100% }\n",
     "nines.yaml:5:5: warning: 'warm' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:5:58: 'warm.hit_ratio' in tier 'web' is '100%'; it must be between 0.0001% and "
     "99.9999%"},
    {TIER "    update: rolling\n",
     "nines.yaml:5:13: 'update' in tier 'web' must be a mapping, not a single value"},
    {TIER "    update: { strategy: roling }\n",
     "nines.yaml:5:25: 'update.strategy' in tier 'web' is 'roling', not one of rolling, canary, "
     "blue_green, red_black, recreate; did you mean 'rolling'?"},
    {TIER "    update: { max_unavailable: some, max_surge: 200%, floor: 75 }\n",
     "nines.yaml:5:32: 'update.max_unavailable' in tier 'web' is 'some'; it must be a share, such "
     "as 20%, or a number of hosts\n"
     "nines.yaml:5:49: 'update.max_surge' in tier 'web' is '200%'; it must be between 0% and 100%\n"
     "nines.yaml:5:62: 'update.floor' in tier 'web' is '75'; did you mean '75%'?"},
    {TIER "    update: { drain: 30s }\n",
     "nines.yaml:5:22: 'update.drain' in tier 'web' must be a mapping, not a single value"},
    {TIER "    update: { drain: { timeout: 0s, long_lived: kill } }\n",
     "nines.yaml:5:33: 'update.drain.timeout' in tier 'web' is '0s'; it must be between 1ms and "
     "1d\n"
     "nines.yaml:5:49: 'update.drain.long_lived' in tier 'web' is 'kill', not one of wait, close"},
    {TIER "    update: { failure_domain: rack }\n",
     "nines.yaml:5:31: 'update.failure_domain' in tier 'web' is 'rack', not one of none, zone"},
    {TIER "    update: { install: { packages: [openssl] } }\n",
     "nines.yaml:5:15: 'update.install' in tier 'web' needs 'method'"},
    {TIER "    update: { install: { method: apt } }\n",
     "nines.yaml:5:15: 'update.install' in tier 'web' needs 'packages' with 'method: apt'"},
    {TIER "    update: { install: { method: apt, pakages: [openssl] } }\n",
     "nines.yaml:5:39: unknown setting 'pakages' in tier 'web'; did you mean 'packages'?"},
    {TIER "    update: { install: { method: apt, packages: openssl } }\n",
     "nines.yaml:5:49: 'update.install.packages' in tier 'web' must be 'security' or a list of "
     "names, not a single value"},
    {TIER "    update: { install: { method: apt, packages: [security] } }\n",
     "nines.yaml:5:50: 'update.install.packages' in tier 'web' holds 'security' among names; did "
     "you mean 'packages: security'?"},
    {TIER "    update: { install: { method: apt, packages: [] } }\n",
     "nines.yaml:5:49: 'update.install.packages' in tier 'web' is empty; it needs at least one "
     "entry"},
    {TIER
     "    update: { install: { method: apt, packages: [OpenSSL, a, openssl=3.0, -y, [x]] } }\n",
     "nines.yaml:5:50: 'update.install.packages' in tier 'web' holds 'OpenSSL', which is not the "
     "name of a package\n"
     "nines.yaml:5:59: 'update.install.packages' in tier 'web' holds 'a', which is not the name of "
     "a package\n"
     "nines.yaml:5:62: 'update.install.packages' in tier 'web' holds 'openssl=3.0', which is not "
     "the name of a package; the version is given with `nines update --to`\n"
     "nines.yaml:5:75: 'update.install.packages' in tier 'web' holds '-y', which is not the name "
     "of a package\n"
     "nines.yaml:5:79: 'update.install.packages' in tier 'web' holds a list where a single value "
     "belongs"},
    {TIER "    update: { install: { method: restart } }\n",
     "nines.yaml:5:15: 'update.install' in tier 'web' needs 'unit' with 'method: restart'"},
    {TIER "    update: { install: { method: command } }\n",
     "nines.yaml:5:15: 'update.install' in tier 'web' needs 'command' with 'method: command'"},
    {TIER "    update: { install: { method: command, command: /bin/true } }\n",
     "nines.yaml:5:52: 'update.install.command' in tier 'web' must be a list: a program and its "
     "arguments, not a single value"},
    {TIER "    update: { install: { method: command, command: [] } }\n",
     "nines.yaml:5:52: 'update.install.command' in tier 'web' is empty; it needs at least one "
     "entry"},
    {TIER "    update: { install: { method: command, command: [\"\"] } }\n",
     "nines.yaml:5:53: 'update.install.command' in tier 'web' names no program"},
    {TIER "    update: { reboot: sometimes, on_failure: rollback }\n",
     "nines.yaml:5:23: 'update.reboot' in tier 'web' is 'sometimes', not one of never, "
     "when_required, always\n"
     "nines.yaml:5:46: 'update.on_failure' in tier 'web' is 'rollback', not one of revert, pause"},
    {TIER "    update: { verify: { min_ready: 1, soak: 1w, shadow: ON, healthy_deadline: 0s } }\n",
     "nines.yaml:5:36: 'update.verify.min_ready' in tier 'web' is '1', which has no unit; did you "
     "mean '1s'?\n"
     "nines.yaml:5:45: 'update.verify.soak' in tier 'web' is '1w'; a duration is a whole number "
     "and a unit (ms, s, m, h or d)\n"
     "nines.yaml:5:57: 'update.verify.shadow' in tier 'web' is 'ON', not one of on, off; did you "
     "mean 'on'?\n"
     "nines.yaml:5:79: 'update.verify.healthy_deadline' in tier 'web' is '0s'; it must be between "
     "1ms and 1d"},
};

START_TEST(test_choices_are_checked)
{
    BAD_RUN_ALL(choices_are_checked_cases);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_unknown_settings_are_named_with_what_was_meant);
    tcase_add_test(c, test_missing_settings_are_named);
    tcase_add_test(c, test_choices_are_checked);
}

UNIT_MAIN(tests)
