#include "api/client.h"
#include "api/server.h"

#include "os/socket.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A server and its clients on one loop. */
struct site {
    struct loop *loop;
    struct server *server;
    char path[64];
    struct server_exchange *held; /* Answered later. */
    struct loop_timer later;
    bool stream_closed;
    int left; /* Calls still out; the loop stops at 0. */
};

static void on_stream_closed(void *context)
{
    struct site *site = context;
    site->stream_closed = true;
}

static void on_later(struct loop_timer *timer)
{
    struct site *site = CONTAINER_OF(timer, struct site, later);
    server_answer(site->held, 202, "text/plain", SLICE("later"));
}

static void on_request(void *context, struct server_exchange *exchange,
                       const struct server_request *request)
{
    struct site *site = context;
    char value[32];
    struct slice parts[3];
    if (slice_is(request->path, "/later")) {
        site->held = exchange;
        site->later.on_time = on_later;
        loop_timer_set_in(site->loop, &site->later, 20);
    } else if (slice_is(request->path, "/stream")) {
        server_stream_begin(exchange, on_stream_closed, site);
        server_stream_send(exchange, SLICE("{\"n\":1}"));
        server_stream_send(exchange, SLICE("{\"n\":2}"));
        server_stream_end(exchange);
    } else if (slice_is(request->path, "/never")) {
        site->held = exchange;
    } else if (server_query(request, "name", value, sizeof value)) {
        server_answer(exchange, 200, "text/plain", slice_of(value));
    } else if (server_path_split(request->path, parts, 3) == 2) {
        server_answer(exchange, 200, "text/plain", parts[1]);
    } else if (request->body.size > 0) {
        server_answer(exchange, 200, "text/plain", request->body);
    } else {
        struct error error;
        error_set(&error, ERROR_NOT_FOUND, "no such thing");
        server_answer_error(exchange, &error);
    }
}

static void open_site(struct site *site)
{
    struct error error = {0};
    *site = (struct site){.loop = loop_open(&error)};
    (void)snprintf(site->path, sizeof site->path, "/tmp/nines-test-%d.sock", (int)getpid());
    const int fd = socket_listen_unix(site->path, 0600, &error);
    ck_assert_msg(fd >= 0, "%s", error.text);
    site->server = server_open(site->loop, fd, on_request, site, &error);
    ck_assert_ptr_nonnull(site->server);
}

static void close_site(struct site *site)
{
    server_close(site->server);
    loop_close(site->loop);
    unlink(site->path);
}

struct reply {
    struct site *site;
    int status;
    enum error_kind kind;
    int lines;
    char error[ERROR_TEXT_MAX];
    size_t size;
    char body[64];
};

static void on_line(void *context, struct slice line)
{
    struct reply *reply = context;
    ck_assert_uint_eq(line.size, 7);
    reply->lines++;
}

static void on_reply(void *context, const struct client_answer *answer, const struct error *error)
{
    struct reply *reply = context;
    if (error != NULL) {
        reply->kind = error->kind;
        (void)snprintf(reply->error, sizeof reply->error, "%s", error->text);
    } else {
        reply->status = answer->status;
        reply->size = answer->body.size;
        (void)snprintf(reply->body, sizeof reply->body, "%.*s",
                       (int)(answer->body.size < 60 ? answer->body.size : 60),
                       answer->body.data != NULL ? answer->body.data : "");
    }
    if (--reply->site->left == 0)
        loop_stop(reply->site->loop);
}

static void call(struct site *site, struct reply *reply, const char *method, const char *path,
                 struct slice body, uint32_t timeout_ms)
{
    struct error error = {0};
    *reply = (struct reply){.site = site};
    const struct client_request request = {.address = site->path,
                                           .method = method,
                                           .path = path,
                                           .body = body,
                                           .timeout_ms = timeout_ms};
    site->left++;
    ck_assert_ptr_nonnull(client_call(site->loop, &request, on_line, on_reply, reply, &error));
}

