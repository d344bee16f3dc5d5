#include "api/client.h"
#include "base/check.h"
#include "base/writer.h"
#include "drive/balancer.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* The admin socket of our own balancer; docs/internals/admin-api.md is its contract. */
enum { PARTS_MAX = 3, PATH_BYTES_MAX = 256, BODY_BYTES_MAX = 256, WEIGHT_MAX = 1000 };

/* What a look asks for, in this order. */
enum look_part { LOOK_HOSTS, LOOK_TIER, LOOK_PROCESS };

struct balancer {
    struct loop *loop;
    const char *address;
    struct list asks; /* Under way. */
    size_t ask_count;
};

struct part {
    struct ask *ask;
    struct client_call *call; /* NULL: not begun, or over. */
    json_t *answer;
};

/* One call of the driver's caller: one request for a change, three for a look. */
struct ask {
    struct list node;
    struct balancer *balancer;
    struct part parts[PARTS_MAX];
    size_t waiting;                 /* Requests without an answer. */
    struct loop_timer refusal;      /* Armed when it could not even begin. */
    struct error error;             /* Why. */
    balancer_done *on_done;         /* Of a change, */
    balancer_observed *on_observed; /* or of a look. */
    void *context;
};

/* Nothing comes in for it any more, and the balancer has forgotten it. */
static void detach(struct ask *ask)
{
    for (size_t i = 0; i < PARTS_MAX; i++) {
        if (ask->parts[i].call != NULL)
            client_cancel(ask->parts[i].call);
        ask->parts[i].call = NULL;
    }
    loop_timer_clear(ask->balancer->loop, &ask->refusal);
    list_remove(&ask->node);
    ASSERT(ask->balancer->ask_count > 0);
    ask->balancer->ask_count--;
}

static void free_ask(struct ask *ask)
{
    for (size_t i = 0; i < PARTS_MAX; i++)
        json_decref(ask->parts[i].answer);
    free(ask);
}

/* --- Reading a look. --- */

static bool read_u64(const json_t *object, const char *name, uint64_t *value)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_integer(member) || json_integer_value(member) < 0)
        return false;
    *value = (uint64_t)json_integer_value(member);
    return true;
}

static bool read_number(const json_t *object, const char *name, double max, double *value)
{
    const json_t *member = json_object_get(object, name);
    *value = json_number_value(member);
    return json_is_number(member) && *value >= 0 && *value <= max;
}

static bool read_bool(const json_t *object, const char *name, bool *value)
{
    const json_t *member = json_object_get(object, name);
    *value = json_is_true(member);
    return json_is_boolean(member);
}

static bool read_host(const json_t *object, struct balancer_host *host)
{
    uint64_t weight = 0;
    double effective = 0;
    host->name = json_string_value(json_object_get(object, "name"));
    const bool good = host->name != NULL && read_u64(object, "weight", &weight) &&
                      weight <= UINT32_MAX &&
                      read_number(object, "effective_weight", WEIGHT_MAX, &effective) &&
                      read_bool(object, "healthy", &host->healthy) &&
                      read_bool(object, "drained", &host->drained) &&
                      read_u64(object, "in_flight", &host->in_flight) &&
                      read_u64(object, "requests", &host->requests) &&
                      read_u64(object, "failures", &host->failures) &&
                      read_u64(object, "generation", &host->generation);
    host->weight = (uint32_t)weight;
    host->effective_milli = (uint32_t)(effective * 1000 + 0.5);
    return good;
}

static bool read_tier(const json_t *object, struct balancer_view *view)
{
    double capacity = 0;
    const bool good = read_number(object, "serving_capacity", WEIGHT_MAX, &capacity) &&
                      read_u64(object, "requests", &view->requests) &&
                      read_u64(object, "failed", &view->failed) &&
                      read_number(object, "requests_per_second", 1e15, &view->rps) &&
                      read_u64(object, "latency_p50_us", &view->p50_us) &&
                      read_u64(object, "latency_p99_us", &view->p99_us);
    view->serving_capacity_ppm = (uint32_t)(capacity * CONFIG_PPM);
    return good;
}

static bool read_hosts(const json_t *array, struct balancer_host *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!read_host(json_array_get(array, i), &hosts[i]))
            return false;
    }
    return true;
}

