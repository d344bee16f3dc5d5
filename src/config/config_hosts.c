#include "config/config_hosts.h"

#include "base/check.h"
#include "config/config_address.h"
#include "config/config_index.h"
#include "config/config_range.h"

static const char *const text_names[CONFIG_HOST_TEXTS] = {
    [CONFIG_HOST_NAME] = "name",   [CONFIG_HOST_ADDRESS] = "address", [CONFIG_HOST_ZONE] = "zone",
    [CONFIG_HOST_GROUP] = "group", [CONFIG_HOST_MACHINE] = "machine", [CONFIG_HOST_SSH] = "ssh",
};

/* One entry of a list, judged but not yet expanded. */
struct entry {
    struct config_host_entry fields;
    struct config_range ranges[CONFIG_HOST_TEXTS];
    const struct config_node *node;
    uint32_t count; /* Of hosts; 0: it has errors. */
    bool standby;
};

static struct config_place place_of(const struct config_node *entry, enum config_host_text which)
{
    const struct config_node *node = config_yaml_find(entry, text_names[which]);
    return node == NULL ? entry->place : node->place;
}

/* Parses the ranges; false when one is wrong or they differ in length. */
static bool judge_ranges(const struct config_reader *reader, struct entry *entry)
{
    struct config_complaint complaint;
    bool good = true;
    bool named = entry->fields.text[CONFIG_HOST_NAME].data != NULL;
    const struct config_range *name = &entry->ranges[CONFIG_HOST_NAME];
    entry->count = 1;
    for (uint32_t i = 0; i < CONFIG_HOST_TEXTS; i++) {
        if (entry->fields.text[i].data == NULL)
            continue;
        const struct config_finding finding = {.place = place_of(entry->node, i),
                                               .name = text_names[i]};
        struct config_range *range = &entry->ranges[i];
        if (!config_range_parse(range, entry->fields.text[i], &complaint)) {
            config_read_complain(reader, finding, "%s", complaint.text);
            named = named && i != CONFIG_HOST_NAME;
            good = false;
        } else if (i == CONFIG_HOST_NAME) {
            entry->count = range->count;
        } else if (!named) {
            continue; /* Nothing to compare with. */
        } else if (range->ranged && !name->ranged && range->count > 1) {
            config_read_complain(reader, finding,
                                 "holds a range of %u, but 'name' holds none; each host needs a "
                                 "name of its own",
                                 range->count);
            good = false;
        } else if (range->ranged && range->count != entry->count) {
            config_read_complain(reader, finding, "holds a range of %u, but 'name' one of %u",
                                 range->count, entry->count);
            good = false;
        }
    }
    if (name->ranged && name->count > 1 && entry->fields.text[CONFIG_HOST_ADDRESS].data != NULL &&
        good && !entry->ranges[CONFIG_HOST_ADDRESS].ranged) {
        config_read_complain(
            reader,
            (struct config_finding){.place = place_of(entry->node, CONFIG_HOST_ADDRESS),
                                    .name = "address"},
            "holds no range, but 'name' one of %u", name->count);
        good = false;
    }
    return good;
}

static void judge_driver(const struct config_reader *reader, const struct entry *entry)
{
    const struct config_node *driver = config_yaml_find(entry->node, "driver");
    const struct config_node *ssh = config_yaml_find(entry->node, "ssh");
    const struct config_where where = config_read_where(reader);
    if (entry->fields.driver == CONFIG_DRIVER_SSH && ssh == NULL)
        config_read_report(
            reader, (struct config_finding){.place = driver->place, .name = "driver"},
            "%s has 'driver: ssh' and needs 'ssh', such as 'root@10.0.0.1'", where.text);
    if (ssh != NULL && driver == NULL)
        config_read_report(reader,
                           (struct config_finding){
                               .severity = CONFIG_WARNING, .place = ssh->key_place, .name = "ssh"},
                           "%s has 'ssh' but no driver, and a driver is never guessed; did you "
                           "mean to add 'driver: ssh'?",
                           where.text);
}