START_TEST(test_exchanges_at_once_and_later)
{
    struct site site;
    struct reply replies[6];
    open_site(&site);
    call(&site, &replies[0], "GET", "/later", SLICE(""), 5000);
    call(&site, &replies[1], "GET", "/x?a=b&name=two%20words", SLICE(""), 5000);
    call(&site, &replies[2], "GET", "/hosts/web-1", SLICE(""), 5000);
    call(&site, &replies[3], "PUT", "/", SLICE("{\"weight\":0}"), 5000);
    call(&site, &replies[4], "GET", "/stream", SLICE(""), 5000);
    call(&site, &replies[5], "GET", "/", SLICE(""), 5000);
    loop_run(site.loop);
    ck_assert_int_eq(replies[0].status, 202);
    ck_assert_str_eq(replies[0].body, "later");
    ck_assert_str_eq(replies[1].body, "two words");
    ck_assert_str_eq(replies[2].body, "web-1");
    ck_assert_str_eq(replies[3].body, "{\"weight\":0}");
    ck_assert_int_eq(replies[4].lines, 2);
    ck_assert_int_eq(replies[5].status, 404);
    ck_assert_str_eq(replies[5].body, "{\"error\":\"no such thing\"}\n");
    close_site(&site);
}
END_TEST

START_TEST(test_silence_meets_a_deadline)
{
    struct site site;
    struct reply reply;
    open_site(&site);
    call(&site, &reply, "GET", "/never", SLICE(""), 50);
    loop_run(site.loop);
    ck_assert_int_eq(reply.kind, ERROR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(reply.error, "within its deadline"));
    /* The client went away meanwhile: its answer is swallowed. */
    server_answer(site.held, 200, "text/plain", SLICE("too late"));
    close_site(&site);
}
END_TEST

START_TEST(test_a_megabyte_and_no_more)
{
    static char big[SERVER_BODY_BYTES_MAX + 1];
    struct site site;
    struct reply fits;
    struct reply over;
    memset(big, 'x', sizeof big);
    open_site(&site);
    call(&site, &fits, "PUT", "/", (struct slice){.data = big, .size = SERVER_BODY_BYTES_MAX},
         5000);
    call(&site, &over, "PUT", "/", (struct slice){.data = big, .size = sizeof big}, 5000);
    loop_run(site.loop);
    ck_assert_uint_eq(fits.size, SERVER_BODY_BYTES_MAX);
    ck_assert(over.status == 413 || over.kind == ERROR_UNREACHABLE);
    close_site(&site);
}
END_TEST

START_TEST(test_a_socket_nobody_serves)
{
    struct error error = {0};
    struct loop *loop = loop_open(&error);
    const struct client_request request = {
        .address = "/tmp/nines-no-such.sock", .method = "GET", .path = "/", .timeout_ms = 100};
    struct reply reply;
    ck_assert_ptr_null(client_call(loop, &request, NULL, on_reply, &reply, &error));
    ck_assert_int_eq(error.kind, ERROR_UNREACHABLE);
    loop_close(loop);
}
END_TEST

static void talk(struct site *site, const char *bytes, char *answer, size_t size)
{
    struct error error = {0};
    const int fd = socket_connect_unix(site->path, &error);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(send(fd, bytes, strlen(bytes), 0), (ssize_t)strlen(bytes));
    size_t used = 0;
    for (int turn = 0; turn < 20 && used + 1 < size; turn++) {
        loop_run_once(site->loop, 10);
        const ssize_t got = recv(fd, answer + used, size - used - 1, MSG_DONTWAIT);
        if (got == 0)
            break;
        if (got > 0)
            used += (size_t)got;
    }
    answer[used] = '\0';
    close(fd);
}

START_TEST(test_pipelined_and_hostile_bytes)
{
    struct site site;
    char answer[4096];
    open_site(&site);
    talk(&site, "GET /a/b HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a/c HTTP/1.1\r\nHost: x\r\n\r\n", answer,
         sizeof answer);
    const char *second = strstr(answer, "\r\n\r\nb");
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_nonnull(strstr(second, "HTTP/1.1 200 OK"));
    ck_assert_ptr_nonnull(strstr(second, "Content-Length: 1\r\n"));
    ck_assert_str_eq(answer + strlen(answer) - 4, "\r\n\r\n");
    talk(&site, "GET / HTTP/1.1\nHost: x\n\n", answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 "));
    talk(&site, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", answer,
         sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 411 "));
    talk(&site, "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", answer, sizeof answer);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 "));
    close_site(&site);
}
END_TEST

static void tests(TCase *c)
{
    tcase_add_test(c, test_exchanges_at_once_and_later);
    tcase_add_test(c, test_silence_meets_a_deadline);
    tcase_add_test(c, test_a_megabyte_and_no_more);
    tcase_add_test(c, test_a_socket_nobody_serves);
    tcase_add_test(c, test_pipelined_and_hostile_bytes);
}

UNIT_MAIN(tests)
