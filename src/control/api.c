/*
 * The controller's API on controller.sock: HTTP and JSON, documented in
 * docs/internals/controller-api.md.
 */
#include "base/check.h"
#include "base/writer.h"
#include "control/controller_state.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
    ANSWER_MAX = SERVER_ANSWER_BYTES_MAX,
    LOG_PAGE_BYTES = 4 * 1024 * 1024, /* Of one answer; `more` then says that there is more. */
    PARTS_MAX = 6,
};

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

/* Nothing of an order is silently ignored. `names` ends with NULL. */
static bool check_members(json_t *root, const char *const *names, struct error *error)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(root, key, value)
    {
        const char *const *name = names;
        while (*name != NULL && strcmp(*name, key) != 0)
            name++;
        if (*name == NULL)
            return error_set(error, ERROR_USAGE, "this version does not know '%.40s' in an order",
                             key);
    }
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
    static const char *const names[] = {"tier", "to", "only", "strategy", "who", NULL};
    const bool done = check_members(root, names, error) &&
                      take_member(root, "tier", head->tier, sizeof head->tier, error) &&
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
    const struct controller_tier *tier =
        controller_tier_find(controller, runner_head(runner)->tier);
    text_init(&text, ANSWER_MAX);
    controller_rollout(runner, tier != NULL ? &tier->watch : NULL, &text);
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

/* "latest" or a number. The id of "latest" is that of the active one, else the newest; 0: none. */
static bool parse_id(const struct controller *controller, struct slice name, uint64_t *id,
                     struct error *error)
{
    *id = 0;
    if (slice_is(name, "latest")) {
        const struct runner *runner = controller_runner(controller, 0);
        *id = runner != NULL ? runner_head(runner)->id : controller->last_id;
        return *id != 0 || error_set(error, ERROR_NOT_FOUND, "there is no rollout yet");
    }
    return (slice_to_u64(name, id) && *id != 0) ||
           error_set(error, ERROR_USAGE, "'%.*s' is no rollout: name one by its number",
                     (int)(name.size < 40 ? name.size : 40), name.data);
}

/* The reason why there is no runner of that id. */
static bool tell_missing(const struct controller *controller, uint64_t id, struct error *error)
{
    const unsigned long long number = id;
    for (size_t i = 0; i < controller->lost_count; i++) {
        if (controller->lost[i].id == id)
            return error_set(error, ERROR_FAILED, "rollout %llu cannot be read: %s", number,
                             controller->lost[i].why);
    }
    if (id <= controller->last_id)
        return error_set(error, ERROR_NOT_FOUND,
                         "rollout %llu ended before the last %d; nines log %llu has it", number,
                         CONTROLLER_ROLLOUTS_MAX, number);
    return error_set(error, ERROR_NOT_FOUND, "there is no rollout %llu", number);
}

struct log_page {
    struct writer writer;
    struct text text;
    bool more;
};

static bool on_said(void *context, struct slice decision)
{
    struct log_page *page = context;
    page->more = page->text.size >= LOG_PAGE_BYTES;
    if (!page->more)
        writer_raw(&page->writer, NULL, decision);
    return !page->more;
}

