#include "load_answer.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_init(struct answer *answer)
{
    memset(answer, 0, offsetof(struct answer, head));
}

static void keep_value(char out[ANSWER_VALUE_MAX], const char *value)
{
    snprintf(out, ANSWER_VALUE_MAX, "%s", value);
}

static void take_header(struct answer *a, const char *name, const char *value)
{
    if (strcasecmp(name, "content-length") == 0) {
        a->left = strtoull(value, NULL, 10);
        a->state = a->left > 0 ? ANSWER_LENGTH : ANSWER_DONE;
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        a->state = ANSWER_CHUNK_SIZE;
    } else if (strcasecmp(name, "connection") == 0) {
        a->close |= strcasecmp(value, "close") == 0;
    } else if (strcasecmp(name, "x-lab-request") == 0) {
        keep_value(a->id, value);
    } else if (strcasecmp(name, "x-lab-host") == 0) {
        keep_value(a->host, value);
    } else if (strcasecmp(name, "x-lab-version") == 0) {
        keep_value(a->version, value);
    } else if (strcasecmp(name, "sec-websocket-accept") == 0) {
        keep_value(a->websocket_accept, value);
    }
}

/* The head is whole: its lines end in CRLF, and the last one is empty. */
static void read_head(struct answer *a)
{
    char *line = a->head;
    if (strncmp(line, "HTTP/1.1 ", 9) != 0 && strncmp(line, "HTTP/1.0 ", 9) != 0) {
        a->state = ANSWER_BROKEN;
        return;
    }
    a->close = line[7] == '0';
    a->status = (uint32_t)strtoul(line + 9, NULL, 10);
    a->state = ANSWER_UNTIL_CLOSE;
    line = strstr(line, "\r\n") + 2;
    for (char *end; (end = strstr(line, "\r\n")) != line; line = end + 2) {
        *end = '\0';
        char *value = strchr(line, ':');
        if (!value) {
            a->state = ANSWER_BROKEN;
            return;
        }
        *value++ = '\0';
        take_header(a, line, value + strspn(value, " \t"));
    }
    if (a->status == 101 || a->status == 204 || a->status == 304)
        a->state = ANSWER_DONE;
    else if (a->status < 200)
        a->state = ANSWER_HEAD; /* 100 and 103 announce the answer. */
    a->head_size = 0;
}

/* Collects in `head` up to and with `end`; returns how much it took. */
static size_t collect(struct answer *a, const char *data, size_t size, const char *end, bool *whole)
{
    size_t end_size = strlen(end), taken = 0;
    *whole = false;
    while (taken < size && !*whole) {
        if (a->head_size == ANSWER_HEAD_MAX - 1) {
            a->state = ANSWER_BROKEN;
            return taken;
        }
        a->head[a->head_size++] = data[taken++];
        *whole = a->head_size >= end_size &&
                 memcmp(a->head + a->head_size - end_size, end, end_size) == 0;
    }
    a->head[a->head_size] = '\0';
    return taken;
}

static size_t take_body(struct answer *a, const char *data, size_t size)
{
    size_t take = a->state != ANSWER_UNTIL_CLOSE && a->left < size ? (size_t)a->left : size;
    size_t room = a->body_size < ANSWER_BODY_KEPT - 1 ? ANSWER_BODY_KEPT - 1 - a->body_size : 0;
    size_t kept = take < room ? take : room;
    memcpy(a->body + a->body_size, data, kept);
    a->body_size += kept;
    a->body[a->body_size] = '\0';
    if (a->state == ANSWER_UNTIL_CLOSE)
        return take;
    a->left -= take;
    if (a->left == 0)
        a->state = a->state == ANSWER_LENGTH ? ANSWER_DONE : ANSWER_CHUNK_END;
    return take;
}

static void take_chunk_line(struct answer *a)
{
    char *end;
    switch (a->state) {
    case ANSWER_CHUNK_SIZE:
        a->left = strtoull(a->head, &end, 16);
        a->state = end == a->head ? ANSWER_BROKEN
                   : a->left == 0 ? ANSWER_TRAILER
                                  : ANSWER_CHUNK_DATA;
        break;
    case ANSWER_CHUNK_END: a->state = a->head_size == 2 ? ANSWER_CHUNK_SIZE : ANSWER_BROKEN; break;
    case ANSWER_TRAILER:
        if (a->head_size == 2)
            a->state = ANSWER_DONE;
        break;
    default: UNREACHABLE();
    }
    a->head_size = 0;
}

size_t answer_feed(struct answer *a, const void *bytes, size_t size)
{
    const char *data = bytes;
    size_t taken = 0;
    bool whole;
    while (taken < size && a->state < ANSWER_DONE) {
        a->any = true;
        switch (a->state) {
        case ANSWER_HEAD:
            taken += collect(a, data + taken, size - taken, "\r\n\r\n", &whole);
            if (whole)
                read_head(a);
            break;
        case ANSWER_LENGTH:
        case ANSWER_CHUNK_DATA:
        case ANSWER_UNTIL_CLOSE: taken += take_body(a, data + taken, size - taken); break;
        default:
            taken += collect(a, data + taken, size - taken, "\r\n", &whole);
            if (whole)
                take_chunk_line(a);
            break;
        }
    }
    ASSERT(taken <= size);
    return taken;
}

bool answer_finish(struct answer *a)
{
    if (a->state == ANSWER_UNTIL_CLOSE && a->status)
        a->state = ANSWER_DONE;
    return a->state == ANSWER_DONE;
}
