#include "config/config_check.h"

#include "base/check.h"
#include "config/config_index.h"
#include "config/config_value.h"

#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_MAX = 768 };

/* One tier under judgement. */
struct judge {
    struct config_problems *problems;
    struct config_tier *tier;
    const struct config_node *node;
};

/* The node at a dotted path below `node`, or the last one that is there. */
static const struct config_node *follow(const struct config_node *node, const char *path)
{
    while (*path != '\0') {
        char key[CONFIG_NAME_MAX + 1];
        const size_t size = strcspn(path, ".");
        ASSERT(size > 0 && size < sizeof key);
        memcpy(key, path, size);
        key[size] = '\0';
        const struct config_node *below = config_yaml_find(node, key);
        if (below == NULL)
            return node;
        node = below;
        path += size;
        path += *path == '.';
    }
    return node;
}

/* True when the setting was given and is right. */
static bool given(const struct config_node *node, const char *path)
{
    const char *last = strrchr(path, '.');
    const struct config_node *found = follow(node, path);
    return found != node && slice_is(found->key, last == NULL ? path : last + 1) && !found->flawed;
}

static bool flawed(const struct config_node *node, const char *path)
{
    return follow(node, path)->flawed && follow(node, path) != node;
}

static void say(const struct judge *judge, enum config_severity severity, const char *path,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Says something about the setting at `path` in the tier, at its place in the file. */
static void say(const struct judge *judge, enum config_severity severity, const char *path,
                const char *format, ...)
{
    char setting[CONFIG_PATH_MAX];
    char sentence[SENTENCE_MAX];
    (void)snprintf(setting, sizeof setting, "tiers.%s.%s", judge->tier->name, path);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    const struct config_node *node = follow(judge->node, path);
    config_problem_add(judge->problems,
                       (struct config_about){.severity = severity,
                                             .place = node->key_place,
                                             .setting = setting,
                                             .tier = judge->tier->name},
                       "%s", sentence);
}

/* ---- Listeners ---- */

static bool same_address(const struct config_address *a, const struct config_address *b)
{
    return a->port == b->port && slice_equal_nocase(slice_of(a->host), slice_of(b->host));
}

/* After a route without conditions nothing is reached. */
static void judge_routes(const struct config_listener *listener, struct config_problems *problems)
{
    const struct config_route *all = NULL;
    for (size_t i = 0; i < listener->route_count; i++) {
        const struct config_route *route = &listener->routes[i];
        const struct config_about about = {
            .severity = CONFIG_WARNING, .place = route->place, .setting = "listen.routes"};
        if (all != NULL) {
            config_problem_add(problems, about,
                               "a route of listener '%s' is never reached: the one at %u:%u takes "
                               "every request",
                               listener->address.text, all->place.line, all->place.column);
        } else if (route->host == NULL && route->path == NULL) {
            all = route;
        } else if (route->path != NULL && strchr(route->path, '?') != NULL) {
            config_problem_add(problems, about,
                               "a route of listener '%s' never matches: '%s' holds a '?', and a "
                               "path ends before it",
                               listener->address.text, route->path);
        }
    }
}

static void judge_listeners(const struct config *config, const struct config_node *node,
                            struct config_problems *problems)
{
    const struct config_node *item = node->first;
    for (size_t i = 0; i < config->listener_count; i++, item = item->next) {
        const struct config_listener *listener = &config->listeners[i];
        if (item->flawed)
            continue;
        judge_routes(listener, problems);
        const struct config_node *other = node->first;
        for (size_t j = 0; j < i; j++, other = other->next) {
            if (other->flawed || !same_address(&listener->address, &config->listeners[j].address))
                continue;
            config_problem_add(
                problems, (struct config_about){.place = listener->place, .setting = "listen"},
                "listener '%s' is given twice; the first is at %u:%u", listener->address.text,
                config->listeners[j].place.line, config->listeners[j].place.column);
            break;
        }
        if (config->metrics_given && config->metrics.text != NULL &&
            same_address(&listener->address, &config->metrics))
            config_problem_add(
                problems, (struct config_about){.place = listener->place, .setting = "listen"},
                "listener '%s' has the address of 'metrics'", listener->address.text);
    }
}

/* A tier that no route leads to may be on its way in or out: a warning. */
static void judge_use(const struct config *config, const struct judge *judge)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        for (size_t j = 0; j < config->listeners[i].route_count; j++) {
            if (&config->tiers[config->listeners[i].routes[j].tier] == judge->tier)
                return;
        }
    }
    say(judge, CONFIG_WARNING, "hosts", "no route leads to tier '%s'", judge->tier->name);
}