static bool read_entry(struct config_reader *reader, const struct config_node *node,
                       struct entry *entry)
{
    const struct config_node *name = config_yaml_find(node, "name");
    const size_t errors = reader->problems->errors;
    entry->node = node;
    reader->host = name != NULL && name->kind == CONFIG_NODE_SCALAR ? name->text.data : "";
    if (!config_section_defaults(&config_schema_host, reader->scratch, &entry->fields))
        config_read_report(reader, (struct config_finding){.place = node->place},
                           "the config does not fit into memory");
    else if (config_read_section(reader, &config_schema_host, node, &entry->fields)) {
        (void)judge_ranges(reader, entry);
        judge_driver(reader, entry);
    }
    reader->host = NULL;
    if (node->flawed || reader->problems->errors != errors)
        entry->count = 0;
    return entry->count > 0;
}

/* Reads a list into entries[]; returns how many hosts it stands for. */
static size_t read_list(struct config_reader *reader, const char *setting,
                        const struct config_node *list, struct entry *entries)
{
    size_t hosts = 0;
    config_read_enter(reader, setting);
    const uint32_t label_depth = reader->label_depth;
    reader->label_depth = reader->name_depth;
    size_t i = 0;
    CONFIG_YAML_EACH (node, list) {
        struct entry *entry = &entries[i++];
        if (read_entry(reader, node, entry))
            hosts += entry->count;
    }
    reader->label_depth = label_depth;
    config_read_leave(reader);
    return hosts;
}

/* ---- From entries to hosts ---- */

/* A text of host number `index`, judged; one without a range is judged and copied once. */
static bool text_set(struct config_reader *reader, const struct entry *entry,
                     enum config_host_text which, uint32_t index, const struct config_host *first,
                     struct config_host *host, struct config_complaint *complaint)
{
    const struct config_range *range = &entry->ranges[which];
    if (entry->fields.text[which].data == NULL)
        return true;
    const char **const targets[CONFIG_HOST_TEXTS] = {
        [CONFIG_HOST_NAME] = &host->name,       [CONFIG_HOST_ADDRESS] = NULL,
        [CONFIG_HOST_ZONE] = &host->zone,       [CONFIG_HOST_GROUP] = &host->group,
        [CONFIG_HOST_MACHINE] = &host->machine, [CONFIG_HOST_SSH] = &host->ssh,
    };
    if (index > 0 && !range->ranged) {
        const char *const shared[CONFIG_HOST_TEXTS] = {
            [CONFIG_HOST_ZONE] = first->zone,
            [CONFIG_HOST_GROUP] = first->group,
            [CONFIG_HOST_MACHINE] = first->machine,
            [CONFIG_HOST_SSH] = first->ssh,
        };
        ASSERT(targets[which] != NULL && shared[which] != NULL);
        *targets[which] = shared[which];
        return true;
    }
    char expanded[CONFIG_RANGE_TEXT_MAX];
    const struct slice text = config_range_expand(range, index, expanded);
    if (which == CONFIG_HOST_ADDRESS)
        return config_address_set(&host->address, text, reader->arena, complaint);
    if (which == CONFIG_HOST_NAME && !config_label_check(text, complaint))
        return false;
    if (which == CONFIG_HOST_SSH && !config_ssh_check(text, complaint))
        return false;
    if (which == CONFIG_HOST_MACHINE && memchr(text.data, '/', text.size) != NULL)
        return config_complain(complaint, "is '%s'; the name of a machine cannot hold '/'",
                               config_quote(text).text);
    *targets[which] = arena_text(reader->arena, text);
    return *targets[which] != NULL || config_complain(complaint, "does not fit into memory");
}

/* The ssh target without its user, so that two users of one machine are one machine. */
static const char *machine_default(struct config_reader *reader, const struct config_host *host)
{
    if (host->ssh == NULL)
        return arena_format(reader->arena, "%s/%s", reader->tier, host->name);
    const char *at = strchr(host->ssh, '@');
    return at == NULL ? host->ssh : at + 1;
}

static bool expand(struct config_reader *reader, const struct entry *entry, uint32_t index,
                   const struct config_host *first, struct config_host *host)
{
    *host = (struct config_host){
        .place = entry->node->place,
        .driver = entry->fields.driver,
        .weight = entry->fields.weight,
        .standby = entry->standby,
    };
    for (uint32_t which = 0; which < CONFIG_HOST_TEXTS; which++) {
        struct config_complaint complaint;
        if (text_set(reader, entry, which, index, first, host, &complaint))
            continue;
        reader->host = entry->fields.text[CONFIG_HOST_NAME].data;
        config_read_complain(reader,
                             (struct config_finding){.place = place_of(entry->node, which),
                                                     .name = text_names[which]},
                             "%s", complaint.text);
        reader->host = NULL;
        return false;
    }
    if (host->machine == NULL)
        host->machine = machine_default(reader, host);
    return host->machine != NULL;
}

