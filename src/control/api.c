/*
 * The controller's API on controller.sock: HTTP and JSON, documented in
 * docs/internals/controller-api.md.
 */
#include "base/check.h"
#include "base/writer.h"
#include "control/controller_state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = SERVER_ANSWER_BYTES_MAX, PARTS_MAX = 6 };

/* A member of an order: absent is "". */
static bool take_member(const json_t *root, const char *name, char *out, size_t size,
                        struct error *error)
{
    const json_t *value = json_object_get(root, name);
    out[0] = '\0';
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value))
        return error_set(error, ERROR_USAGE, "'%s' must be text", name);
    if (json_string_length(value) >= size)
        return error_set(error, ERROR_USAGE, "'%s' is longer than %zu bytes", name, size - 1);
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    return true;
}

static json_t *parse_body(struct slice body, struct error *error)
{
    json_error_t problem;
    json_t *root = json_loadb(body.size > 0 ? body.data : "{}", body.size > 0 ? body.size : 2,
                              JSON_REJECT_DUPLICATES, &problem);
    if (root != NULL && json_is_object(root))
        return root;
    json_decref(root);
    error_set(error, ERROR_USAGE, "the body is not a JSON object: %s",
              root == NULL ? problem.text : "another value");
    return NULL;
}

static bool parse_update(struct slice body, struct rows_head *head, struct error *error)
{
    *head = (struct rows_head){0};
    json_t *root = parse_body(body, error);
    if (root == NULL)
        return false;
    const bool done = take_member(root, "tier", head->tier, sizeof head->tier, error) &&
                      take_member(root, "to", head->to_version, sizeof head->to_version, error) &&
                      take_member(root, "only", head->only, sizeof head->only, error) &&
                      take_member(root, "strategy", head->strategy, sizeof head->strategy, error) &&
                      take_member(root, "who", head->who, sizeof head->who, error);
    json_decref(root);
    if (done && head->strategy[0] == '\0')
        (void)snprintf(head->strategy, sizeof head->strategy, "rolling");
    return done;
}

static void answer_rollout(struct controller *controller, struct server_exchange *exchange,
                           const struct runner *runner)
{
    struct text text;
    struct controller_tier *tier = controller_tier_find(controller, runner_head(runner)->tier);
    ASSERT(tier != NULL);
    text_init(&text, ANSWER_MAX);
    controller_rollout(runner, &tier->watch, &text);
    server_answer_json(exchange, &text);
    text_done(&text);
}

static void post_update(struct controller *controller, struct server_exchange *exchange,
                        const struct server_request *request)
{
    struct rows_head head;
    struct error error;
    const struct runner *runner = NULL;
    if (parse_update(request->body, &head, &error))
        runner = controller_update(controller, &head, &error);
    if (runner == NULL)
        server_answer_error(exchange, &error);
    else
        answer_rollout(controller, exchange, runner);
}

static void get_status(struct controller *controller, struct server_exchange *exchange)
{
    struct text text;
    text_init(&text, ANSWER_MAX);
    controller_status(controller, &text);
    server_answer_json(exchange, &text);
    text_done(&text);
}

/* "latest" or a number. */
static struct runner *find_rollout(struct controller *controller, struct slice name,
                                   struct error *error)
{
    uint64_t id = 0;
    if (!slice_is(name, "latest") && (!slice_to_u64(name, &id) || id == 0)) {
        error_set(error, ERROR_USAGE, "'%.*s' is no rollout: name one by its number",
                  (int)(name.size < 40 ? name.size : 40), name.data);
        return NULL;
    }
    struct runner *runner = controller_runner(controller, id);
    if (runner != NULL)
        return runner;
    if (id == 0)
        error_set(error, ERROR_NOT_FOUND, "there is no rollout yet");
    else
        error_set(error, ERROR_NOT_FOUND, "there is no rollout %llu among the last %d",
                  (unsigned long long)id, CONTROLLER_ROLLOUTS_MAX);
    return NULL;
}

static bool on_said(void *context, struct slice decision)
{
    writer_raw(context, NULL, decision);
    return true;
}

