/*
 * h1: HTTP/1.1 message heads, read strictly (RFC 9110, RFC 9112).
 *
 * The proxy reads clients and back ends with it, the admin interface its own two ends. Bytes in,
 * facts out: no memory is allocated, nothing is copied, no byte is looked at twice on the way. All
 * positions are offsets from the start of the head, so that the bytes may move.
 *
 * The promise: a head that two parsers could read differently is refused, never repaired. Bare LF,
 * bare CR, folded lines, blanks before a colon, doubled or malformed framing, doubtful hosts and
 * targets end in H1_BAD with a fault that says which; the caller answers h1_fault_status() (a back
 * end's fault is always 502) and closes, for nothing after the fault can be trusted. What is
 * accepted beyond the letter of the grammar, because RFC 9112 asks for it: one empty line before a
 * request (2.2), and minor versions above 1, read as HTTP/1.1 (RFC 9110 2.5).
 *
 * The body is framed here, too: none, a length, chunked (h1_chunked.h) or until close.
 * h1_rewrite.h turns a parsed head into the one that goes out.
 */
#pragma once

#include "base/slice.h"

enum h1_result {
    H1_DONE, /* A whole head; every field is set. */
    H1_MORE, /* Not yet whole: call again with the same bytes and more. */
    H1_BAD,  /* Refused: only the fault is set. */
};

/* The ceilings of what struct h1_limits may ask for. */
enum { H1_HEAD_BYTES_MAX = 65535, H1_HEADERS_MAX = 256, H1_NAME_BYTES_MAX = 255 };

struct h1_limits {
    uint32_t head_bytes_max;   /* First line to empty line, all included; <= H1_HEAD_BYTES_MAX. */
    uint32_t headers_max;      /* <= H1_HEADERS_MAX. */
    uint32_t target_bytes_max; /* The request target. */
};

#define H1_LIMITS_DEFAULT                                                                          \
    ((struct h1_limits){.head_bytes_max = 16384, .headers_max = 100, .target_bytes_max = 8192})

/* Each kind of refusal. h1_fault_name() is its label in counters, h1_fault_text() its sentence. */
enum h1_fault {
    H1_FAULT_NONE,
    H1_FAULT_BARE_LF,
    H1_FAULT_BARE_CR,
    H1_FAULT_EMPTY_LINES,    /* More than one before the request line. */
    H1_FAULT_METHOD,         /* Not a token, or a known method in the wrong case. */
    H1_FAULT_METHOD_LONG,    /* 501. */
    H1_FAULT_TARGET,         /* Bytes or form not allowed for this method. */
    H1_FAULT_TARGET_LONG,    /* 414. */
    H1_FAULT_REQUEST_LINE,   /* HTTP/0.9, doubled spaces, text after the version. */
    H1_FAULT_VERSION,        /* Not HTTP/d.d in capitals. */
    H1_FAULT_VERSION_MAJOR,  /* 505: well-formed, but not HTTP/1.x; the HTTP/2 preface. */
    H1_FAULT_STATUS,         /* Not three digits from 100 to 599. */
    H1_FAULT_REASON,         /* A control byte in the reason phrase. */
    H1_FAULT_FOLDED,         /* A line that begins with a blank (obs-fold). */
    H1_FAULT_NAME,           /* Empty, or not a token. */
    H1_FAULT_NAME_BLANK,     /* Blank between name and colon. */
    H1_FAULT_NAME_LOOKALIKE, /* Content_Length and its like. */
    H1_FAULT_NAME_LONG,      /* 431. */
    H1_FAULT_VALUE,          /* NUL or another control byte. */
    H1_FAULT_HEAD_LONG,      /* 431. */
    H1_FAULT_HEADERS_MANY,   /* 431. */
    H1_FAULT_HOST_MISSING,
    H1_FAULT_HOST_TWICE,
    H1_FAULT_HOST,
    H1_FAULT_LENGTH,            /* Not 1 to 19 digits, or over 2^63-1; lists, signs. */
    H1_FAULT_LENGTH_TWICE,      /* Also with equal values. */
    H1_FAULT_LENGTH_AND_CODING, /* Content-Length and Transfer-Encoding. */
    H1_FAULT_CODING,            /* Transfer-Encoding that does not end in one `chunked`. */
    H1_FAULT_CODING_TWICE,
    H1_FAULT_CODING_UNKNOWN,    /* 501: another coding under chunked. */
    H1_FAULT_CODING_VERSION,    /* Transfer-Encoding in HTTP/1.0. */
    H1_FAULT_CONNECTION,        /* Not a list of tokens. */
    H1_FAULT_NOMINATED,         /* Connection names a field that no hop may drop. */
    H1_FAULT_UPGRADE,           /* A 101 that nobody asked for, or without Upgrade. */
    H1_FAULT_EXPECT,            /* 417: other than 100-continue. */
    H1_FAULT_MAX_FORWARDS,      /* Not a number, or given twice. */
    H1_FAULT_BODY,              /* A body on TRACE or CONNECT. */
    H1_FAULT_CHUNK_SIZE,        /* Not 1 to 16 hexadecimal digits, or over 2^63-1. */
    H1_FAULT_CHUNK_EXTENSION,   /* Malformed, or longer than H1_CHUNK_EXTENSION_BYTES_MAX. */
    H1_FAULT_CHUNK_END,         /* Chunk data not followed by CRLF. */
    H1_FAULT_TRAILER_LONG,      /* Over H1_TRAILER_BYTES_MAX. */
    H1_FAULT_TRAILER_FORBIDDEN, /* Framing, routing or credentials in a trailer (RFC 9110 6.5.1). */
    H1_FAULT_COUNT
};