/* ---- A tier's traffic ---- */

static void judge_key(const struct judge *judge)
{
    static const char *const sources[] = {"query", "header", "cookie", "path"};
    const struct config_node *key = config_yaml_find(judge->node, "key");
    const bool wanted = judge->tier->balance == CONFIG_BALANCE_KEY;
    if (key == NULL) {
        if (wanted)
            say(judge, CONFIG_ERROR, "balance",
                "'balance: key' in tier '%s' needs 'key', such as { query: q }", judge->tier->name);
        return;
    }
    if (key->flawed || flawed(judge->node, "balance"))
        return;
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        count += config_yaml_find(key, sources[i]) != NULL;
    if (count != 1)
        say(judge, CONFIG_ERROR, "key",
            "'key' in tier '%s' names %zu sources of the key; it needs exactly one of query, "
            "header, cookie and path",
            judge->tier->name, count);
    if (!wanted)
        say(judge, CONFIG_WARNING, "key", "'key' in tier '%s' has no effect with 'balance: %s'",
            judge->tier->name, config_balance_name(judge->tier->balance));
}

static void judge_health(const struct judge *judge)
{
    const struct config_tier *tier = judge->tier;
    if (tier->health.kind == CONFIG_HEALTH_OFF || flawed(judge->node, "health"))
        return;
    if (tier->health.timeout_ms > tier->health.interval_ms)
        say(judge, CONFIG_WARNING,
            given(judge->node, "health.timeout") ? "health.timeout" : "health.interval",
            "'health.timeout' in tier '%s' is %u ms, longer than 'health.interval' (%u ms)",
            tier->name, tier->health.timeout_ms, tier->health.interval_ms);
    if (tier->health.kind == CONFIG_HEALTH_TCP && given(judge->node, "health.path"))
        say(judge, CONFIG_WARNING, "health.path",
            "'health.path' in tier '%s' has no effect with 'kind: tcp'", tier->name);
}

static void judge_warm(const struct judge *judge)
{
    const struct config_warm *warm = &judge->tier->warm;
    if (!warm->given || flawed(judge->node, "warm"))
        return;
    if (warm->cold_max_ppm == 0 && warm->backend_load_max_ppm == 0)
        say(judge, CONFIG_ERROR, "warm",
            "'warm' in tier '%s' needs 'cold_max' or 'backend_load_max'", judge->tier->name);
    if (warm->backend_load_max_ppm == 0 && given(judge->node, "warm.hit_ratio"))
        say(judge, CONFIG_WARNING, "warm.hit_ratio",
            "'warm.hit_ratio' in tier '%s' has no effect without 'backend_load_max'",
            judge->tier->name);
}

/* ---- A tier's update ---- */

static void judge_install(const struct judge *judge)
{
    static const struct {
        const char *name;
        enum config_install method;
        bool required;
    } parts[] = {
        {"packages", CONFIG_INSTALL_APT, true},
        {"unit", CONFIG_INSTALL_RESTART, true},
        {"command", CONFIG_INSTALL_COMMAND, true},
        {"check", CONFIG_INSTALL_COMMAND, false},
    };
    const struct config_node *install =
        config_yaml_find(config_yaml_find(judge->node, "update"), "install");
    if (install == NULL || install->flawed)
        return;
    const struct config_node *method = config_yaml_find(install, "method");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        const bool there = config_yaml_find(install, parts[i].name) != NULL;
        char path[CONFIG_PATH_MAX];
        (void)snprintf(path, sizeof path, "update.install.%s", parts[i].name);
        if (judge->tier->update.install == parts[i].method) {
            if (!there && parts[i].required)
                say(judge, CONFIG_ERROR, path,
                    "'update.install' in tier '%s' needs '%s' with "
                    "'method: %s'",
                    judge->tier->name, parts[i].name, method->text.data);
        } else if (there) {
            say(judge, CONFIG_WARNING, path, "'%s' in tier '%s' has no effect with 'method: %s'",
                path, judge->tier->name, method->text.data);
        }
    }
}

