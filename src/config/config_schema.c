#include "config/config_schema.h"

#include "base/check.h"
#include "config/config_value.h"

#include <stddef.h>
#include <stdio.h>

/* Where a field is and how wide. */
#define AT(type, member)    .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define GIVEN(type, member) .given = offsetof(type, member) + 1
#define ROWS(array)         .rows = (array), .count = COUNT_OF(array)

enum {
    SECOND = 1000,
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    KIB = 1024,
};

/* ---- Words ---- */

static const struct config_choice balance_words[] = {
    {.name = "round_robin", .value = CONFIG_BALANCE_ROUND_ROBIN},
    {.name = "least_requests", .value = CONFIG_BALANCE_LEAST_REQUESTS},
    {.name = "power_of_two", .value = CONFIG_BALANCE_POWER_OF_TWO},
    {.name = "random", .value = CONFIG_BALANCE_RANDOM},
    {.name = "key", .value = CONFIG_BALANCE_KEY, .unbuilt = true},
    {0},
};
static const struct config_choice driver_words[] = {
    {.name = "ssh", .value = CONFIG_DRIVER_SSH},
    {.name = "local", .value = CONFIG_DRIVER_LOCAL},
    {.name = "command", .value = CONFIG_DRIVER_COMMAND, .unbuilt = true},
    {0},
};
static const struct config_choice strategy_words[] = {
    {.name = "rolling", .value = CONFIG_STRATEGY_ROLLING},
    {.name = "canary", .value = CONFIG_STRATEGY_CANARY, .unbuilt = true},
    {.name = "blue_green", .value = CONFIG_STRATEGY_BLUE_GREEN, .unbuilt = true},
    {.name = "red_black", .value = CONFIG_STRATEGY_RED_BLACK, .unbuilt = true},
    {.name = "recreate", .value = CONFIG_STRATEGY_RECREATE, .unbuilt = true},
    {0},
};
static const struct config_choice failure_domain_words[] = {
    {.name = "none", .value = false},
    {.name = "zone", .value = true},
    {0},
};
static const struct config_choice install_words[] = {
    {.name = "apt", .value = CONFIG_INSTALL_APT},
    {.name = "command", .value = CONFIG_INSTALL_COMMAND},
    {.name = "restart", .value = CONFIG_INSTALL_RESTART},
    {.name = "reboot", .value = CONFIG_INSTALL_REBOOT},
    {.name = "replace", .value = CONFIG_INSTALL_REPLACE, .unbuilt = true},
    {0},
};
static const struct config_choice reboot_words[] = {
    {.name = "never", .value = CONFIG_REBOOT_NEVER},
    {.name = "when_required", .value = CONFIG_REBOOT_WHEN_REQUIRED},
    {.name = "always", .value = CONFIG_REBOOT_ALWAYS},
    {0},
};
static const struct config_choice long_lived_words[] = {
    {.name = "wait", .value = CONFIG_LONG_LIVED_WAIT},
    {.name = "close", .value = CONFIG_LONG_LIVED_CLOSE},
    {0},
};
static const struct config_choice on_failure_words[] = {
    {.name = "revert", .value = CONFIG_ON_FAILURE_REVERT},
    {.name = "pause", .value = CONFIG_ON_FAILURE_PAUSE},
    {0},
};
static const struct config_choice health_words[] = {
    {.name = "http", .value = CONFIG_HEALTH_HTTP},
    {.name = "tcp", .value = CONFIG_HEALTH_TCP},
    {.name = "off", .value = CONFIG_HEALTH_OFF},
    {.name = "false", .value = CONFIG_HEALTH_OFF, .alias = true},
    {.name = "no", .value = CONFIG_HEALTH_OFF, .alias = true},
    {0},
};
static const struct config_choice format_words[] = {
    {.name = "combined", .value = CONFIG_LOG_COMBINED},
    {.name = "json", .value = CONFIG_LOG_JSON},
    {0},
};
static const struct config_choice retry_words[] = {
    {.name = "connect", .value = CONFIG_RETRY_CONNECT},
    {.name = "reset", .value = CONFIG_RETRY_RESET},
    {.name = "502", .value = CONFIG_RETRY_502},
    {.name = "503", .value = CONFIG_RETRY_503},
    {0},
};
static const struct config_choice normalize_words[] = {
    {.name = "trim", .value = CONFIG_NORMALIZE_TRIM},
    {.name = "squeeze", .value = CONFIG_NORMALIZE_SQUEEZE},
    {.name = "lowercase", .value = CONFIG_NORMALIZE_LOWERCASE},
    {0},
};
static const struct config_choice hash_words[] = {
    {.name = "md5", .value = CONFIG_HASH_MD5},
    {.name = "xxh3", .value = CONFIG_HASH_XXH3},
    {0},
};