static void on_twin(const struct config_reader *reader, const struct config_host *host,
                    const struct config_host *twin)
{
    if (host->place.line == twin->place.line && host->place.column == twin->place.column)
        return; /* A range of names has no twins; only a bad one could. */
    config_read_report(reader, (struct config_finding){.place = host->place, .name = "hosts"},
                       "host '%s' of tier '%s' is given twice; the first is at %u:%u", host->name,
                       reader->tier, twin->place.line, twin->place.column);
}

/* One report an entry: a range laid over another would repeat itself. */
static void index_hosts(struct config_reader *reader, struct config_tier *tier)
{
    struct config_place reported = {0};
    if (!config_index_init(&tier->host_index, reader->arena, tier->host_count)) {
        config_read_report(reader, (struct config_finding){.place = tier->place},
                           "the config does not fit into memory");
        return;
    }
    for (size_t i = 0; i < tier->host_count; i++) {
        const struct config_host *host = &tier->hosts[i];
        const struct config_host *twin = config_host_find(tier, host->name);
        if (twin == NULL) {
            config_index_insert(&tier->host_index, slice_of(host->name), (uint32_t)i);
        } else if (reported.line != host->place.line || reported.column != host->place.column) {
            on_twin(reader, host, twin);
            reported = host->place;
        }
    }
}

static void expand_all(struct config_reader *reader, struct config_tier *tier,
                       const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config_host *first = &tier->hosts[tier->host_count];
        for (uint32_t j = 0; j < entries[i].count; j++) {
            struct config_host *host = &tier->hosts[tier->host_count];
            if (!expand(reader, &entries[i], j, first, host))
                break;
            tier->host_count++;
            tier->standby_count += host->standby;
        }
    }
}

static bool is_list(const struct config_reader *reader, const char *name,
                    const struct config_node *node)
{
    if (node == NULL || node->kind == CONFIG_NODE_BROKEN)
        return false;
    const struct config_finding finding = {.place = node->place, .name = name};
    if (config_yaml_is_null(node)) {
        config_read_complain(reader, finding, "has no value; give it one or remove it");
        return false;
    }
    if (node->kind != CONFIG_NODE_SEQUENCE) {
        config_read_complain(reader, finding,
                             "must be a list of hosts, each a mapping ({ name: "
                             "web-1, address: 10.0.0.1:80 })");
        return false;
    }
    if (node->count == 0)
        config_read_complain(reader, finding, "is empty; it needs at least one host");
    return node->count > 0;
}

void config_hosts_read(struct config_reader *reader, struct config_tier *tier,
                       const struct config_node *hosts, const struct config_node *standby)
{
    if (!is_list(reader, "hosts", hosts))
        hosts = NULL;
    if (!is_list(reader, "standby", standby))
        standby = NULL;
    const size_t serving = hosts == NULL ? 0 : hosts->count;
    const size_t entries_count = serving + (standby == NULL ? 0 : standby->count);
    struct entry *entries = arena_array(reader->scratch, entries_count, sizeof *entries);
    if (entries_count == 0)
        return;
    size_t count = 0;
    if (entries != NULL && hosts != NULL)
        count += read_list(reader, "hosts", hosts, entries);
    if (entries != NULL && standby != NULL)
        count += read_list(reader, "standby", standby, entries + serving);
    for (size_t i = serving; entries != NULL && i < entries_count; i++)
        entries[i].standby = true;
    const struct config_finding finding = {.place = tier->place, .name = "hosts"};
    if (count > CONFIG_HOSTS_MAX) {
        config_read_report(reader, finding, "tier '%s' has %zu hosts; %d is the most", tier->name,
                           count, CONFIG_HOSTS_MAX);
        return;
    }
    tier->hosts = arena_array(reader->arena, count == 0 ? 1 : count, sizeof *tier->hosts);
    if (entries == NULL || tier->hosts == NULL) {
        config_read_report(reader, finding, "the config does not fit into memory");
        return;
    }
    expand_all(reader, tier, entries, entries_count);
    index_hosts(reader, tier);
}