/* How many serve: standbys come last. */
static uint32_t serving(const struct config_tier *tier)
{
    ASSERT(tier->standby_count <= tier->host_count);
    return (uint32_t)(tier->host_count - tier->standby_count);
}

/* Hosts that may not leave alone: without them less than the floor would serve. */
static void judge_floor(const struct judge *judge)
{
    const struct config_tier *tier = judge->tier;
    const uint32_t count = serving(tier);
    if (!tier->update.floor_given || flawed(judge->node, "update.floor"))
        return;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += tier->hosts[i].weight;
    const struct config_host *stuck = NULL;
    const struct config_host *lightest = &tier->hosts[0];
    uint32_t stuck_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct config_host *host = &tier->hosts[i];
        if (host->weight < lightest->weight)
            lightest = host;
        if ((total - host->weight) * CONFIG_PPM >= tier->update.floor_ppm * total)
            continue;
        stuck = stuck == NULL ? host : stuck;
        stuck_count++;
    }
    if (stuck == NULL)
        return;
    struct text floor;
    text_init(&floor, 64);
    config_value_print(&floor, CONFIG_TYPE_PERCENT, tier->update.floor_ppm);
    const struct config_host *shown = stuck_count == count ? lightest : stuck;
    const double left = 100.0 * (double)(total - shown->weight) / (double)total;
    if (stuck_count == count)
        say(judge, CONFIG_WARNING, "update.floor",
            "'update.floor' in tier '%s' is %s, which lets no host be taken: with one of its %u "
            "hosts out, at most %.1f%% serve",
            tier->name, floor.data, count, left);
    else
        say(judge, CONFIG_WARNING, "update.floor",
            "'update.floor' in tier '%s' is %s, which lets host '%s' never be taken: without it "
            "%.1f%% serve",
            tier->name, floor.data, stuck->name, left);
    text_done(&floor);
}

static void judge_unavailable(const struct judge *judge)
{
    const struct config_tier *tier = judge->tier;
    const uint32_t count = serving(tier);
    if (!given(judge->node, "update.max_unavailable"))
        return;
    if (config_amount_floor(tier->update.max_unavailable, count) >= count &&
        !(tier->update.floor_given && tier->update.floor_ppm > 0))
        say(judge, CONFIG_WARNING, "update.max_unavailable",
            "'update.max_unavailable' in tier '%s' lets all of its %u hosts be out at once",
            tier->name, count);
}

static void judge_zones(const struct judge *judge)
{
    struct config_tier *tier = judge->tier;
    size_t without = 0;
    const struct config_host *first = NULL;
    for (size_t i = 0; i < tier->host_count; i++) {
        if (tier->hosts[i].zone != NULL)
            continue;
        first = first == NULL ? &tier->hosts[i] : first;
        without++;
    }
    if (!given(judge->node, "update.failure_domain")) {
        tier->update.failure_domain_zone = without == 0;
        return;
    }
    if (tier->update.failure_domain_zone && without > 0)
        say(judge, CONFIG_WARNING, "update.failure_domain",
            "'update.failure_domain' in tier '%s' is zone, but %zu of its %zu hosts have no zone "
            "('%s' is the first)",
            tier->name, without, tier->host_count, first->name);
}