/* ---- listen ---- */

#define LISTENER(member) AT(struct config_listener_entry, listener.member)

static const struct config_setting tls_rows[] = {
    {.name = "certificate",
     .type = CONFIG_TYPE_PATH,
     LISTENER(certificate),
     .required = true,
     .file = true,
     .help = "PEM file: the certificate, then those that sign it."},
    {.name = "key",
     .type = CONFIG_TYPE_PATH,
     LISTENER(key),
     .required = true,
     .file = true,
     .help = "PEM file: the private key."},
};
static const struct config_section tls_section = {.name = "tls", ROWS(tls_rows)};

static const struct config_setting route_rows[] = {
    {.name = "host",
     .type = CONFIG_TYPE_HOSTNAME,
     AT(struct config_route, host),
     .shown = "any",
     .help = "Requests for this host name alone, whatever the port."},
    {.name = "path",
     .type = CONFIG_TYPE_URL_PATH,
     AT(struct config_route, path),
     .shown = "any",
     .help = "Requests whose path starts with this."},
    {.name = "tier",
     .type = CONFIG_TYPE_TIER,
     AT(struct config_route, tier),
     .required = true,
     .help = "The tier that serves them."},
};
const struct config_section config_schema_route = {.name = "route", ROWS(route_rows)};

static const struct config_setting listener_rows[] = {
    {.name = "address",
     .type = CONFIG_TYPE_ADDRESS,
     LISTENER(address),
     .required = true,
     .help = "Where to listen: an address of this machine (0.0.0.0 is all of IPv4, [::] all of "
             "both) and a port."},
    {.name = "tls",
     .type = CONFIG_TYPE_SECTION,
     .section = &tls_section,
     .unbuilt = true,
     GIVEN(struct config_listener_entry, listener.tls),
     .help = "Clients speak TLS here."},
    {.name = "routes",
     .type = CONFIG_TYPE_ROUTES,
     .section = &config_schema_route,
     LISTENER(routes),
     .help = "Which requests go to which tier; the first match wins."},
    {.name = "tier",
     .type = CONFIG_TYPE_TIER,
     AT(struct config_listener_entry, tier),
     GIVEN(struct config_listener_entry, tier_given),
     .help = "In place of `routes`: the tier that serves every request."},
};
const struct config_section config_schema_listener = {.name = "listener", ROWS(listener_rows)};

/* ---- tiers: hosts ---- */

#define HOST(which) AT(struct config_host_entry, text[which])

