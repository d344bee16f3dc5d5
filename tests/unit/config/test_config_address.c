#include "config/config_address.h"

#include "bad.h"

static const struct bad_case listeners_need_an_address_cases[] = {
    {"listen:\n"
     "  - { address: 8080, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '8080' is '8080'; did you mean '0.0.0.0:8080'?"},
    {"listen:\n"
     "  - { address: \":8080\", tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener ':8080' is ':8080', which names no host; did you mean "
     "'0.0.0.0:8080'?"},
    {"listen:\n"
     "  - { address: 0.0.0.0, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '0.0.0.0' is '0.0.0.0', which has no port; did you "
     "mean '0.0.0.0:80'?"},
    {"listen:\n"
     "  - { address: \"::1\", tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '::1' is '::1'; did you mean '[::1]:80'?"},
    {"listen:\n"
     "  - { address: \"[::1]\", tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '[::1]' is '[::1]', which has no port; did you mean "
     "'[::1]:80'?"},
    {"listen:\n"
     "  - { address: \"[::g]:80\", tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '[::g]:80' is '[::g]:80', in which '::g' is not an "
     "IPv6 address"},
    {"listen:\n"
     "  - { address: \"[::1:80\", tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '[::1:80' is '[::1:80'; IPv6 is written "
     "[ADDRESS]:PORT"},
    {"listen:\n"
     "  - { address: 0.0.0.0:0, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '0.0.0.0:0' is '0.0.0.0:0', in which '0' is not a "
     "port (1 to 65535)"},
    {"listen:\n"
     "  - { address: 0.0.0.0:65536, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '0.0.0.0:65536' is '0.0.0.0:65536', in which '65536' "
     "is not a port (1 to 65535)"},
    {"listen:\n"
     "  - { address: 0.0.0.0:http, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '0.0.0.0:http' is '0.0.0.0:http', in which 'http' is "
     "not a port (1 to 65535)"},
    {"listen:\n"
     "  - { address: 300.0.0.1:80, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '300.0.0.1:80' is '300.0.0.1', which is not an IPv4 "
     "address"},
    {"listen:\n"
     "  - { address: 10.0.0.01:80, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener '10.0.0.01:80' is '10.0.0.01', which is not an IPv4 "
     "address"},
    {"listen:\n"
     "  - { address: http://x:80, tier: web }\n"
     "tiers:\n"
     "  web:\n" HOSTS,
     "nines.yaml:2:16: 'address' in listener 'http://x:80' is 'http://x:80', in which '//x:80' is "
     "not a port (1 to 65535)"},
};

START_TEST(test_listeners_need_an_address)
{
    BAD_RUN_ALL(listeners_need_an_address_cases);
}
END_TEST

START_TEST(test_ipv6_is_judged_as_rfc_4291_writes_it)
{
    static const char *const good[] = {"::",
                                       "::1",
                                       "1::",
                                       "1::8",
                                       "1:2:3:4:5:6:7:8",
                                       "1:2:3:4:5:6:7::",
                                       "::2:3:4:5:6:7:8",
                                       "2001:DB8::a",
                                       "::ffff:10.0.0.1",
                                       "1:2:3:4:5:6:10.0.0.1",
                                       "64:ff9b::1.2.3.4"};
    static const char *const bad[] = {"",
                                      ":",
                                      ":::",
                                      "1",
                                      "1:",
                                      ":1",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1::2::3",
                                      "12345::",
                                      "g::",
                                      "1:2:3:4:5:6:7:8::",
                                      "::1.2.3",
                                      "::1.2.3.256",
                                      "1.2.3.4",
                                      "::1.2.3.4:5",
                                      "fe80::1%eth0",
                                      "1:2:3:4:5:6:7:1.2.3.4"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(config_ipv6_check(slice_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!config_ipv6_check(slice_of(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(test_ipv4_is_four_numbers)
{
    static const char *const good[] = {"0.0.0.0", "255.255.255.255", "10.0.0.1"};
    static const char *const bad[] = {"",          "1",        "1.2.3",   "1.2.3.4.5",
                                      "1.2.3.256", "1.2.3.04", "1..3.4",  "1.2.3.4.",
                                      ".1.2.3.4",  "a.b.c.d",  "1.2.3.-4"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(config_ipv4_check(slice_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!config_ipv4_check(slice_of(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(test_ssh_targets_are_no_options)
{
    static const char *const good[] = {
        "host",  "root@10.0.0.1", "root@10.0.0.1:2222", "a.b-c_d@x.example", "root@[::1]:22",
        "[::1]", "::1",           "root@2001:db8::1"};
    static const char *const bad[] = {"",
                                      "@host",
                                      "root@",
                                      "-oProxyCommand=x",
                                      "root@-l",
                                      "-l@host",
                                      "root@host:",
                                      "root@host:0",
                                      "root@host:99999",
                                      "a@b@c",
                                      "root@host;id",
                                      "root@$(id)",
                                      "root@[::1",
                                      "root@[x]"};
    struct config_complaint complaint;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_msg(config_ssh_check(slice_of(good[i]), &complaint), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!config_ssh_check(slice_of(bad[i]), &complaint), "%s", bad[i]);
}
END_TEST

START_TEST(test_an_address_is_split)
{
    struct arena arena;
    struct config_complaint complaint;
    struct config_address address;
    arena_init(&arena, 4096);
    ck_assert(config_address_set(&address, SLICE("[2001:db8::1]:8080"), &arena, &complaint));
    ck_assert_str_eq(address.text, "[2001:db8::1]:8080");
    ck_assert_str_eq(address.host, "2001:db8::1");
    ck_assert_uint_eq(address.port, 8080);
    ck_assert(config_address_set(&address, SLICE("Web.Example:65535"), &arena, &complaint));
    ck_assert_str_eq(address.host, "Web.Example");
    ck_assert_uint_eq(address.port, 65535);
    arena_done(&arena);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_ipv6_is_judged_as_rfc_4291_writes_it);
    tcase_add_test(c, test_ipv4_is_four_numbers);
    tcase_add_test(c, test_ssh_targets_are_no_options);
    tcase_add_test(c, test_an_address_is_split);
    tcase_add_test(c, test_listeners_need_an_address);
}

UNIT_MAIN(tests)