static void get_log(struct server_exchange *exchange, const struct server_request *request,
                    const struct runner *runner)
{
    struct text text;
    struct writer writer;
    struct error error;
    char since_text[24] = "0";
    uint64_t since = 0;
    (void)server_query(request, "since", since_text, sizeof since_text);
    if (!slice_to_u64(slice_of(since_text), &since)) {
        error_set(&error, ERROR_USAGE, "since=%s is no number", since_text);
        server_answer_error(exchange, &error);
        return;
    }
    text_init(&text, ANSWER_MAX);
    writer_init(&writer, &text);
    writer_object(&writer, NULL);
    writer_u64(&writer, "id", runner_head(runner)->id);
    writer_array(&writer, "entries");
    const bool read = runner_log(runner, since, on_said, &writer, &error);
    writer_end(&writer);
    writer_end(&writer);
    text_add_char(&text, '\n');
    if (read)
        server_answer_json(exchange, &text);
    else
        server_answer_error(exchange, &error);
    text_done(&text);
}

static void operate(struct controller *controller, struct server_exchange *exchange,
                    const struct server_request *request, struct runner *runner, struct slice verb)
{
    static const struct {
        const char *name;
        enum rollout_event_kind kind;
    } verbs[] = {{"pause", ROLLOUT_PAUSE}, {"resume", ROLLOUT_RESUME}, {"abort", ROLLOUT_ABORT}};
    char who[64];
    struct error error;
    json_t *root = parse_body(request->body, &error);
    if (root == NULL || !take_member(root, "who", who, sizeof who, &error)) {
        json_decref(root);
        server_answer_error(exchange, &error);
        return;
    }
    json_decref(root);
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (!slice_is(verb, verbs[i].name))
            continue;
        if (runner_operate(runner, verbs[i].kind, who, &error))
            answer_rollout(controller, exchange, runner);
        else
            server_answer_error(exchange, &error);
        return;
    }
    error_set(&error, ERROR_NOT_FOUND, "a rollout knows pause, resume and abort, not '%.*s'",
              (int)(verb.size < 40 ? verb.size : 40), verb.data);
    server_answer_error(exchange, &error);
}

/* --- drain and restore, by an operator --- */

struct weight_call {
    struct controller_tier *tier;
    size_t host;
    bool restore;
    struct server_exchange *exchange;
};

static void on_weight_done(void *context, const struct error *error)
{
    struct weight_call *call = context;
    struct text text;
    struct writer writer;
    struct error own;
    call->tier->controller->calls--;
    if (error == NULL && call->restore && !controller_cordon(call->tier, call->host, false, &own))
        error = &own;
    if (error != NULL) {
        server_answer_error(call->exchange, error);
        free(call);
        return;
    }
    text_init(&text, 1024);
    writer_init(&writer, &text);
    writer_object(&writer, NULL);
    writer_string(&writer, "tier", call->tier->config->name);
    writer_string(&writer, "host", call->tier->config->hosts[call->host].name);
    writer_bool(&writer, "cordoned", !call->restore);
    writer_end(&writer);
    text_add_char(&text, '\n');
    server_answer_json(call->exchange, &text);
    text_done(&text);
    free(call);
}

/* A host that a rollout has in its hands is the rollout's. */
static bool check_free(struct controller *controller, const struct controller_tier *tier,
                       const char *name, struct error *error)
{
    const struct runner *runner = controller_active(controller, tier->config->name);
    if (runner == NULL)
        return true;
    const struct rollout *rollout = runner_rollout(runner);
    for (uint32_t i = 0; i < rollout->spec->host_count; i++) {
        const enum rollout_host_phase phase = rollout->arrays.hosts[i].phase;
        if (strcmp(rollout->spec->hosts[i].name, name) == 0 && phase > ROLLOUT_HOST_PENDING &&
            phase < ROLLOUT_HOST_VERIFIED_NEW)
            return error_set(error, ERROR_CONFLICT,
                             "rollout %llu is at work on %s (%s); pause or abort it first",
                             (unsigned long long)runner_head(runner)->id, name,
                             rollout_host_phase_name(phase));
    }
    return true;
}