static const struct config_setting host_rows[] = {
    {.name = "name",
     .type = CONFIG_TYPE_RANGED,
     HOST(CONFIG_HOST_NAME),
     .required = true,
     .help = "Name of the host, unique in the tier: letters, digits and '-'. `web-[2-9]` stands "
             "for eight hosts; every other setting of the entry that holds a range needs one of "
             "the same length, and one without a range is shared."},
    {.name = "address",
     .type = CONFIG_TYPE_RANGED,
     HOST(CONFIG_HOST_ADDRESS),
     .required = true,
     .help = "HOST:PORT where it serves."},
    {.name = "zone",
     .type = CONFIG_TYPE_RANGED,
     HOST(CONFIG_HOST_ZONE),
     .help = "Failure domain it stands in."},
    {.name = "group",
     .type = CONFIG_TYPE_RANGED,
     HOST(CONFIG_HOST_GROUP),
     .help = "Replica group: never two of one group are disturbed at once."},
    {.name = "machine",
     .type = CONFIG_TYPE_RANGED,
     HOST(CONFIG_HOST_MACHINE),
     .shown = "the ssh target, else the host alone",
     .help = "Ties hosts of several tiers that run on one machine: its reboot drains them all."},
    {.name = "driver",
     .type = CONFIG_TYPE_CHOICE,
     AT(struct config_host_entry, driver),
     .choices = driver_words,
     .help = "How nines reaches the host to update it. Without one it is balanced, never "
             "updated."},
    {.name = "ssh",
     .type = CONFIG_TYPE_RANGED,
     HOST(CONFIG_HOST_SSH),
     .help = "[USER@]HOST[:PORT] for the driver `ssh`."},
    {.name = "weight",
     .type = CONFIG_TYPE_COUNT,
     AT(struct config_host_entry, weight),
     .min = 1,
     .max = 1000,
     .initial = "100",
     .help = "Its share of the traffic, relative to the others."},
};
const struct config_section config_schema_host = {.name = "host", ROWS(host_rows)};

/* ---- tiers: traffic ---- */

#define TIER(member) AT(struct config_tier, member)

static const struct config_setting key_rows[] = {
    {.name = "query",
     .type = CONFIG_TYPE_KEY_SOURCE,
     TIER(key),
     .min = CONFIG_KEY_QUERY,
     .help = "The key is the value of this query parameter."},
    {.name = "header",
     .type = CONFIG_TYPE_KEY_SOURCE,
     TIER(key),
     .min = CONFIG_KEY_HEADER,
     .help = "The key is the value of this request header."},
    {.name = "cookie",
     .type = CONFIG_TYPE_KEY_SOURCE,
     TIER(key),
     .min = CONFIG_KEY_COOKIE,
     .help = "The key is the value of this cookie."},
    {.name = "path",
     .type = CONFIG_TYPE_KEY_SOURCE,
     TIER(key),
     .min = CONFIG_KEY_PATH,
     .help = "`on`: the key is the path of the request."},
    {.name = "normalize",
     .type = CONFIG_TYPE_FLAGS,
     TIER(key.normalize),
     .choices = normalize_words,
     .help = "What is done to the key first: trim drops spaces at the ends, squeeze makes one of "
             "several, lowercase folds ASCII letters."},
    {.name = "hash",
     .type = CONFIG_TYPE_CHOICE,
     TIER(key.hash),
     .choices = hash_words,
     .initial = "md5",
     .help = "What the slot of a key is computed with."},
};
static const struct config_section key_section = {.name = "key", ROWS(key_rows)};

static const struct config_setting health_rows[] = {
    {.name = "kind",
     .type = CONFIG_TYPE_CHOICE,
     TIER(health.kind),
     .choices = health_words,
     .initial = "http",
     .help = "http asks for `path` and wants a 2xx or 3xx; tcp only connects; off checks nothing "
             "and never marks a host down. `health: off` in place of the mapping says the same."},
    {.name = "path",
     .type = CONFIG_TYPE_URL_PATH,
     TIER(health.path),
     .initial = "/",
     .help = "What the check asks for."},
    {.name = "interval",
     .type = CONFIG_TYPE_DURATION,
     TIER(health.interval_ms),
     .min = 10,
     .max = HOUR,
     .initial = "1s",
     .help = "From one check to the next."},
    {.name = "timeout",
     .type = CONFIG_TYPE_DURATION,
     TIER(health.timeout_ms),
     .min = 1,
     .max = HOUR,
     .initial = "500ms",
     .help = "A check that takes longer has failed."},
    {.name = "rise",
     .type = CONFIG_TYPE_COUNT,
     TIER(health.rise),
     .min = 1,
     .max = 1000,
     .initial = "2",
     .help = "Good checks in a row until a host that was down is up."},
    {.name = "fall",
     .type = CONFIG_TYPE_COUNT,
     TIER(health.fall),
     .min = 1,
     .max = 1000,
     .initial = "3",
     .help = "Bad checks in a row until a host that was up is down."},
};
static const struct config_section health_section = {.name = "health", ROWS(health_rows)};

