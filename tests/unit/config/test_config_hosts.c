#include "bad.h"

static const struct bad_case hosts_are_checked_cases[] = {
    {WEB "    hosts:\n"
         "      - { name: web_1, address: 10.0.0.1:80 }\n",
     "nines.yaml:5:17: 'name' in host 'web_1' of tier 'web' is 'web_1'; a name is letters, digits "
     "and '-' between them; did you mean 'web-1'?"},
    {WEB "    hosts:\n"
         "      - { name: -web, address: 10.0.0.1:80 }\n",
     "nines.yaml:5:17: 'name' in host '-web' of tier 'web' is '-web'; a name is letters, digits "
     "and '-' between them"},
    {WEB "    hosts:\n"
         "      - { name: \"\", address: 10.0.0.1:80 }\n",
     "nines.yaml:5:17: 'name' in a host of tier 'web' is empty"},
    {WEB "    hosts:\n"
         "      - { name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
         "address: 10.0.0.1:80 }\n",
     "nines.yaml:5:17: 'name' in host "
     "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' of tier 'web' is "
     "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', longer than 63 "
     "characters"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80 }\n"
         "      - { name: web-1, address: 10.0.0.2:80 }\n",
     "nines.yaml:6:9: host 'web-1' of tier 'web' is given twice; the first is at 5:9"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-3]\", address: \"10.0.0.[1-3]:80\" }\n"
         "      - { name: \"web-[2-4]\", address: \"10.0.1.[2-4]:80\" }\n",
     "nines.yaml:6:9: host 'web-2' of tier 'web' is given twice; the first is at 5:9"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[2-9]\", address: \"10.0.0.[2-8]:80\" }\n",
     "nines.yaml:5:39: 'address' in host 'web-[2-9]' of tier 'web' holds a range of 7, but 'name' "
     "one of 8"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[2-9]\", address: 10.0.0.2:80 }\n",
     "nines.yaml:5:39: 'address' in host 'web-[2-9]' of tier 'web' holds no range, but 'name' one "
     "of 8"},
    {WEB "    hosts:\n"
         "      - { name: web, address: \"10.0.0.[2-8]:80\" }\n",
     "nines.yaml:5:31: 'address' in host 'web' of tier 'web' holds a range of 7, but 'name' holds "
     "none; each host needs a name of its own"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[9-2]\", address: \"10.0.0.[2-9]:80\" }\n",
     "nines.yaml:5:17: 'name' in host 'web-[9-2]' of tier 'web' holds '[9-2]', which counts down; "
     "did you mean '[2-9]'?"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-010]\", address: \"10.0.0.[1-10]:80\" }\n",
     "nines.yaml:5:17: 'name' in host 'web-[1-010]' of tier 'web' holds '[1-010]'; with leading "
     "zeros both ends need the same width"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[a-c]\", address: \"10.0.0.[1-3]:80\" }\n",
     "nines.yaml:5:17: 'name' in host 'web-[a-c]' of tier 'web' holds '[a-c]', which is no range; "
     "a range is [FIRST-LAST]"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-3\", address: \"10.0.0.[1-3]:80\" }\n",
     "nines.yaml:5:17: 'name' in host 'web-[1-3' of tier 'web' is 'web-[1-3', in which a '[' is "
     "never closed"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-3]-[1-3]\", address: \"10.0.0.[1-3]:80\" }\n",
     "nines.yaml:5:17: 'name' in host 'web-[1-3]-[1-3]' of tier 'web' is 'web-[1-3]-[1-3]'; one "
     "range is the most a setting can hold"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-200000]\", address: \"10.0.0.1:[1-200000]\" }\n",
     "nines.yaml:5:17: 'name' in host 'web-[1-200000]' of tier 'web' holds '[1-200000]', more than "
     "100000 hosts\n"
     "nines.yaml:5:44: 'address' in host 'web-[1-200000]' of tier 'web' holds '[1-200000]', more "
     "than 100000 hosts"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-10]\", address: \"10.0.0.[250-259]:80\" }\n",
     "nines.yaml:5:40: 'address' in host 'web-[1-10]' of tier 'web' is '10.0.0.256', which is not "
     "an IPv4 address"},
    {WEB "    hosts:\n"
         "      - { name: \"web-[1-10]\", address: \"10.0.0.1:[65530-65539]\" }\n",
     "nines.yaml:5:40: 'address' in host 'web-[1-10]' of tier 'web' is '10.0.0.1:65536', in which "
     "'65536' is not a port (1 to 65535)"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh }\n",
     "nines.yaml:5:54: host 'web-1' of tier 'web' has 'driver: ssh' and needs 'ssh', such as "
     "'root@10.0.0.1'"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: shh, ssh: x }\n",
     "nines.yaml:5:54: 'driver' in host 'web-1' of tier 'web' is 'shh', not one of ssh, local, "
     "command; did you mean 'ssh'?"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: -oProxyCommand=x }\n",
     "nines.yaml:5:64: 'ssh' in host 'web-1' of tier 'web' is '-oProxyCommand=x', which is neither "
     "a host name nor an address"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: \"a b@host\" }\n",
     "nines.yaml:5:64: 'ssh' in host 'web-1' of tier 'web' is 'a b@host'; it must be printable "
     "ASCII without spaces"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: \"-l@host\" }\n",
     "nines.yaml:5:64: 'ssh' in host 'web-1' of tier 'web' is '-l@host', in which '-l' is not the "
     "name of a user"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: \"root@host:ssh\" }\n",
     "nines.yaml:5:64: 'ssh' in host 'web-1' of tier 'web' is 'root@host:ssh', in which 'ssh' is "
     "not a port (1 to 65535)"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, weight: 0 }\n"
         "      - { name: web-2, address: 10.0.0.2:80, weight: 1001 }\n"
         "      - { name: web-3, address: 10.0.0.3:80, weight: heavy }\n",
     "nines.yaml:5:54: 'weight' in host 'web-1' of tier 'web' is '0'; it must be between 1 and "
     "1000\n"
     "nines.yaml:6:54: 'weight' in host 'web-2' of tier 'web' is '1001'; it must be between 1 and "
     "1000\n"
     "nines.yaml:7:54: 'weight' in host 'web-3' of tier 'web' is 'heavy'; it must be a whole "
     "number"},
    {WEB "    hosts:\n"
         "      - { name: web-1, address: 10.0.0.1:80, machine: a/b }\n",
     "nines.yaml:5:55: 'machine' in host 'web-1' of tier 'web' is 'a/b'; the name of a machine "
     "cannot hold '/'"},
    {LISTEN "tiers:\n  web_1:\n" HOSTS,
     "nines.yaml:1:38: 'tier' in listener '0.0.0.0:80' is 'web', and there is no such tier\n"
     "nines.yaml:3:3: the name of a tier is 'web_1'; a name is letters, digits and '-' between "
     "them; did you mean 'web-1'?"},
};

START_TEST(test_hosts_are_checked)
{
    BAD_RUN_ALL(hosts_are_checked_cases);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_hosts_are_checked);
}

UNIT_MAIN(tests)