/* From the store, so that it is there also for rollouts that are not at hand. */
static void get_log(struct controller *controller, struct server_exchange *exchange,
                    const struct server_request *request, uint64_t id)
{
    struct log_page page = {.more = false};
    struct error error;
    char since_text[24] = "0";
    uint64_t since = 0;
    (void)server_query(request, "since", since_text, sizeof since_text);
    if (!slice_to_u64(slice_of(since_text), &since)) {
        error_set(&error, ERROR_USAGE, "since=%s is no number", since_text);
        server_answer_error(exchange, &error);
        return;
    }
    if (id > controller->last_id) {
        (void)tell_missing(controller, id, &error);
        server_answer_error(exchange, &error);
        return;
    }
    text_init(&page.text, ANSWER_MAX);
    writer_init(&page.writer, &page.text);
    writer_object(&page.writer, NULL);
    writer_u64(&page.writer, "id", id);
    writer_array(&page.writer, "entries");
    const bool read = runner_log(controller->store, id, since, on_said, &page, &error);
    writer_end(&page.writer);
    writer_bool(&page.writer, "more", page.more);
    writer_end(&page.writer);
    text_add_char(&page.text, '\n');
    if (read)
        server_answer_json(exchange, &page.text);
    else
        server_answer_error(exchange, &error);
    text_done(&page.text);
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
    static const char *const names[] = {"who", NULL};
    json_t *root = parse_body(request->body, &error);
    if (root == NULL || !check_members(root, names, &error) ||
        !take_member(root, "who", who, sizeof who, &error)) {
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

/* The balancer did not do it. Only its plain no says that the host was not drained. */
static void take_drain_back(const struct controller_call *call, struct error *error)
{
    struct error own;
    const bool no = error->kind == ERROR_NOT_FOUND || error->kind == ERROR_REFUSED ||
                    error->kind == ERROR_CONFLICT || error->kind == ERROR_USAGE;
    if (no && controller_cordon(call->tier, call->host, false, &own))
        return;
    const char *name = call->tier->config->hosts[call->host].name;
    char cause[ERROR_TEXT_MAX];
    memcpy(cause, error->text, sizeof cause);
    (void)error_set(error, error->kind,
                    "%.400s; %s is kept as drained by an operator all the same: drain it again, or "
                    "restore it",
                    cause, name);
}

static void answer_weight(const struct controller_call *call)
{
    struct text text;
    struct writer writer;
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
}

static void on_weight_done(void *context, const struct error *error)
{
    struct controller_call *call = context;
    const struct controller_call done = *call;
    struct error own = {0};
    ASSERT(call->exchange != NULL);
    *call = (struct controller_call){0};
    if (error != NULL) {
        own = *error;
        if (!done.restore)
            take_drain_back(&done, &own);
    } else if (done.restore) {
        (void)controller_cordon(done.tier, done.host, false, &own);
    }
    if (own.kind != ERROR_NONE)
        server_answer_error(done.exchange, &own);
    else
        answer_weight(&done);
}

/*
 * A host that a rollout has in its hands is the rollout's. So is one that it will come to: what it
 * knows of operators' drains is of its start, and it would fill the host, or leave it empty.
 */
static bool check_free(const struct controller *controller, const struct controller_tier *tier,
                       const char *name, struct error *error)
{
    const struct runner *runner = controller_active(controller, tier->config->name);
    const uint32_t host = runner != NULL ? runner_host(runner, name) : ROLLOUT_NO_HOST;
    if (host == ROLLOUT_NO_HOST)
        return true;
    const struct rollout *rollout = runner_rollout(runner);
    const enum rollout_host_phase phase = rollout->arrays.hosts[host].phase;
    const unsigned long long id = runner_head(runner)->id;
    if (phase >= ROLLOUT_HOST_VERIFIED_NEW || !rollout->spec->hosts[host].chosen)
        return true;
    if (phase == ROLLOUT_HOST_PENDING)
        return error_set(error, ERROR_CONFLICT,
                         "rollout %llu has yet to come to %s; wait for its end, or end it first "
                         "with nines abort %llu",
                         id, name, id);
    return error_set(error, ERROR_CONFLICT,
                     "rollout %llu is at work on %s (%s); wait for its end, or end it first with "
                     "nines abort %llu",
                     id, name, rollout_host_phase_name(phase), id);
}

static struct controller_call *free_call(struct controller *controller)
{
    for (size_t i = 0; i < COUNT_OF(controller->calls); i++) {
        if (controller->calls[i].exchange == NULL)
            return &controller->calls[i];
    }
    return NULL;
}

static bool begin_weight(struct controller *controller, struct controller_tier *tier, size_t host,
                         bool restore, struct server_exchange *exchange, struct error *error)
{
    struct controller_call *call = free_call(controller);
    if (!check_free(controller, tier, tier->config->hosts[host].name, error))
        return false;
    if (call == NULL)
        return error_set(error, ERROR_LIMIT, "too many drains and restores at once");
    /* Drained is remembered before it is ordered, and restored is ordered before it is forgotten:
     * whatever dies in between, no rollout fills a host that somebody keeps empty. */
    if (!restore && !controller_cordon(tier, host, true, error))
        return false;
    *call = (struct controller_call){
        .tier = tier, .host = host, .restore = restore, .exchange = exchange};
    const struct balancer_change change = {
        .tier = tier->config->name,
        .host = tier->config->hosts[host].name,
        .restore = restore,
        .weight = 0,
        .token = store_token(controller->store),
        .timeout_ms = CONTROLLER_BALANCER_MS,
    };
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
                          const struct server_request *request, bool get, const struct slice *parts,
                          size_t count)
{
    struct error error;
    uint64_t id = 0;
    if (!parse_id(controller, parts[2], &id, &error)) {
        server_answer_error(exchange, &error);
        return;
    }
    if (get && count == 4 && slice_is(parts[3], "log")) {
        get_log(controller, exchange, request, id);
        return;
    }
    if (get != (count == 3)) {
        server_answer(exchange, 405, "application/json",
                      SLICE("{\"error\":\"this method is not for this path\"}\n"));
        return;
    }
    struct runner *runner = controller_runner(controller, id);
    if (runner == NULL) {
        (void)tell_missing(controller, id, &error);
        server_answer_error(exchange, &error);
    } else if (get) {
        answer_rollout(controller, exchange, runner);
    } else {
        operate(controller, exchange, request, runner, parts[3]);
    }
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
            route_rollout(controller, exchange, request, get, parts, count);
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