static const struct config_setting timeouts_rows[] = {
    {.name = "connect",
     .type = CONFIG_TYPE_DURATION,
     TIER(timeouts.connect_ms),
     .min = 1,
     .max = HOUR,
     .initial = "1s",
     .help = "To connect to a host."},
    {.name = "header",
     .type = CONFIG_TYPE_DURATION,
     TIER(timeouts.header_ms),
     .min = 1,
     .max = HOUR,
     .initial = "10s",
     .help = "A client's head, from its first byte to its last."},
    {.name = "body_idle",
     .type = CONFIG_TYPE_DURATION,
     TIER(timeouts.body_idle_ms),
     .min = 1,
     .max = DAY,
     .initial = "30s",
     .help = "Between two reads of a body, on either side."},
    {.name = "client_idle",
     .type = CONFIG_TYPE_DURATION,
     TIER(timeouts.client_idle_ms),
     .min = 1,
     .max = DAY,
     .initial = "60s",
     .help = "Between two requests of a client."},
    {.name = "server",
     .type = CONFIG_TYPE_DURATION,
     TIER(timeouts.server_ms),
     .min = 1,
     .max = DAY,
     .initial = "30s",
     .help = "From the end of the request to the head of the response."},
    {.name = "tunnel_idle",
     .type = CONFIG_TYPE_DURATION,
     TIER(timeouts.tunnel_idle_ms),
     .min = 1,
     .max = 7 * DAY,
     .initial = "1h",
     .help = "A tunnel (WebSocket) without a byte either way."},
};
static const struct config_section timeouts_section = {.name = "timeouts", ROWS(timeouts_rows)};

static const struct config_setting hold_rows[] = {
    {.name = "time",
     .type = CONFIG_TYPE_DURATION,
     TIER(hold.time_ms),
     .max = MINUTE,
     .initial = "2s",
     .help = "How long a request waits before it is answered 503."},
    {.name = "requests",
     .type = CONFIG_TYPE_COUNT,
     TIER(hold.requests),
     .max = 1000000,
     .initial = "1000",
     .help = "How many may wait at once; the rest are answered 503."},
};
static const struct config_section hold_section = {.name = "hold", ROWS(hold_rows)};

static const struct config_setting retry_rows[] = {
    {.name = "attempts",
     .type = CONFIG_TYPE_COUNT,
     TIER(retry.attempts),
     .max = 10,
     .initial = "2",
     .help = "Extra tries, each on another host while there is one."},
    {.name = "when",
     .type = CONFIG_TYPE_FLAGS,
     TIER(retry.when),
     .choices = retry_words,
     .initial = "connect, reset, 502, 503",
     .help = "connect: nothing was sent yet, any method. The others: GET, HEAD and OPTIONS, as "
             "long as the client has received nothing."},
    {.name = "budget",
     .type = CONFIG_TYPE_PERCENT,
     TIER(retry.budget_ppm),
     .max = CONFIG_PPM,
     .initial = "20%",
     .help = "At most this share of the requests of the last 10 s is tried again, and at least "
             "10 a second."},
};
static const struct config_section retry_section = {.name = "retry", ROWS(retry_rows)};

/* ---- tiers: update ---- */

static const struct config_setting drain_rows[] = {
    {.name = "timeout",
     .type = CONFIG_TYPE_DURATION,
     TIER(update.drain_timeout_ms),
     .min = 1,
     .max = DAY,
     .initial = "30s",
     .help = "How long requests in flight may take to end."},
    {.name = "long_lived",
     .type = CONFIG_TYPE_CHOICE,
     TIER(update.long_lived),
     .choices = long_lived_words,
     .initial = "wait",
     .help = "What is still open after the timeout: wait pauses the rollout, close ends it "
             "politely."},
};
static const struct config_section drain_section = {.name = "drain", ROWS(drain_rows)};

