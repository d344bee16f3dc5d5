#include "bad.h"

static const struct bad_case settings_are_checked_against_each_other_cases[] = {
    {"listen:\n"
     "  - { address: 0.0.0.0:80, tier: web }\n"
     "  - { address: 0.0.0.0:80, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:3:5: listener '0.0.0.0:80' is given twice; the first is at 2:5"},
    {TIER "metrics: { address: 0.0.0.0:80 }\n",
     "nines.yaml:1:10: listener '0.0.0.0:80' has the address of 'metrics'"},
    {"listen:\n"
     "  - { address: 0.0.0.0:80, tier: wbe }\n"
     "tiers:\n"
     "  web:\n"
     "    balance: rnd\n"
     "    hosts:\n"
     "      - { name: web_1, address: 10.0.0.1 }\n"
     "    update: { strtegy: rolling, install: { method: apt } }\n"
     "threads: many\n",
     "nines.yaml:2:34: 'tier' in listener '0.0.0.0:80' is 'wbe', and there is no such tier; did "
     "you mean 'web'?\n"
     "nines.yaml:5:14: 'balance' in tier 'web' is 'rnd', not one of round_robin, least_requests, "
     "power_of_two, random, key\n"
     "nines.yaml:7:17: 'name' in host 'web_1' of tier 'web' is 'web_1'; a name is letters, digits "
     "and '-' between them; did you mean 'web-1'?\n"
     "nines.yaml:8:15: unknown setting 'strtegy' in tier 'web'; did you mean 'strategy'?\n"
     "nines.yaml:8:33: 'update.install' in tier 'web' needs 'packages' with 'method: apt'\n"
     "nines.yaml:9:10: 'threads' is 'many'; it must be a whole number"},
};

START_TEST(test_settings_are_checked_against_each_other)
{
    BAD_RUN_ALL(settings_are_checked_against_each_other_cases);
}
END_TEST