static void finish_look(struct ask *ask)
{
    struct balancer_view view = {0};
    struct error error = {0};
    uint64_t process = 0;
    const json_t *array = json_object_get(ask->parts[LOOK_HOSTS].answer, "hosts");
    view.count = json_array_size(array);
    struct balancer_host *hosts = calloc(view.count + 1, sizeof *hosts);
    view.hosts = hosts;
    bool good = false;
    if (hosts == NULL)
        error_set_errno(&error, ENOMEM, "cannot look at the balancer");
    else if (json_is_array(array) && read_hosts(array, hosts, view.count) &&
             read_tier(ask->parts[LOOK_TIER].answer, &view) &&
             read_u64(ask->parts[LOOK_PROCESS].answer, "pid", &process))
        good = true;
    else
        error_set(&error, ERROR_PROTOCOL, "%s: an answer that makes no sense",
                  ask->balancer->address);
    view.process = (int64_t)process;
    ask->on_observed(ask->context, good ? &view : NULL, good ? NULL : &error);
    free(hosts);
}

/* --- The life of an ask. --- */

/* The ask stands alone by then: on_done may begin another, or close the balancer. */
static void finish(struct ask *ask, const struct error *failure)
{
    ASSERT((ask->on_done == NULL) != (ask->on_observed == NULL));
    detach(ask);
    if (ask->on_done != NULL)
        ask->on_done(ask->context, failure);
    else if (failure != NULL)
        ask->on_observed(ask->context, NULL, failure);
    else
        finish_look(ask);
    free_ask(ask);
}

static void on_refusal(struct loop_timer *timer)
{
    struct ask *ask = CONTAINER_OF(timer, struct ask, refusal);
    finish(ask, &ask->error);
}

static void on_answer(void *context, const struct client_answer *answer, const struct error *error)
{
    struct part *part = context;
    struct ask *ask = part->ask;
    struct error failure = {0};
    ASSERT(ask->waiting > 0);
    part->call = NULL;
    ask->waiting--;
    if (error != NULL) {
        failure = *error;
    } else if (answer->status >= 400) {
        client_answer_error(answer, &failure);
    } else {
        part->answer = json_loadb(answer->body.data == NULL ? "" : answer->body.data,
                                  answer->body.size, JSON_REJECT_DUPLICATES, NULL);
        if (part->answer == NULL)
            error_set(&failure, ERROR_PROTOCOL, "%s: an answer that is not JSON",
                      ask->balancer->address);
    }
    if (failure.kind != ERROR_NONE) {
        error_add(&failure, "balancer");
        finish(ask, &failure);
    } else if (ask->waiting == 0) {
        finish(ask, NULL);
    }
}

static struct ask *begin(struct balancer *balancer, void *context)
{
    struct ask *ask = calloc(1, sizeof *ask);
    ASSERT(ask != NULL); /* Out of memory for so little: a new process is the better controller. */
    ask->balancer = balancer;
    ask->refusal.on_time = on_refusal;
    ask->context = context;
    list_push_back(&balancer->asks, &ask->node);
    if (++balancer->ask_count > BALANCER_CALLS_MAX)
        error_set(&ask->error, ERROR_LIMIT, "balancer: more than %d calls under way",
                  BALANCER_CALLS_MAX);
    return ask;
}

/* After the first failure nothing more is sent; the refusal tells it. */
static void send_part(struct ask *ask, size_t index, const char *method, const char *path,
                      struct slice body, uint32_t timeout_ms)
{
    if (ask->error.kind != ERROR_NONE)
        return;
    struct part *part = &ask->parts[index];
    const struct client_request request = {.address = ask->balancer->address,
                                           .method = method,
                                           .path = path,
                                           .body = body,
                                           .timeout_ms = timeout_ms};
    part->ask = ask;
    part->call = client_call(ask->balancer->loop, &request, NULL, on_answer, part, &ask->error);
    if (part->call != NULL) {
        ask->waiting++;
        return;
    }
    error_add(&ask->error, "balancer");
}

/* Requests that were sent are cancelled by the refusal's end. */
static void refuse_if_failed(struct ask *ask)
{
    ASSERT(ask->waiting > 0 || ask->error.kind != ERROR_NONE);
    if (ask->error.kind != ERROR_NONE)
        loop_timer_set_in(ask->balancer->loop, &ask->refusal, 0);
}

/* --- The driver. --- */