static const struct config_setting install_rows[] = {
    {.name = "method",
     .type = CONFIG_TYPE_CHOICE,
     TIER(update.install),
     .choices = install_words,
     .required = true,
     .help = "apt installs `packages`; command runs `command` on the host; restart restarts "
             "`unit`; reboot only reboots; replace puts a new host in its place."},
    {.name = "packages",
     .type = CONFIG_TYPE_PACKAGES,
     TIER(update.packages),
     .help = "apt: names of packages, or `security` for all security updates."},
    {.name = "unit",
     .type = CONFIG_TYPE_WORD,
     TIER(update.unit),
     .help = "restart: the unit of the host's service manager."},
    {.name = "command",
     .type = CONFIG_TYPE_ARGV,
     TIER(update.command),
     .help = "command: the program and its arguments; no shell reads them."},
    {.name = "check",
     .type = CONFIG_TYPE_ARGV,
     TIER(update.command_check),
     .help = "command: exits 0 when the work is done already; without it the command may run "
             "more than once."},
    {.name = "timeout",
     .type = CONFIG_TYPE_DURATION,
     TIER(update.install_timeout_ms),
     .min = 1,
     .max = DAY,
     .initial = "10m",
     .help = "An install that takes longer has failed."},
};
static const struct config_section install_section = {.name = "install", ROWS(install_rows)};

static const struct config_setting verify_rows[] = {
    {.name = "min_ready",
     .type = CONFIG_TYPE_DURATION,
     TIER(update.min_ready_ms),
     .max = DAY,
     .initial = "10s",
     .help = "How long an updated host must stay healthy before it gets traffic."},
    {.name = "soak",
     .type = CONFIG_TYPE_DURATION,
     TIER(update.soak_ms),
     .max = 7 * DAY,
     .initial = "60s",
     .help = "How long it then serves real traffic and is compared with the others."},
    {.name = "healthy_deadline",
     .type = CONFIG_TYPE_DURATION,
     TIER(update.healthy_deadline_ms),
     .min = 1,
     .max = DAY,
     .initial = "5m",
     .help = "An updated host that is not healthy by then has failed."},
    {.name = "error_ratio_max",
     .type = CONFIG_TYPE_PERCENT,
     TIER(update.error_ratio_max_ppm),
     .max = CONFIG_PPM,
     .initial = "1%",
     .help = "How far over the compared hosts' error ratio the soak tolerates."},
    {.name = "shadow",
     .type = CONFIG_TYPE_SWITCH,
     TIER(update.shadow),
     .initial = "off",
     .unbuilt = true,
     .help = "Copies of requests go to an updated host before real ones do."},
};
static const struct config_section verify_section = {.name = "verify", ROWS(verify_rows)};

