#include "config/config_schema.h"

#include "base/check.h"
#include "config/config_row.h"
#include "config/config_value.h"

#include <stdio.h>

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
             "IPv6) and a port."},
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

static const struct config_choice format_words[] = {
    {.name = "combined", .value = CONFIG_LOG_COMBINED},
    {.name = "json", .value = CONFIG_LOG_JSON},
    {0},
};
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
