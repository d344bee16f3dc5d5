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

static void tests(TCase *c)
{
    tcase_add_test(c, test_listeners_need_an_address);
}

UNIT_MAIN(tests)
