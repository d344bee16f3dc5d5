#include "proto/h1_chunked.h"

#include "base/check.h"
#include "proto/h1_scan.h"

enum { SIZE_DIGITS_MAX = 16 };

/* Where in the body the next byte is. BWS: blanks that the grammar allows (RFC 9112 7.1.1). */
enum state {
    SIZE,         /* In the digits of a size. */
    SIZE_LF,      /* After the CR that ends a size line. */
    BEFORE_SEMI,  /* BWS before ';'. */
    BEFORE_NAME,  /* After ';': BWS, then a name. */
    EXTENSION,    /* In the name of an extension. */
    AFTER_NAME,   /* BWS after the name: '=' or ';'. */
    BEFORE_VALUE, /* After '=': BWS, then a token or a quoted string. */
    VALUE,        /* In a token. */
    QUOTED,       /* In a quoted string. */
    ESCAPED,      /* After '\' in a quoted string. */
    AFTER_QUOTED, /* After the closing quote. */
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* At the start of a line after the last chunk. */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF, /* After the CR of the empty line. */
    ENDED,
};

/*
 * RFC 9110 6.5.1: fields that frame, route, authorize, or say how to read the content. Nobody who
 * merges trailers into headers may be led to believe them.
 */
static const char *const forbidden[] = {
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
};

_Static_assert(COUNT_OF(forbidden) <= 32, "a bit of candidates for each");

static const uint32_t all_candidates = (uint32_t)(((uint64_t)1 << COUNT_OF(forbidden)) - 1);

void h1_chunked_init(struct h1_chunked *chunked)
{
    *chunked = (struct h1_chunked){.state = SIZE};
}