/* The status to answer a request with: 400, or 414, 417, 431, 501, 505. */
int h1_fault_status(enum h1_fault);
const char *h1_fault_name(enum h1_fault); /* "bare_lf": [a-z_]+, a stable label. */
const char *h1_fault_text(enum h1_fault); /* "line ends in LF without CR": for logs. */

/* RFC 9110 9, and PATCH (RFC 5789). Any other token is H1_METHOD_OTHER, and legal. */
enum h1_method {
    H1_METHOD_OTHER,
    H1_GET,
    H1_HEAD,
    H1_POST,
    H1_PUT,
    H1_DELETE,
    H1_OPTIONS,
    H1_PATCH,
    H1_TRACE,
    H1_CONNECT,
    H1_METHOD_COUNT
};

enum h1_method h1_method_of(struct slice);  /* Case-sensitive (RFC 9110 9.1). */
const char *h1_method_text(enum h1_method); /* "GET"; "" for H1_METHOD_OTHER. */

/* "Not Found"; "" if the status has no registered reason. */
const char *h1_status_reason(int status);

/* Header fields that the parser or one of its callers knows. Below 64: see `seen`. */
enum h1_id {
    H1_ID_OTHER,
    H1_ID_TE,
    H1_ID_AGE,
    H1_ID_VIA,
    H1_ID_DATE,
    H1_ID_HOST,
    H1_ID_RANGE,
    H1_ID_ACCEPT,
    H1_ID_COOKIE,
    H1_ID_EXPECT,
    H1_ID_SERVER,
    H1_ID_REFERER,
    H1_ID_TRAILER,
    H1_ID_UPGRADE,
    H1_ID_FORWARDED,
    H1_ID_CONNECTION,
    H1_ID_KEEP_ALIVE,
    H1_ID_SET_COOKIE,
    H1_ID_USER_AGENT,
    H1_ID_RETRY_AFTER,
    H1_ID_CONTENT_TYPE,
    H1_ID_MAX_FORWARDS,
    H1_ID_X_REQUEST_ID,
    H1_ID_AUTHORIZATION,
    H1_ID_CACHE_CONTROL,
    H1_ID_CONTENT_RANGE,
    H1_ID_CONTENT_LENGTH,
    H1_ID_HTTP2_SETTINGS,
    H1_ID_X_FORWARDED_FOR,
    H1_ID_CONTENT_ENCODING,
    H1_ID_PROXY_CONNECTION,
    H1_ID_X_FORWARDED_HOST,
    H1_ID_X_FORWARDED_PROTO,
    H1_ID_TRANSFER_ENCODING,
    H1_ID_PROXY_AUTHORIZATION,
    H1_ID_COUNT
};

enum h1_id h1_id_of(struct slice name); /* Case-insensitive. */

/* A run of bytes, from the start of the head. */
struct h1_span {
    uint16_t at;
    uint16_t size;
};

/* Of this connection only: hop-by-hop (RFC 9110 7.6.1), nominated by Connection, or about to be
 * written anew by h1_rewrite.h. Such a field is not forwarded. */
enum { H1_DROP = 1 };

/* One field line. It begins at name_at and ends where the next begins (the last: at fields_end). */
struct h1_header {
    uint16_t name_at;
    uint16_t value_at;   /* Without the blanks around it. */
    uint16_t value_size; /* May be 0. */
    uint8_t name_size;
    uint8_t id;    /* enum h1_id */
    uint8_t flags; /* H1_DROP */
};

enum h1_framing {
    H1_BODY_NONE,   /* Nothing follows. `content_length` is 0. */
    H1_BODY_LENGTH, /* `content_length` bytes follow; it is never 0. */
    H1_BODY_CHUNKED,
    H1_BODY_UNTIL_CLOSE, /* Responses only. */
};