static const struct bad_case doubtful_settings_are_warnings_cases[] = {
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80 }\n",
     "nines.yaml:4:5: warning: no host of tier 'web' has a driver: `nines update web` will refuse"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: a }\n"
         "      - { name: web-2, address: 10.0.0.2:80 }\n"
         "      - { name: web-3, address: 10.0.0.3:80 }\n",
     "nines.yaml:6:9: warning: 2 of the 3 hosts of tier 'web' have no driver ('web-2' is the "
     "first): `nines update web` will refuse"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, ssh: root@a }\n",
     "nines.yaml:4:5: warning: no host of tier 'web' has a driver: `nines update web` will refuse\n"
     "nines.yaml:5:46: warning: host 'web-1' of tier 'web' has 'ssh' but no driver, and a driver "
     "is never guessed; did you mean to add 'driver: ssh'?"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: command }\n",
     "nines.yaml:5:46: warning: 'driver' in host 'web-1' of tier 'web' is 'command', which is not "
     "built in this version: serve and update refuse it"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: a }\n"
         "      - { name: web-2, address: 10.0.0.1:80, driver: ssh, ssh: b }\n",
     "nines.yaml:6:9: warning: host 'web-2' of tier 'web' has the address of host 'web-1' of tier "
     "'web' (5:9): 10.0.0.1:80"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: local }\n"
         "      - { name: web-2, address: 10.0.0.1:81, driver: local }\n",
     "nines.yaml:6:9: warning: host 'web-2' of tier 'web' and host 'web-1' of tier 'web' (5:9) are "
     "both at 10.0.0.1 but count as two machines; give both the same 'machine' if it is one"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: local, machine: m }\n"
         "      - { name: web-2, address: 10.0.0.1:81, driver: local, machine: m }\n",
     ""},
    {TIER "  api:\n"
          "    hosts: [{name: api-1, address: 10.0.0.1:8080, driver: ssh, ssh: admin@10.0.0.1}]\n",
     "nines.yaml:6:5: warning: no route leads to tier 'api'"},
    {"listen: [{address: 0.0.0.0:80, routes: [{tier: web}, {host: api.example.com, tier: web}, "
     "{path: /x, tier: web}]}]\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:1:54: warning: a route of listener '0.0.0.0:80' is never reached: the one at 1:41 "
     "takes every request\n"
     "nines.yaml:1:90: warning: a route of listener '0.0.0.0:80' is never reached: the one at 1:41 "
     "takes every request"},
    {"listen: [{address: 0.0.0.0:80, routes: [{path: \"/x?y\", tier: web}, {tier: web}]}]\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:1:41: warning: a route of listener '0.0.0.0:80' never matches: '/x?y' holds a "
     "'?', and a path ends before it"},
    {"listen:\n"
     "  - { address: 0.0.0.0:443, tier: web, tls: { certificate: /a.pem, key: /b.pem } }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:40: warning: 'tls' in listener '0.0.0.0:443' is not built in this version: "
     "serve and update refuse it"},
    {TIER "    health: { timeout: 2s }\n",
     "nines.yaml:5:15: warning: 'health.timeout' in tier 'web' is 2000 ms, longer than "
     "'health.interval' (1000 ms)"},
    {TIER "    health: { interval: 100ms }\n",
     "nines.yaml:5:15: warning: 'health.timeout' in tier 'web' is 500 ms, longer than "
     "'health.interval' (100 ms)"},
    {TIER "    health: { kind: tcp, path: /x }\n",
     "nines.yaml:5:26: warning: 'health.path' in tier 'web' has no effect with 'kind: tcp'"},
    {TIER "    key: { path: on }\n",
     "nines.yaml:5:5: warning: 'key' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:5:5: warning: 'key' in tier 'web' has no effect with 'balance: least_requests'"},
    {TIER "    balance: key\n"
          "    key: { header: X-Key }\n",
     "nines.yaml:5:5: warning: 'balance' in tier 'web' is 'key', which is not built in this "
     "version: serve and update refuse it\n"
     "nines.yaml:6:5: warning: 'key' in tier 'web' is not built in this version: serve and update "
     "refuse it"},
    {TIER "    warm: { time: 30m, cold_max: 20%, hit_ratio: 90% }\n",
     "nines.yaml:5:5: warning: 'warm' in tier 'web' is not built in this version: serve and update "
     "refuse it\n"
     "nines.yaml:5:39: warning: 'warm.hit_ratio' in tier 'web' has no effect without "
     "'backend_load_max'"},
    {TIER "    standby: [{ name: spare, address: 10.0.0.9:80, driver: ssh, ssh: x }]\n",
     "nines.yaml:5:5: warning: 'standby' in tier 'web' is not built in this version: serve and "
     "update refuse it"},
    {TIER "    update: { floor: 75% }\n",
     "nines.yaml:5:5: warning: 'update' in tier 'web' has no 'install': `nines update web` will "
     "refuse\n"
     "nines.yaml:5:15: warning: 'update.floor' in tier 'web' is 75%, which lets no host be taken: "
     "with one of its 2 hosts out, at most 50.0% serve"},
    {TIER "    update: { install: { method: reboot }, floor: 75% }\n",
     "nines.yaml:5:44: warning: 'update.floor' in tier 'web' is 75%, which lets no host be taken: "
     "with one of its 2 hosts out, at most 50.0% serve"},
    {WEB "    hosts: [{name: a, address: 10.0.0.1:80, driver: ssh, ssh: a, weight: 600}, {name: "
         "\"b-[1-4]\", address: \"10.0.1.[1-4]:80\", driver: ssh, ssh: \"b-[1-4]\"}]\n"
         "    update: { floor: 75%, install: { method: reboot } }\n",
     "nines.yaml:5:15: warning: 'update.floor' in tier 'web' is 75%, which lets host 'a' never be "
     "taken: without it 40.0% serve"},
    {TIER "    update: { max_unavailable: 2, install: { method: reboot } }\n",
     "nines.yaml:5:15: warning: 'update.max_unavailable' in tier 'web' lets all of its 2 hosts be "
     "out at once"},
    {TIER "    update: { failure_domain: zone, install: { method: reboot } }\n",
     "nines.yaml:5:15: warning: 'update.failure_domain' in tier 'web' is zone, but 2 of its 2 "
     "hosts have no zone ('web-1' is the first)"},
    {TIER "    update: { strategy: canary, max_surge: 1, install: { method: replace }, verify: { "
          "shadow: on } }\n",
     "nines.yaml:5:15: warning: 'update.strategy' in tier 'web' is 'canary', which is not built in "
     "this version: serve and update refuse it\n"
     "nines.yaml:5:33: warning: 'update.max_surge' in tier 'web' is not built in this version: "
     "serve and update refuse it\n"
     "nines.yaml:5:58: warning: 'update.install.method' in tier 'web' is 'replace', which is not "
     "built in this version: serve and update refuse it\n"
     "nines.yaml:5:87: warning: 'update.verify.shadow' in tier 'web' is not built in this version: "
     "serve and update refuse it"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: a }\n"
         "    update: { install: { method: apt, packages: security } }\n",
     "nines.yaml:6:5: warning: tier 'web' has one host: `nines update web` will refuse, since it "
     "would leave none"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: local }\n"
         "      - { name: web-2, address: 10.0.0.2:80, driver: local }\n"
         "    update: { install: { method: restart, unit: nginx } }\n",
     "nines.yaml:7:5: warning: host 'web-1' of tier 'web' has 'driver: local', which refuses to "
     "reboot this machine; did you mean 'reboot: never'?"},
    {TIER
     "    update: { install: { method: restart, unit: nginx, packages: [openssl], check: [a] } }\n",
     "nines.yaml:5:56: warning: 'update.install.packages' in tier 'web' has no effect with "
     "'method: restart'\n"
     "nines.yaml:5:77: warning: 'update.install.check' in tier 'web' has no effect with 'method: "
     "restart'"},
    {TIER "state: etcd://10.0.0.5:2379/nines\n",
     "nines.yaml:5:1: warning: 'state' is 'etcd', which is not built in this version: serve and "
     "update refuse it"},
};

START_TEST(test_doubtful_settings_are_warnings)
{
    BAD_RUN_ALL(doubtful_settings_are_warnings_cases);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_settings_are_checked_against_each_other);
    tcase_add_test(c, test_doubtful_settings_are_warnings);
}

UNIT_MAIN(tests)
