#include "proxy/admin.h"

#include "api/server.h"
#include "base/check.h"
#include "base/text.h"
#include "proxy/admin_view.h"
#include "proxy/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_PARTS_MAX = 6 };

struct admin {
    struct loop *loop;
    struct targets *targets;
    struct weights *weights;
    const struct access_log *log;
    struct server *server;
    struct server *metrics_server;
    uint32_t threads;
    uint64_t started_wall_ms;
    uint64_t *tokens;    /* The newest seen, one a tier. */
    struct list puts;    /* Changes that wait for the parent. */
    struct list streams; /* Clients of /v1/events. */
    uint32_t stream_count;
};

/* A PUT whose weight is on its way to the parent. */
struct put {
    struct list node;
    struct admin *admin;
    struct server_exchange *exchange;
    uint32_t target;
    uint32_t weight;
    bool close_long_lived;
};

struct stream {
    struct list node;
    struct admin *admin;
    struct server_exchange *exchange;
};

/* What a PUT asks for. */
struct wish {
    bool has_weight;
    uint32_t weight; /* Or TARGET_WEIGHT_RESTORED. */
    bool close_long_lived;
    uint64_t token; /* 0: none. */
};

_Static_assert(TARGET_WEIGHT_RESTORED == WEIGHTS_RESTORED, "one value for a restored weight");

/* --- Reading a PUT. --- */

static bool read_member(struct wish *wish, const char *key, const json_t *value,
                        struct error *error)
{
    if (strcmp(key, "weight") == 0) {
        wish->has_weight = true;
        wish->weight = TARGET_WEIGHT_RESTORED;
        if (json_is_null(value))
            return true;
        const json_int_t weight = json_integer_value(value);
        if (!json_is_integer(value) || weight < 0 || weight > PICK_WEIGHT_MAX / PICK_WEIGHT_ONE)
            return error_set(error, ERROR_USAGE,
                             "'weight' is a whole number from 0 to %d, or null for the config's",
                             PICK_WEIGHT_MAX / PICK_WEIGHT_ONE);
        wish->weight = (uint32_t)weight;
        return true;
    }
    if (strcmp(key, "token") == 0) {
        if (!json_is_integer(value) || json_integer_value(value) < 1)
            return error_set(error, ERROR_USAGE, "'token' is a whole number over 0");
        wish->token = (uint64_t)json_integer_value(value);
        return true;
    }
    if (strcmp(key, "close_long_lived") == 0) {
        if (!json_is_true(value))
            return error_set(error, ERROR_USAGE, "'close_long_lived' can only be true");
        wish->close_long_lived = true;
        return true;
    }
    return error_set(error, ERROR_USAGE,
                     "unknown member '%.64s'; a host takes 'weight', 'close_long_lived', 'token'",
                     key);
}

static bool read_wish(struct slice body, struct wish *wish, struct error *error)
{
    json_error_t problem;
    json_t *root = json_loadb(body.data, body.size, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(error, ERROR_USAGE, "the body is not a JSON object%s%s",
                         root == NULL ? ": " : "", root == NULL ? problem.text : "");
    }
    bool good = true;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (good)
            good = read_member(wish, key, value, error);
    }
    json_decref(root);
    if (good && !wish->has_weight && !wish->close_long_lived)
        return error_set(error, ERROR_USAGE, "nothing to change: give 'weight'");
    return good;
}

/* --- Carrying it out. --- */

static void answer_host(struct admin *admin, struct server_exchange *exchange, uint32_t target)
{
    struct text text;
    text_init(&text, ADMIN_BYTES_MAX);
    admin_view_host(&text, admin->targets, target);
    server_answer_json(exchange, &text);
    text_done(&text);
}

/* The weight is kept: publish it. */
static void on_kept(void *context, const struct error *failure)
{
    struct put *put = context;
    struct admin *admin = put->admin;
    struct error error;
    bool good = failure == NULL;
    if (good)
        good = targets_set_weight(admin->targets, put->target, put->weight, &error);
    if (good && put->close_long_lived)
        good = targets_close_long_lived(admin->targets, put->target, &error);
    list_remove(&put->node);
    if (good)
        answer_host(admin, put->exchange, put->target);
    else
        server_answer_error(put->exchange, failure != NULL ? failure : &error);
    free(put);
}