static struct balancer *nines_open(struct arena *arena, struct loop *loop,
                                   const struct config *config, struct error *error)
{
    struct balancer *balancer = arena_allocate(arena, sizeof *balancer);
    /* A path that begins like none would be taken for an address. */
    const char *here = config->admin[0] == '/' || config->admin[0] == '.' ? "" : "./";
    const char *address = arena_format(arena, "%s%s/balancer.sock", here, config->admin);
    if (balancer == NULL || address == NULL) {
        error_set(error, ERROR_LIMIT, "%s: out of memory", config->file);
        return NULL;
    }
    balancer->loop = loop;
    balancer->address = address;
    list_init(&balancer->asks);
    return balancer;
}

static void put(struct balancer *balancer, const struct balancer_change *change,
                void members(struct writer *, const struct balancer_change *),
                balancer_done *on_done, void *context)
{
    ASSERT(change->timeout_ms > 0 && change->token <= INT64_MAX);
    struct ask *ask = begin(balancer, context);
    struct text path;
    struct text body;
    struct writer writer;
    text_init(&path, PATH_BYTES_MAX);
    text_init(&body, BODY_BYTES_MAX);
    text_format(&path, "/v1/tiers/%s/hosts/%s", change->tier, change->host);
    writer_init(&writer, &body);
    writer_object(&writer, NULL);
    members(&writer, change);
    if (change->token > 0)
        writer_u64(&writer, "token", change->token);
    writer_end(&writer);
    ASSERT(!path.failed && !body.failed); /* Names of a config are short. */
    ask->on_done = on_done;
    send_part(ask, 0, "PUT", path.data, text_slice(&body), change->timeout_ms);
    refuse_if_failed(ask);
    text_done(&path);
    text_done(&body);
}

static void weight_member(struct writer *writer, const struct balancer_change *change)
{
    if (change->restore)
        writer_null(writer, "weight");
    else
        writer_u64(writer, "weight", change->weight);
}

static void nines_apply(struct balancer *balancer, const struct balancer_change *change,
                        balancer_done *on_done, void *context)
{
    put(balancer, change, weight_member, on_done, context);
}

static void close_member(struct writer *writer, const struct balancer_change *change)
{
    (void)change;
    writer_bool(writer, "close_long_lived", true);
}

static void nines_close_long_lived(struct balancer *balancer, const struct balancer_change *change,
                                   balancer_done *on_done, void *context)
{
    put(balancer, change, close_member, on_done, context);
}

static void nines_observe(struct balancer *balancer, const char *tier, uint32_t timeout_ms,
                          balancer_observed *on_observed, void *context)
{
    ASSERT(timeout_ms > 0);
    struct ask *ask = begin(balancer, context);
    struct text path;
    text_init(&path, PATH_BYTES_MAX);
    ask->on_observed = on_observed;
    text_format(&path, "/v1/tiers/%s/hosts", tier);
    ASSERT(!path.failed);
    send_part(ask, LOOK_HOSTS, "GET", path.data, SLICE(""), timeout_ms);
    text_clear(&path);
    text_format(&path, "/v1/tiers/%s", tier);
    send_part(ask, LOOK_TIER, "GET", path.data, SLICE(""), timeout_ms);
    send_part(ask, LOOK_PROCESS, "GET", "/v1/process", SLICE(""), timeout_ms);
    refuse_if_failed(ask);
    text_done(&path);
}

static void nines_cancel(struct balancer *balancer, const void *context)
{
    LIST_EACH_SAFE (node, &balancer->asks) {
        struct ask *ask = CONTAINER_OF(node, struct ask, node);
        if (ask->context != context)
            continue;
        detach(ask);
        free_ask(ask);
    }
}

static void nines_close(struct balancer *balancer)
{
    if (balancer == NULL)
        return;
    LIST_EACH_SAFE (node, &balancer->asks) {
        struct ask *ask = CONTAINER_OF(node, struct ask, node);
        detach(ask);
        free_ask(ask);
    }
    ASSERT(balancer->ask_count == 0);
}

const struct balancer_driver balancer_nines = {
    .name = "nines",
    .open = nines_open,
    .apply = nines_apply,
    .close_long_lived = nines_close_long_lived,
    .observe = nines_observe,
    .cancel = nines_cancel,
    .close = nines_close,
};