static void judge_drivers(const struct judge *judge)
{
    const struct config_tier *tier = judge->tier;
    const struct config_host *bare = NULL;
    const struct config_host *local = NULL;
    size_t bare_count = 0;
    for (size_t i = 0; i < tier->host_count; i++) {
        const struct config_host *host = &tier->hosts[i];
        if (host->driver == CONFIG_DRIVER_NONE) {
            bare = bare == NULL ? host : bare;
            bare_count++;
        }
        if (host->driver == CONFIG_DRIVER_LOCAL && local == NULL)
            local = host;
    }
    if (bare_count == tier->host_count)
        say(judge, CONFIG_WARNING, "hosts",
            "no host of tier '%s' has a driver: `nines update %s` will refuse", tier->name,
            tier->name);
    else if (bare != NULL)
        config_problem_add(
            judge->problems,
            (struct config_about){.severity = CONFIG_WARNING,
                                  .place = bare->place,
                                  .setting = "tiers.hosts.driver",
                                  .tier = tier->name},
            "%zu of the %zu hosts of tier '%s' have no driver ('%s' is the first): `nines update "
            "%s` will refuse",
            bare_count, tier->host_count, tier->name, bare->name, tier->name);
    if (local != NULL && tier->update.place.line != 0 && !flawed(judge->node, "update") &&
        (tier->update.reboot != CONFIG_REBOOT_NEVER ||
         tier->update.install == CONFIG_INSTALL_REBOOT))
        say(judge, CONFIG_WARNING, "update.reboot",
            "host '%s' of tier '%s' has 'driver: local', which refuses to reboot this machine; "
            "did you mean 'reboot: never'?",
            local->name, tier->name);
}

static void judge_update(const struct judge *judge)
{
    const struct config_tier *tier = judge->tier;
    const uint32_t count = serving(tier);
    const struct config_node *update = config_yaml_find(judge->node, "update");
    judge_install(judge);
    if (update == NULL || count == 0 || config_yaml_find(judge->node, "hosts")->flawed)
        return;
    if (config_yaml_find(update, "install") == NULL && !update->flawed)
        say(judge, CONFIG_WARNING, "update",
            "'update' in tier '%s' has no 'install': `nines update %s` will refuse", tier->name,
            tier->name);
    if (count > 1) {
        judge_floor(judge);
        judge_unavailable(judge);
    } else if (tier->standby_count == 0 && tier->update.strategy != CONFIG_STRATEGY_RECREATE) {
        say(judge, CONFIG_WARNING, "update",
            "tier '%s' has one host: `nines update %s` will refuse, since it would leave none",
            tier->name, tier->name);
    }
}

/* ---- Hosts at one address ---- */

/* Hosts of all tiers, counted through. */
struct place_in_config {
    uint32_t tier;
    uint32_t host;
};

struct addresses {
    const struct config *config;
    struct config_problems *problems;
    struct place_in_config *places;
    uint32_t count;
    struct config_index by_endpoint; /* Host and port. */
    struct config_index by_host;
};

/* The first host before `place` with the same host, and the same port if asked; inserts if none. */
static const struct config_host *earlier(struct addresses *addresses, struct config_index *index,
                                         const struct config_host *host, bool ports, uint32_t place,
                                         struct place_in_config *where)
{
    const struct slice key = slice_of(ports ? host->address.text : host->address.host);
    struct config_index_walk walk;
    uint32_t other;
    config_index_first(&walk, index, key);
    while (config_index_next(&walk, &other)) {
        *where = addresses->places[other];
        const struct config_host *found = &addresses->config->tiers[where->tier].hosts[where->host];
        if (slice_is(key, ports ? found->address.text : found->address.host))
            return found;
    }
    config_index_insert(index, key, place);
    return NULL;
}

/* No `machine` and no ssh target: config_hosts made "TIER/NAME" of it. */
static bool is_alone(const struct config_host *host)
{
    return strchr(host->machine, '/') != NULL;
}

static bool same_place(struct config_place a, struct config_place b)
{
    return a.line == b.line && a.column == b.column;
}