static bool begin_weight(struct controller *controller, struct controller_tier *tier, size_t host,
                         bool restore, struct server_exchange *exchange, struct error *error)
{
    if (!check_free(controller, tier, tier->config->hosts[host].name, error))
        return false;
    if (controller->calls >= CONTROLLER_CALLS_MAX)
        return error_set(error, ERROR_LIMIT, "too many drains and restores at once");
    struct weight_call *call = malloc(sizeof *call);
    if (call == NULL)
        return error_set(error, ERROR_SYSTEM, "not enough memory");
    /* Drained is remembered before it is ordered, and restored is ordered before it is forgotten:
     * whatever dies in between, no rollout fills a host that somebody keeps empty. */
    if (!restore && !controller_cordon(tier, host, true, error)) {
        free(call);
        return false;
    }
    *call =
        (struct weight_call){.tier = tier, .host = host, .restore = restore, .exchange = exchange};
    const struct balancer_change change = {
        .tier = tier->config->name,
        .host = tier->config->hosts[host].name,
        .restore = restore,
        .weight = 0,
        .token = store_token(controller->store),
        .timeout_ms = CONTROLLER_BALANCER_MS,
    };
    controller->calls++;
    controller->balancer_driver->apply(controller->balancer, &change, on_weight_done, call);
    return true;
}

static void post_weight(struct controller *controller, struct server_exchange *exchange,
                        const struct slice *parts)
{
    struct error error = {0};
    char name[CONFIG_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)parts[2].size, parts[2].data);
    struct controller_tier *tier = controller_tier_find(controller, name);
    if (tier == NULL) {
        error_set(&error, ERROR_NOT_FOUND, "there is no tier '%s'", name);
        server_answer_error(exchange, &error);
        return;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)parts[4].size, parts[4].data);
    const struct config_host *host = config_host_find(tier->config, name);
    const bool restore = slice_is(parts[5], "restore");
    if (host == NULL)
        error_set(&error, ERROR_NOT_FOUND, "tier '%s' has no host '%s'", tier->config->name, name);
    else if (!restore && !slice_is(parts[5], "drain"))
        error_set(&error, ERROR_NOT_FOUND, "a host knows drain and restore");
    else if (begin_weight(controller, tier, (size_t)(host - tier->config->hosts), restore, exchange,
                          &error))
        return;
    server_answer_error(exchange, &error);
}

/* --- The routes --- */

static void route_rollout(struct controller *controller, struct server_exchange *exchange,
                          const struct server_request *request, const struct slice *parts,
                          size_t count)
{
    struct error error;
    const bool get = slice_is(request->method, "GET");
    struct runner *runner = find_rollout(controller, parts[2], &error);
    if (runner == NULL)
        server_answer_error(exchange, &error);
    else if (get && count == 3)
        answer_rollout(controller, exchange, runner);
    else if (get && slice_is(parts[3], "log"))
        get_log(exchange, request, runner);
    else if (!get && count == 4)
        operate(controller, exchange, request, runner, parts[3]);
    else
        server_answer(exchange, 405, "application/json",
                      SLICE("{\"error\":\"this method is not for this path\"}\n"));
}

void controller_api(void *context, struct server_exchange *exchange,
                    const struct server_request *request)
{
    struct controller *controller = context;
    struct slice parts[PARTS_MAX];
    struct error error;
    const size_t count = server_path_split(request->path, parts, PARTS_MAX);
    const bool get = slice_is(request->method, "GET") || request->head;
    const bool post = slice_is(request->method, "POST");
    if (count >= 2 && slice_is(parts[0], "v1")) {
        if (get && count == 2 && slice_is(parts[1], "status")) {
            get_status(controller, exchange);
            return;
        }
        if (post && count == 2 && slice_is(parts[1], "updates")) {
            post_update(controller, exchange, request);
            return;
        }
        if ((get || post) && (count == 3 || count == 4) && slice_is(parts[1], "rollouts")) {
            route_rollout(controller, exchange, request, parts, count);
            return;
        }
        if (post && count == 6 && slice_is(parts[1], "tiers") && slice_is(parts[3], "hosts")) {
            post_weight(controller, exchange, parts);
            return;
        }
    }
    error_set(&error, ERROR_NOT_FOUND, "the controller has no %.*s %.*s",
              (int)(request->method.size < 16 ? request->method.size : 16), request->method.data,
              (int)(request->path.size < 80 ? request->path.size : 80), request->path.data);
    server_answer_error(exchange, &error);
}