static const struct config_setting update_rows[] = {
    {.name = "strategy",
     .type = CONFIG_TYPE_CHOICE,
     TIER(update.strategy),
     .choices = strategy_words,
     .initial = "rolling",
     .help = "How the update moves on."},
    {.name = "max_unavailable",
     .type = CONFIG_TYPE_AMOUNT,
     TIER(update.max_unavailable),
     .initial = "20%",
     .help = "Hosts out of service at once, those already down included; rounds down, at least "
             "1."},
    {.name = "max_surge",
     .type = CONFIG_TYPE_AMOUNT,
     TIER(update.max_surge),
     .initial = "0",
     .unbuilt = true,
     .help = "Hosts brought up beyond the tier's number; rounds up."},
    {.name = "failure_domain",
     .type = CONFIG_TYPE_CHOICE,
     TIER(update.failure_domain_zone),
     .choices = failure_domain_words,
     .shown = "zone if every host has one, else none",
     .help = "zone: hosts of two zones are never disturbed at once."},
    {.name = "drain",
     .type = CONFIG_TYPE_SECTION,
     .section = &drain_section,
     .help = "Before a host is touched."},
    {.name = "floor",
     .type = CONFIG_TYPE_PERCENT,
     TIER(update.floor_ppm),
     GIVEN(struct config_tier, update.floor_given),
     .max = CONFIG_PPM,
     .shown = "what max_unavailable leaves",
     .help = "Serving capacity is never taken below this share."},
    {.name = "install",
     .type = CONFIG_TYPE_SECTION,
     .section = &install_section,
     .help = "What is done to a host. Without it the tier cannot be updated."},
    {.name = "reboot",
     .type = CONFIG_TYPE_CHOICE,
     TIER(update.reboot),
     .choices = reboot_words,
     .initial = "when_required",
     .help = "Whether a host reboots after the install; when_required asks the host."},
    {.name = "reboot_deadline",
     .type = CONFIG_TYPE_DURATION,
     TIER(update.reboot_deadline_ms),
     .min = 1,
     .max = DAY,
     .initial = "10m",
     .help = "A host that is not back with a new boot_id by then is quarantined."},
    {.name = "verify",
     .type = CONFIG_TYPE_SECTION,
     .section = &verify_section,
     .help = "What an updated host must prove."},
    {.name = "on_failure",
     .type = CONFIG_TYPE_CHOICE,
     TIER(update.on_failure),
     .choices = on_failure_words,
     .initial = "revert",
     .help = "revert puts the old version back on the host that failed and stops; pause leaves it "
             "as it is and asks."},
};
static const struct config_section update_section = {.name = "update", ROWS(update_rows)};

static const struct config_setting warm_rows[] = {
    {.name = "time",
     .type = CONFIG_TYPE_DURATION,
     TIER(warm.time_ms),
     .min = 1,
     .max = 7 * DAY,
     .required = true,
     .help = "How long a host with an empty cache takes to fill it."},
    {.name = "cold_max",
     .type = CONFIG_TYPE_PERCENT,
     TIER(warm.cold_max_ppm),
     .min = 1,
     .max = CONFIG_PPM,
     .help = "At most this share of the hosts is filling a cache at once."},
    {.name = "backend_load_max",
     .type = CONFIG_TYPE_PERCENT,
     TIER(warm.backend_load_max_ppm),
     .min = 1,
     .max = 100 * CONFIG_PPM,
     .help = "Filling caches adds at most this much to the load behind them."},
    {.name = "hit_ratio",
     .type = CONFIG_TYPE_HIT_RATIO,
     TIER(warm.hit_ratio_ppm),
     .min = 1,
     .max = CONFIG_PPM - 1,
     .initial = "measured",
     .help = "How many of the requests a full cache answers."},
};
static const struct config_section warm_section = {.name = "warm", ROWS(warm_rows)};