static bool send_weight(struct admin *admin, struct server_exchange *exchange, uint32_t target,
                        const struct wish *wish, struct error *error)
{
    const struct config_tier *tier =
        &targets_config(admin->targets)->tiers[targets_tier_of(admin->targets, target)];
    struct target_status status;
    targets_status(admin->targets, target, &status);
    struct weights_change change = {.weight = wish->weight, .token = wish->token};
    (void)snprintf(change.tier, sizeof change.tier, "%s", tier->name);
    (void)snprintf(change.host, sizeof change.host, "%s",
                   targets_host(admin->targets, target)->name);
    struct put *put = calloc(1, sizeof *put);
    if (put == NULL)
        return error_set_errno(error, ENOMEM, "cannot change the weight");
    *put = (struct put){.admin = admin,
                        .exchange = exchange,
                        .target = target,
                        .weight = wish->weight,
                        .close_long_lived = wish->close_long_lived};
    const uint32_t former = status.overridden ? status.override : WEIGHTS_RESTORED;
    if (!weights_send(admin->weights, &change, former, on_kept, put, error)) {
        free(put);
        return false;
    }
    list_push_back(&admin->puts, &put->node);
    return true;
}

static bool check_token(struct admin *admin, size_t tier, uint64_t token, struct error *error)
{
    if (token == 0)
        return true;
    if (token < admin->tokens[tier])
        return error_set(error, ERROR_CONFLICT,
                         "token %llu is older than %llu: another controller has taken over",
                         (unsigned long long)token, (unsigned long long)admin->tokens[tier]);
    admin->tokens[tier] = token;
    return true;
}

static void put_host(struct admin *admin, struct server_exchange *exchange, uint32_t target,
                     struct slice body)
{
    struct wish wish = {0};
    struct error error;
    const size_t tier = targets_tier_of(admin->targets, target);
    bool good = read_wish(body, &wish, &error) && check_token(admin, tier, wish.token, &error);
    if (good && wish.has_weight) {
        good = send_weight(admin, exchange, target, &wish, &error);
        if (good)
            return; /* on_kept() answers. */
    } else if (good) {
        good = targets_close_long_lived(admin->targets, target, &error);
        if (good)
            answer_host(admin, exchange, target);
    }
    if (!good)
        server_answer_error(exchange, &error);
}

/* --- The stream of events. --- */

static void on_stream_closed(void *context)
{
    struct stream *stream = context;
    stream->admin->stream_count--;
    list_remove(&stream->node);
    free(stream);
}

static void begin_stream(struct admin *admin, struct server_exchange *exchange)
{
    struct error error;
    if (admin->stream_count >= ADMIN_STREAMS_MAX) {
        error_set(&error, ERROR_LIMIT, "%d clients listen to events already", ADMIN_STREAMS_MAX);
        server_answer_error(exchange, &error);
        return;
    }
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        error_set_errno(&error, ENOMEM, "cannot begin a stream");
        server_answer_error(exchange, &error);
        return;
    }
    stream->admin = admin;
    stream->exchange = exchange;
    admin->stream_count++;
    list_push_back(&admin->streams, &stream->node);
    struct text line;
    text_init(&line, ADMIN_BYTES_MAX);
    admin_view_begin(&line, admin->targets, loop_wall_ms(admin->loop));
    server_stream_begin(exchange, on_stream_closed, stream);
    if (!line.failed)
        server_stream_send(exchange, text_slice(&line));
    text_done(&line);
}

static void on_target_change(void *context, uint32_t target, enum target_change change)
{
    struct admin *admin = context;
    if (list_empty(&admin->streams))
        return;
    struct text line;
    text_init(&line, ADMIN_BYTES_MAX);
    admin_view_event(&line, admin->targets, target, change, loop_wall_ms(admin->loop));
    LIST_EACH_SAFE (node, &admin->streams) {
        if (!line.failed)
            server_stream_send(CONTAINER_OF(node, struct stream, node)->exchange,
                               text_slice(&line));
    }
    text_done(&line);
}