/* What requests and responses have in common. */
struct h1_head {
    uint64_t seen; /* Bit H1_SEEN(id) for each known field present. */
    uint64_t content_length;
    uint16_t start;             /* Of the first line: 2 if an empty line came before it, else 0. */
    uint16_t fields_at;         /* The first field line (or the empty line, if there is none). */
    uint16_t fields_end;        /* The empty line that ends the head. */
    uint16_t size;              /* The body starts here. */
    uint16_t count;             /* Of headers. */
    uint8_t minor;              /* HTTP/1.minor: 0 or 1. */
    uint8_t fault;              /* enum h1_fault, with H1_BAD. */
    uint8_t framing;            /* enum h1_framing */
    bool keep_alive;            /* The sender will go on after this message (RFC 9112 9.3). */
    bool dropping;              /* At least one header has H1_DROP. */
    uint8_t first[H1_ID_COUNT]; /* Where in headers a known field comes first, if seen. */
    struct h1_header headers[H1_HEADERS_MAX];
};

#define H1_SEEN(id) ((uint64_t)1 << (id))

enum h1_form { H1_FORM_ORIGIN, H1_FORM_ABSOLUTE, H1_FORM_AUTHORITY, H1_FORM_ASTERISK };

struct h1_request {
    uint8_t method;       /* enum h1_method */
    uint8_t form;         /* enum h1_form, of the target (RFC 9112 3.2). */
    bool expect_100;      /* The client waits for 100 before its body: HTTP/1.1 with a body only. */
    bool te_trailers;     /* It takes trailers (RFC 9110 10.1.4). */
    bool upgrade;         /* It asks for `protocol`, and that may be passed on: see below. */
    int32_t max_forwards; /* Of TRACE and OPTIONS (RFC 9110 7.6.2); otherwise -1. 0: answer it. */
    struct h1_span method_text;
    struct h1_span target;   /* As it was sent. */
    struct h1_span path;     /* Path and query. Absolute form: may be empty, or begin with '?': the
                                path is then "/" (OPTIONS with neither: "*"). Authority form: empty. */
    struct h1_span host;     /* host[:port], from an absolute or authority target, which overrides
                                Host (RFC 9112 3.2.2), else from Host. Empty only in HTTP/1.0. */
    struct h1_span protocol; /* The value of Upgrade, when `upgrade`. */
    struct h1_head head;
};

struct h1_response {
    uint16_t status;       /* 100 to 599. */
    struct h1_span reason; /* May be empty. */
    struct h1_head head;
};

/* What the response answers: framing depends on it (RFC 9112 6.3). */
struct h1_asked {
    enum h1_method method;
    bool upgrade; /* The request asked for another protocol, and said so to the back end. */
};

/*
 * Reads a request head from the start of `data`. `*scanned` is 0 for a new head; H1_MORE leaves in
 * it how far this head was searched, so that a head sent byte by byte costs one pass a line and not
 * one a byte. Because of it a fault may be reported as late as the end of its line.
 *
 * `upgrade` is true only for HTTP/1.1 with `Connection: upgrade`, no body, and no protocol that
 * would change the meaning of this very connection (h2c, HTTP/..., TLS/...): those are not passed
 * on (RFC 9110 7.8 lets a server ignore Upgrade).
 */
enum h1_result h1_parse_request(const char *data, size_t size, const struct h1_limits *,
                                uint32_t *scanned, struct h1_request *);

/*
 * Reads a response head: as above. 1xx, 204, 304 and whatever answers HEAD have no body, whatever
 * their fields say; a 1xx or 204 that claims a body (RFC 9110 8.6, RFC 9112 6.1 forbid it) loses
 * those fields, and keep_alive is false. A 1xx other than 101 is followed by another head. After
 * 101, or a 2xx that answers CONNECT, the bytes are no longer HTTP/1.1: framing is then
 * H1_BODY_UNTIL_CLOSE. Upgrade and its Connection are forwarded with 101 only.
 */
enum h1_result h1_parse_response(const char *data, size_t size, const struct h1_limits *,
                                 struct h1_asked, uint32_t *scanned, struct h1_response *);

/* Is `text` a legal host[:port] (RFC 9110 7.2)? DNS names, IPv4, [IPv6]; not empty. */
bool h1_host_valid(struct slice text);

/* The first header with this id (not H1_ID_OTHER), or NULL. */
static inline const struct h1_header *h1_find(const struct h1_head *head, enum h1_id id)
{
    return head->seen & H1_SEEN(id) ? &head->headers[head->first[id]] : NULL;
}

static inline struct slice h1_slice(const char *data, struct h1_span span)
{
    return (struct slice){.data = data + span.at, .size = span.size};
}

static inline struct slice h1_name(const char *data, const struct h1_header *header)
{
    return (struct slice){.data = data + header->name_at, .size = header->name_size};
}

static inline struct slice h1_value(const char *data, const struct h1_header *header)
{
    return (struct slice){.data = data + header->value_at, .size = header->value_size};
}