static const struct config_setting tier_rows[] = {
    {.name = "balance",
     .type = CONFIG_TYPE_CHOICE,
     TIER(balance),
     .choices = balance_words,
     .initial = "least_requests",
     .help = "How a host is chosen for a request."},
    {.name = "key",
     .type = CONFIG_TYPE_SECTION,
     .section = &key_section,
     .unbuilt = true,
     .help = "balance: key: what of a request decides its host. Exactly one of query, header, "
             "cookie and path."},
    {.name = "health",
     .type = CONFIG_TYPE_SECTION,
     .section = &health_section,
     .shorthand = "kind",
     .help = "Active checks of every host; `off` for none."},
    {.name = "timeouts",
     .type = CONFIG_TYPE_SECTION,
     .section = &timeouts_section,
     .help = "Every wait of a request has an end."},
    {.name = "slow_start",
     .type = CONFIG_TYPE_DURATION,
     TIER(slow_start_ms),
     .max = DAY,
     .initial = "10s",
     .help = "The weight of a restored host rises over this time."},
    {.name = "hold",
     .type = CONFIG_TYPE_SECTION,
     .section = &hold_section,
     .help = "When no host can take a request, it waits."},
    {.name = "retry",
     .type = CONFIG_TYPE_SECTION,
     .section = &retry_section,
     .help = "A failed request is tried again where that is safe."},
    {.name = "hosts",
     .type = CONFIG_TYPE_HOSTS,
     .section = &config_schema_host,
     TIER(hosts),
     .required = true,
     .help = "The hosts that serve."},
    {.name = "standby",
     .type = CONFIG_TYPE_HOSTS,
     .section = &config_schema_host,
     TIER(standby_count),
     .unbuilt = true,
     .help = "Hosts without traffic that take over the place of one being updated."},
    {.name = "update",
     .type = CONFIG_TYPE_SECTION,
     .section = &update_section,
     .help = "How `nines update` treats this tier."},
    {.name = "warm",
     .type = CONFIG_TYPE_SECTION,
     .section = &warm_section,
     .unbuilt = true,
     GIVEN(struct config_tier, warm.given),
     .help = "Paces an update by how long caches take to fill. cold_max, backend_load_max or both "
             "must be given; the stricter rules."},
};
const struct config_section config_schema_tier = {.name = "tier", ROWS(tier_rows)};

/* ---- The file ---- */

#define ROOT(member) AT(struct config, member)

static const struct config_setting metrics_rows[] = {
    {.name = "address",
     .type = CONFIG_TYPE_ADDRESS,
     ROOT(metrics),
     .required = true,
     .help = "HOST:PORT where Prometheus finds the metrics."},
};
static const struct config_section metrics_section = {.name = "metrics", ROWS(metrics_rows)};

static const struct config_setting log_rows[] = {
    {.name = "access",
     .type = CONFIG_TYPE_ACCESS,
     ROOT(log.access),
     .initial = "off",
     .help = "One line a request: to a file, to stdout, or not at all."},
    {.name = "format",
     .type = CONFIG_TYPE_CHOICE,
     ROOT(log.format),
     .choices = format_words,
     .initial = "combined",
     .help = "Of those lines."},
};
static const struct config_section log_section = {.name = "log", ROWS(log_rows)};

static const struct config_setting limits_rows[] = {
    {.name = "header_bytes",
     .type = CONFIG_TYPE_SIZE,
     ROOT(limits.header_bytes),
     .min = KIB,
     .max = 64 * KIB,
     .initial = "16KiB",
     .help = "Of one request's or response's head."},
    {.name = "headers",
     .type = CONFIG_TYPE_COUNT,
     ROOT(limits.headers),
     .min = 8,
     .max = 1000,
     .initial = "100",
     .help = "Header fields in one head."},
    {.name = "body_bytes",
     .type = CONFIG_TYPE_SIZE,
     ROOT(limits.body_bytes),
     .min = 1,
     .initial = "unlimited",
     .help = "Of one request's body; more is answered 413."},
    {.name = "connections",
     .type = CONFIG_TYPE_COUNT,
     ROOT(limits.connections),
     .min = 1,
     .max = 10000000,
     .initial = "20000",
     .help = "Of clients at once, all threads together."},
};
static const struct config_section limits_section = {.name = "limits", ROWS(limits_rows)};