/* --- Routes. --- */

/* How much of a name that came from outside goes into a message. */
static int shown(struct slice name)
{
    return name.size < CONFIG_NAME_MAX ? (int)name.size : CONFIG_NAME_MAX;
}

static bool find_tier(const struct admin *admin, struct slice name, size_t *tier,
                      struct error *error)
{
    const struct config *config = targets_config(admin->targets);
    for (*tier = 0; *tier < config->tier_count; ++*tier) {
        if (slice_is(name, config->tiers[*tier].name))
            return true;
    }
    return error_set(error, ERROR_NOT_FOUND, "no tier '%.*s'", shown(name), name.data);
}

static bool find_host(const struct admin *admin, size_t tier, struct slice name, uint32_t *target,
                      struct error *error)
{
    const uint32_t first = targets_tier_first(admin->targets, tier);
    const uint32_t count = targets_tier_count(admin->targets, tier);
    for (*target = first; *target < first + count; ++*target) {
        if (slice_is(name, targets_host(admin->targets, *target)->name))
            return true;
    }
    return error_set(error, ERROR_NOT_FOUND, "no host '%.*s' in tier '%s'", shown(name), name.data,
                     targets_config(admin->targets)->tiers[tier].name);
}

static void answer_metrics(struct admin *admin, struct server_exchange *exchange)
{
    struct text text;
    text_init(&text, ADMIN_BYTES_MAX);
    metrics_write(&text, admin->targets, admin->log);
    if (text.failed) {
        struct error error;
        error_set(&error, ERROR_LIMIT, "the metrics do not fit into %d bytes", ADMIN_BYTES_MAX);
        server_answer_error(exchange, &error);
    } else {
        server_answer(exchange, 200, METRICS_CONTENT_TYPE, text_slice(&text));
    }
    text_done(&text);
}

/* parts: "v1", "tiers"[, TIER[, "hosts"[, HOST]]]. */
static void get_tiers(struct admin *admin, struct server_exchange *exchange,
                      const struct slice *parts, size_t count)
{
    struct text text;
    struct error error;
    size_t tier = 0;
    uint32_t target = 0;
    bool good = count == 2 || find_tier(admin, parts[2], &tier, &error);
    text_init(&text, ADMIN_BYTES_MAX);
    if (good && count == 2)
        admin_view_tiers(&text, admin->targets);
    else if (good && count == 3)
        admin_view_tier(&text, admin->targets, tier);
    else if (good && count == 4)
        admin_view_hosts(&text, admin->targets, tier);
    else if (good && (good = find_host(admin, tier, parts[4], &target, &error)))
        admin_view_host(&text, admin->targets, target);
    if (good)
        server_answer_json(exchange, &text);
    else
        server_answer_error(exchange, &error);
    text_done(&text);
}

static bool is_get(const struct server_request *request)
{
    return slice_is(request->method, "GET") || request->head;
}

static void answer_not_allowed(struct server_exchange *exchange)
{
    server_answer(exchange, 405, "application/json",
                  SLICE("{\"error\":\"this method does nothing here\"}\n"));
}

static void answer_not_found(struct server_exchange *exchange)
{
    struct error error;
    error_set(&error, ERROR_NOT_FOUND,
              "no such path; there are /v1/tiers, /v1/tiers/TIER/hosts[/HOST], /v1/events, "
              "/v1/process and /metrics");
    server_answer_error(exchange, &error);
}

static void answer_process(struct admin *admin, struct server_exchange *exchange)
{
    struct text text;
    text_init(&text, ADMIN_BYTES_MAX);
    admin_view_process(&text, admin->targets, admin->threads, admin->started_wall_ms,
                       loop_wall_ms(admin->loop));
    server_answer_json(exchange, &text);
    text_done(&text);
}

static void serve_tiers(struct admin *admin, struct server_exchange *exchange,
                        const struct server_request *request, const struct slice *parts,
                        size_t count)
{
    if (is_get(request)) {
        get_tiers(admin, exchange, parts, count);
        return;
    }
    if (count != 5 || !slice_is(request->method, "PUT")) {
        answer_not_allowed(exchange);
        return;
    }
    struct error error;
    size_t tier = 0;
    uint32_t target = 0;
    if (find_tier(admin, parts[2], &tier, &error) &&
        find_host(admin, tier, parts[4], &target, &error))
        put_host(admin, exchange, target, request->body);
    else
        server_answer_error(exchange, &error);
}