static enum h1_fault go(struct h1_chunked *chunked, enum state state)
{
    chunked->state = (uint8_t)state;
    return H1_FAULT_NONE;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static enum h1_fault on_size(struct h1_chunked *chunked, char byte)
{
    if (h1_is(byte, H1_CLASS_HEX)) {
        const unsigned digit = byte <= '9' ? (unsigned)(byte - '0') : (unsigned)(byte | 0x20) - 87;
        if (++chunked->digits > SIZE_DIGITS_MAX || chunked->left > INT64_MAX >> 4) {
            return H1_FAULT_CHUNK_SIZE;
        }
        chunked->left = chunked->left << 4 | digit;
        return H1_FAULT_NONE;
    }
    if (chunked->digits == 0) {
        return H1_FAULT_CHUNK_SIZE;
    }
    if (byte == '\r') {
        return go(chunked, SIZE_LF);
    }
    chunked->line_bytes = 1;
    if (is_blank(byte)) {
        return go(chunked, BEFORE_SEMI);
    }
    if (byte == ';') {
        return go(chunked, BEFORE_NAME);
    }
    return byte == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_CHUNK_SIZE;
}

static enum h1_fault on_size_lf(struct h1_chunked *chunked, char byte)
{
    if (byte != '\n') {
        return H1_FAULT_BARE_CR;
    }
    chunked->digits = 0;
    chunked->line_bytes = 0;
    return go(chunked, chunked->left > 0 ? DATA : TRAILER_START);
}

/* After a whole extension: the end of the line, or another one. */
static enum h1_fault on_extension_end(struct h1_chunked *chunked, char byte)
{
    if (byte == '\r') {
        return go(chunked, SIZE_LF);
    }
    if (byte == ';') {
        return go(chunked, BEFORE_NAME);
    }
    return is_blank(byte) ? go(chunked, BEFORE_SEMI) : H1_FAULT_CHUNK_EXTENSION;
}

/* The content of a quoted string (RFC 9110 5.6.4): no controls, so no line ends. */
static enum h1_fault on_quoted(struct h1_chunked *chunked, char byte)
{
    if (!h1_is(byte, H1_CLASS_TEXT)) {
        return H1_FAULT_CHUNK_EXTENSION;
    }
    if (chunked->state == ESCAPED) {
        return go(chunked, QUOTED);
    }
    return go(chunked, byte == '"' ? AFTER_QUOTED : byte == '\\' ? ESCAPED : QUOTED);
}

/* RFC 9112 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static enum h1_fault on_extension(struct h1_chunked *chunked, char byte)
{
    const bool token = h1_is(byte, H1_CLASS_TOKEN) != 0;
    if (++chunked->line_bytes > H1_CHUNK_EXTENSION_BYTES_MAX) {
        return H1_FAULT_CHUNK_EXTENSION;
    }
    if (byte == '\n') {
        return H1_FAULT_BARE_LF;
    }
    switch ((enum state)chunked->state) {
    case BEFORE_SEMI:
        if (byte == ';') {
            return go(chunked, BEFORE_NAME);
        }
        return is_blank(byte) ? H1_FAULT_NONE : H1_FAULT_CHUNK_EXTENSION;
    case BEFORE_NAME:
        if (is_blank(byte)) {
            return H1_FAULT_NONE;
        }
        return token ? go(chunked, EXTENSION) : H1_FAULT_CHUNK_EXTENSION;
    case EXTENSION:
        if (token) {
            return H1_FAULT_NONE;
        }
        if (byte == '=') {
            return go(chunked, BEFORE_VALUE);
        }
        return is_blank(byte) ? go(chunked, AFTER_NAME) : on_extension_end(chunked, byte);
    case AFTER_NAME:
        if (byte == '=' || byte == ';') {
            return go(chunked, byte == '=' ? BEFORE_VALUE : BEFORE_NAME);
        }
        return is_blank(byte) ? H1_FAULT_NONE : H1_FAULT_CHUNK_EXTENSION;
    case BEFORE_VALUE:
        if (is_blank(byte)) {
            return H1_FAULT_NONE;
        }
        if (byte == '"') {
            return go(chunked, QUOTED);
        }
        return token ? go(chunked, VALUE) : H1_FAULT_CHUNK_EXTENSION;
    case VALUE: return token ? H1_FAULT_NONE : on_extension_end(chunked, byte);
    case AFTER_QUOTED: return on_extension_end(chunked, byte);
    default: return on_quoted(chunked, byte);
    }
}

static enum h1_fault on_trailer_start(struct h1_chunked *chunked, char byte)
{
    if (byte == '\r') {
        return go(chunked, END_LF);
    }
    if (is_blank(byte)) {
        return H1_FAULT_FOLDED;
    }
    if (byte == '\n') {
        return H1_FAULT_BARE_LF;
    }
    chunked->name_size = 0;
    chunked->candidates = all_candidates;
    return go(chunked, TRAILER_NAME);
}

/* Drops the forbidden names that do not have this byte next; '_' passes for '-'. */
static void match(struct h1_chunked *chunked, char byte)
{
    const char folded = byte == '_' ? '-' : (char)(byte | 0x20);
    for (uint32_t rest = chunked->candidates; rest != 0; rest &= rest - 1) {
        const unsigned i = (unsigned)__builtin_ctz(rest);
        if (forbidden[i][chunked->name_size] != folded) {
            chunked->candidates &= ~(1U << i);
        }
    }
}

static bool is_forbidden(const struct h1_chunked *chunked)
{
    for (uint32_t rest = chunked->candidates; rest != 0; rest &= rest - 1) {
        if (forbidden[__builtin_ctz(rest)][chunked->name_size] == '\0') {
            return true;
        }
    }
    return false;
}

static enum h1_fault on_trailer_name(struct h1_chunked *chunked, char byte)
{
    if (h1_is(byte, H1_CLASS_TOKEN)) {
        if (chunked->name_size == H1_NAME_BYTES_MAX) {
            return H1_FAULT_NAME_LONG;
        }
        match(chunked, byte);
        chunked->name_size++;
        return H1_FAULT_NONE;
    }
    if (byte == ':' && chunked->name_size > 0) {
        return is_forbidden(chunked) ? H1_FAULT_TRAILER_FORBIDDEN : go(chunked, TRAILER_VALUE);
    }
    if (is_blank(byte)) {
        return H1_FAULT_NAME_BLANK;
    }
    return byte == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_NAME;
}

static enum h1_fault on_trailer_value(struct h1_chunked *chunked, char byte)
{
    if (h1_is(byte, H1_CLASS_TEXT)) {
        return H1_FAULT_NONE;
    }
    if (byte == '\r') {
        return go(chunked, TRAILER_LF);
    }
    return byte == '\n' ? H1_FAULT_BARE_LF : H1_FAULT_VALUE;
}

static enum h1_fault on_trailer(struct h1_chunked *chunked, char byte)
{
    if (++chunked->line_bytes > H1_TRAILER_BYTES_MAX) {
        return H1_FAULT_TRAILER_LONG;
    }
    enum h1_fault fault = H1_FAULT_NONE;
    switch ((enum state)chunked->state) {
    case TRAILER_START:
        fault = on_trailer_start(chunked, byte);
        return fault == H1_FAULT_NONE && chunked->state == TRAILER_NAME
                   ? on_trailer_name(chunked, byte)
                   : fault;
    case TRAILER_NAME: return on_trailer_name(chunked, byte);
    case TRAILER_VALUE: return on_trailer_value(chunked, byte);
    case TRAILER_LF: return byte == '\n' ? go(chunked, TRAILER_START) : H1_FAULT_BARE_CR;
    default: return byte == '\n' ? go(chunked, ENDED) : H1_FAULT_BARE_CR;
    }
}

/* Any byte but those of a chunk's data. */
static enum h1_fault on_byte(struct h1_chunked *chunked, char byte)
{
    if (chunked->state == SIZE) {
        return on_size(chunked, byte);
    }
    if (chunked->state == SIZE_LF) {
        return on_size_lf(chunked, byte);
    }
    if (chunked->state < DATA) {
        return on_extension(chunked, byte);
    }
    if (chunked->state == DATA_CR) {
        return byte == '\r' ? go(chunked, DATA_LF) : H1_FAULT_CHUNK_END;
    }
    if (chunked->state == DATA_LF) {
        return byte == '\n' ? go(chunked, SIZE) : H1_FAULT_CHUNK_END;
    }
    return on_trailer(chunked, byte);
}

enum h1_result h1_chunked_decode(struct h1_chunked *chunked, const char *data, size_t size,
                                 size_t *consumed, struct slice *payload)
{
    ASSERT(chunked->state < ENDED && chunked->fault == H1_FAULT_NONE);
    *payload = (struct slice){data, 0};
    size_t at = 0;
    while (at < size) {
        if (chunked->state == DATA) {
            const size_t run = chunked->left < size - at ? (size_t)chunked->left : size - at;
            *payload = (struct slice){data + at, run};
            *consumed = at + run;
            chunked->left -= run;
            if (chunked->left == 0) {
                chunked->state = DATA_CR;
            }
            return H1_MORE;
        }
        const enum h1_fault fault = on_byte(chunked, data[at]);
        if (fault != H1_FAULT_NONE) {
            chunked->fault = (uint8_t)fault;
            *consumed = at;
            return H1_BAD;
        }
        at++;
        if (chunked->state == ENDED) {
            *consumed = at;
            return H1_DONE;
        }
    }
    *consumed = at;
    return H1_MORE;
}

enum h1_result h1_chunked_feed(struct h1_chunked *chunked, const char *data, size_t size,
                               size_t *consumed)
{
    *consumed = 0;
    for (;;) {
        size_t taken;
        struct slice payload;
        const enum h1_result result =
            h1_chunked_decode(chunked, data + *consumed, size - *consumed, &taken, &payload);
        *consumed += taken;
        if (result != H1_MORE || *consumed == size) {
            return result;
        }
    }
}