static const struct config_setting root_rows[] = {
    {.name = "listen",
     .type = CONFIG_TYPE_LISTENERS,
     .section = &config_schema_listener,
     ROOT(listeners),
     .required = true,
     .help = "Where clients connect."},
    {.name = "tiers",
     .type = CONFIG_TYPE_TIERS,
     .section = &config_schema_tier,
     ROOT(tiers),
     .required = true,
     .help = "The fleets behind, by name."},
    {.name = "state",
     .type = CONFIG_TYPE_STATE,
     ROOT(state),
     .initial = "sqlite:/var/lib/nines/state.db",
     .help = "Where the controller keeps its rollouts."},
    {.name = "admin",
     .type = CONFIG_TYPE_PATH,
     ROOT(admin),
     .max = 80,
     .initial = "/run/nines",
     .help = "Directory (0700) of the control sockets and the pid file."},
    {.name = "metrics",
     .type = CONFIG_TYPE_SECTION,
     .section = &metrics_section,
     GIVEN(struct config, metrics_given),
     .help = "Metrics over TCP. They are always on the control sockets."},
    {.name = "threads",
     .type = CONFIG_TYPE_COUNT,
     ROOT(threads),
     .min = 1,
     .max = 256,
     .shown = "one a core",
     .help = "Threads of the balancer."},
    {.name = "user",
     .type = CONFIG_TYPE_USER,
     ROOT(user),
     .shown = "no change",
     .help = "The balancer becomes this user after opening everything, if it exists."},
    {.name = "ssh_config",
     .type = CONFIG_TYPE_PATH,
     ROOT(ssh_config),
     .file = true,
     .shown = "ssh's own",
     .help = "Given to ssh as -F."},
    {.name = "log",
     .type = CONFIG_TYPE_SECTION,
     .section = &log_section,
     .help = "The access log."},
    {.name = "limits",
     .type = CONFIG_TYPE_SECTION,
     .section = &limits_section,
     .help = "What one client may cost."},
};
const struct config_section config_schema = {.name = NULL, ROWS(root_rows)};

/* ---- Over the rows ---- */

const struct config_setting *config_section_find(const struct config_section *section,
                                                 struct slice name)
{
    for (size_t i = 0; i < section->count; i++) {
        if (slice_is(name, section->rows[i].name))
            return &section->rows[i];
    }
    return NULL;
}

const char *config_choice_name(const struct config_setting *row, uint32_t value)
{
    ASSERT(row != NULL && row->type == CONFIG_TYPE_CHOICE);
    for (const struct config_choice *choice = row->choices; choice->name != NULL; choice++) {
        if (choice->value == value)
            return choice->name;
    }
    UNREACHABLE();
}

static void flags_default(const struct config_setting *row, void *fields)
{
    struct config_complaint complaint;
    uint32_t bits = 0;
    const char *rest = row->initial;
    while (*rest != '\0') {
        const size_t size = strcspn(rest, ",");
        const struct config_choice *choice = config_choice_find(
            row->choices, (struct slice){.data = rest, .size = size}, &complaint);
        ASSERT(choice != NULL);
        bits |= choice->value;
        rest += size;
        rest += strspn(rest, ", ");
    }
    memcpy((char *)fields + row->offset, &bits, sizeof bits);
}

bool config_section_defaults(const struct config_section *section, struct arena *arena,
                             void *fields)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->rows[i];
        if (row->type == CONFIG_TYPE_SECTION) {
            if (!config_section_defaults(row->section, arena, fields))
                return false;
            continue;
        }
        if (row->initial == NULL)
            continue;
        if (row->type == CONFIG_TYPE_FLAGS) {
            flags_default(row, fields);
            continue;
        }
        struct config_complaint complaint;
        if (!config_value_set(row, slice_of(row->initial), arena, fields, &complaint))
            return false; /* A default is right (a test parses each): memory is out. */
    }
    return true;
}

static void visit(const struct config_section *section, const char *path, config_visitor *visitor,
                  void *context)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_setting *row = &section->rows[i];
        char below[CONFIG_PATH_MAX];
        const int size =
            snprintf(below, sizeof below, "%s%s%s", path, *path == '\0' ? "" : ".", row->name);
        ASSERT(size > 0 && (size_t)size < sizeof below);
        visitor(context, below, row);
        if (row->section == NULL)
            continue;
        if (row->type == CONFIG_TYPE_TIERS) {
            ASSERT((size_t)size + sizeof ".NAME" <= sizeof below);
            memcpy(below + size, ".NAME", sizeof ".NAME");
        }
        visit(row->section, below, visitor, context);
    }
}

void config_schema_each(config_visitor *visitor, void *context)
{
    visit(&config_schema, "", visitor, context);
}