static void on_request(void *context, struct server_exchange *exchange,
                       const struct server_request *request)
{
    struct admin *admin = context;
    struct slice parts[PATH_PARTS_MAX];
    const size_t count = server_path_split(request->path, parts, PATH_PARTS_MAX);
    const bool v1 = count >= 2 && count <= PATH_PARTS_MAX && slice_is(parts[0], "v1");
    if (v1 && slice_is(parts[1], "tiers") && count <= 5 &&
        (count < 4 || slice_is(parts[3], "hosts"))) {
        serve_tiers(admin, exchange, request, parts, count);
        return;
    }
    const bool events = v1 && count == 2 && slice_is(parts[1], "events");
    const bool process = v1 && count == 2 && slice_is(parts[1], "process");
    const bool metrics = count == 1 && slice_is(parts[0], "metrics");
    if (!events && !process && !metrics)
        answer_not_found(exchange);
    else if (!is_get(request))
        answer_not_allowed(exchange);
    else if (events)
        begin_stream(admin, exchange);
    else if (process)
        answer_process(admin, exchange);
    else
        answer_metrics(admin, exchange);
}

/* The port that anyone on its network may read: numbers, nothing else. */
static void on_metrics_request(void *context, struct server_exchange *exchange,
                               const struct server_request *request)
{
    if (!slice_is(request->path, "/metrics"))
        server_answer(exchange, 404, "application/json",
                      SLICE("{\"error\":\"only /metrics is served here\"}\n"));
    else if (!is_get(request))
        answer_not_allowed(exchange);
    else
        answer_metrics(context, exchange);
}

/* --- Opening and closing. --- */

static bool open_servers(struct admin *admin, int admin_fd, int metrics_fd, struct error *error)
{
    admin->server = server_open(admin->loop, admin_fd, on_request, admin, error);
    if (admin->server == NULL) {
        close(admin_fd);
        if (metrics_fd >= 0)
            close(metrics_fd);
        return false;
    }
    if (metrics_fd < 0)
        return true;
    admin->metrics_server = server_open(admin->loop, metrics_fd, on_metrics_request, admin, error);
    if (admin->metrics_server != NULL)
        return true;
    close(metrics_fd);
    return false;
}

struct admin *admin_open(const struct admin_start *start, struct error *error)
{
    const size_t tiers = targets_config(start->targets)->tier_count;
    struct admin *admin = calloc(1, sizeof *admin);
    uint64_t *tokens = calloc(tiers, sizeof *tokens);
    if (admin == NULL || tokens == NULL) {
        free(admin);
        free(tokens);
        close(start->admin_fd);
        if (start->metrics_fd >= 0)
            close(start->metrics_fd);
        error_set_errno(error, ENOMEM, "cannot open the admin interface");
        return NULL;
    }
    memcpy(tokens, start->tokens, tiers * sizeof *tokens);
    *admin = (struct admin){.loop = start->loop,
                            .targets = start->targets,
                            .weights = start->weights,
                            .log = start->log,
                            .threads = start->threads,
                            .started_wall_ms = loop_wall_ms(start->loop),
                            .tokens = tokens};
    list_init(&admin->puts);
    list_init(&admin->streams);
    if (!open_servers(admin, start->admin_fd, start->metrics_fd, error)) {
        admin_close(admin);
        return NULL;
    }
    targets_observe(admin->targets, on_target_change, admin);
    return admin;
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    targets_observe(admin->targets, NULL, NULL);
    server_close(admin->server);
    server_close(admin->metrics_server);
    LIST_EACH_SAFE (node, &admin->puts) {
        struct put *put = CONTAINER_OF(node, struct put, node);
        list_remove(&put->node);
        free(put);
    }
    /* Closing the server told every stream. */
    ASSERT(list_empty(&admin->streams));
    free(admin->tokens);
    free(admin);
}
