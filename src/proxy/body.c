#include "proxy/body.h"

#include "base/check.h"

void body_begin(struct body *body, const struct h1_head *head, bool unchunk)
{
    body->fault = H1_FAULT_NONE;
    switch ((enum h1_framing)head->framing) {
    case H1_BODY_NONE: body->mode = BODY_DONE; break;
    case H1_BODY_LENGTH:
        ASSERT(head->content_length > 0);
        body->mode = BODY_LENGTH;
        body->left = head->content_length;
        break;
    case H1_BODY_CHUNKED:
        body->mode = unchunk ? BODY_UNCHUNK : BODY_CHUNKED;
        h1_chunked_init(&body->chunked);
        break;
    case H1_BODY_UNTIL_CLOSE: body->mode = BODY_UNTIL_CLOSE; break;
    default: UNREACHABLE();
    }
}

void body_begin_raw(struct body *body)
{
    body->fault = H1_FAULT_NONE;
    body->mode = BODY_UNTIL_CLOSE;
}

static bool verdict(struct body *body, enum h1_result result)
{
    if (result == H1_BAD) {
        body->fault = body->chunked.fault;
        return false;
    }
    if (result == H1_DONE)
        body->mode = BODY_DONE;
    return true;
}

/* Payloads are moved together at the front of `data`. */
static bool take_payload(struct body *body, char *data, size_t size, size_t *consumed,
                         size_t *payload)
{
    enum h1_result result = H1_MORE;
    while (result == H1_MORE && *consumed < size) {
        size_t used = 0;
        struct slice run = {0};
        result = h1_chunked_decode(&body->chunked, data + *consumed, size - *consumed, &used, &run);
        if (run.size != 0)
            memmove(data + *payload, run.data, run.size);
        *payload += run.size;
        *consumed += used;
    }
    return verdict(body, result);
}

bool body_take(struct body *body, char *data, size_t size, size_t *consumed, size_t *payload)
{
    *consumed = 0;
    *payload = 0;
    switch ((enum body_mode)body->mode) {
    case BODY_DONE: return true;
    case BODY_LENGTH:
        ASSERT(body->left > 0);
        *consumed = body->left < size ? (size_t)body->left : size;
        body->left -= *consumed;
        if (body->left == 0)
            body->mode = BODY_DONE;
        *payload = *consumed;
        return true;
    case BODY_CHUNKED: {
        const enum h1_result result = h1_chunked_feed(&body->chunked, data, size, consumed);
        *payload = *consumed;
        return verdict(body, result);
    }
    case BODY_UNCHUNK: return take_payload(body, data, size, consumed, payload);
    case BODY_UNTIL_CLOSE:
        *consumed = size;
        *payload = size;
        return true;
    }
    UNREACHABLE();
}
