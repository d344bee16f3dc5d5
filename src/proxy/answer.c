#include "proxy/answer.h"

#include "base/check.h"
#include "proto/h1.h"
#include "proxy/connection.h"
#include "proxy/worker_state.h"

#include <stdio.h>

bool answer_send(struct connection *c, const struct answer *answer)
{
    ASSERT(answer->status >= 200 && answer->status <= 599);
    ASSERT(!(answer->close && answer->keep_alive));
    struct worker *worker = c->worker;
    const struct slice date = worker_date_line(worker);
    const char *reason = h1_status_reason(answer->status);
    const char *connection = "";
    if (answer->close)
        connection = "Connection: close\r\n";
    else if (answer->keep_alive)
        connection = "Connection: keep-alive\r\n";
    char body[128];
    const int body_size = snprintf(body, sizeof body, "%d %s\n", answer->status, reason);
    ASSERT(body_size > 0 && (size_t)body_size < sizeof body);
    const int size = snprintf(worker->scratch, WORKER_SCRATCH_BYTES,
                              "HTTP/1.1 %d %s\r\n%.*s%s%sContent-Type: text/plain\r\n"
                              "Content-Length: %d\r\n\r\n%s",
                              answer->status, reason, (int)date.size, date.data, connection,
                              answer->status == 503 ? "Retry-After: 1\r\n" : "", body_size,
                              answer->head_only ? "" : body);
    ASSERT(size > 0 && size < WORKER_SCRATCH_BYTES);
    return connection_send(c, worker->scratch, (size_t)size);
}