/* Takes in one host, and warns about it unless `quiet`; true when it did. */
static bool judge_address(struct addresses *addresses, uint32_t place, bool quiet)
{
    const struct place_in_config here = addresses->places[place];
    const struct config_tier *tiers = addresses->config->tiers;
    const struct config_host *host = &tiers[here.tier].hosts[here.host];
    const struct config_about about = {.severity = CONFIG_WARNING,
                                       .place = host->place,
                                       .setting = "tiers.hosts.address",
                                       .tier = tiers[here.tier].name};
    struct place_in_config twin_at = {0};
    struct place_in_config neighbour_at = {0};
    const struct config_host *twin =
        earlier(addresses, &addresses->by_endpoint, host, true, place, &twin_at);
    const struct config_host *neighbour =
        earlier(addresses, &addresses->by_host, host, false, place, &neighbour_at);
    if (quiet)
        return false;
    if (twin != NULL && (here.tier == twin_at.tier || strcmp(twin->machine, host->machine) != 0)) {
        config_problem_add(addresses->problems, about,
                           "host '%s' of tier '%s' has the address of host '%s' of tier '%s' "
                           "(%u:%u): %s",
                           host->name, tiers[here.tier].name, twin->name, tiers[twin_at.tier].name,
                           twin->place.line, twin->place.column, host->address.text);
        return true;
    }
    if (twin == NULL && neighbour != NULL && !same_place(host->place, neighbour->place) &&
        is_alone(host) && is_alone(neighbour) && host->driver != CONFIG_DRIVER_NONE &&
        neighbour->driver != CONFIG_DRIVER_NONE) {
        config_problem_add(addresses->problems, about,
                           "host '%s' of tier '%s' and host '%s' of tier '%s' (%u:%u) are both at "
                           "%s but count as two machines; give both the same 'machine' if it is "
                           "one",
                           host->name, tiers[here.tier].name, neighbour->name,
                           tiers[neighbour_at.tier].name, neighbour->place.line,
                           neighbour->place.column, host->address.host);
        return true;
    }
    return false;
}

/* One warning a tier: who listed one host of many twice has usually listed them all twice. */
static void judge_addresses(const struct config *config, struct arena *scratch,
                            struct config_problems *problems)
{
    struct addresses addresses = {.config = config, .problems = problems};
    size_t total = 0;
    for (size_t i = 0; i < config->tier_count; i++)
        total += config->tiers[i].host_count;
    addresses.places = arena_array(scratch, total, sizeof *addresses.places);
    if (addresses.places == NULL || !config_index_init(&addresses.by_endpoint, scratch, total) ||
        !config_index_init(&addresses.by_host, scratch, total)) {
        config_problem_add(problems, (struct config_about){.severity = CONFIG_ERROR},
                           "the config does not fit into memory");
        return;
    }
    for (uint32_t i = 0; i < config->tier_count; i++) {
        bool warned = false;
        for (uint32_t j = 0; j < config->tiers[i].host_count; j++) {
            addresses.places[addresses.count] = (struct place_in_config){.tier = i, .host = j};
            warned = judge_address(&addresses, addresses.count, warned) || warned;
            addresses.count++;
        }
    }
}

/* ---- All of it ---- */

void config_check(struct config *config, const struct config_node *root, struct arena *scratch,
                  struct config_problems *problems)
{
    const struct config_node *listen = config_yaml_find(root, "listen");
    const struct config_node *tiers = config_yaml_find(root, "tiers");
    if (config->listener_count > 0)
        judge_listeners(config, listen, problems);
    bool hosts_flawed = false;
    const struct config_node *node = config->tier_count > 0 ? tiers->first : NULL;
    for (size_t i = 0; i < config->tier_count; i++, node = node->next) {
        const struct judge judge = {.problems = problems, .tier = &config->tiers[i], .node = node};
        if (node->kind != CONFIG_NODE_MAPPING)
            continue;
        judge_key(&judge);
        judge_health(&judge);
        judge_warm(&judge);
        judge_update(&judge);
        const struct config_node *hosts = config_yaml_find(node, "hosts");
        if (hosts == NULL || hosts->flawed) {
            hosts_flawed = true;
            continue;
        }
        judge_zones(&judge);
        judge_drivers(&judge);
        if (listen != NULL && !listen->flawed)
            judge_use(config, &judge);
    }
    if (!hosts_flawed)
        judge_addresses(config, scratch, problems);
}
