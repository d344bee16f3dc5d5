#include "proto/h1.h"

#include "base/check.h"

static const struct {
    int status;
    const char *name;
    const char *text;
} faults[H1_FAULT_COUNT] = {
    [H1_FAULT_NONE] = {200, "none", "no fault"},
    [H1_FAULT_BARE_LF] = {400, "bare_lf", "line ends in LF without CR"},
    [H1_FAULT_BARE_CR] = {400, "bare_cr", "CR without LF"},
    [H1_FAULT_EMPTY_LINES] = {400, "empty_lines", "more than one empty line before the request"},
    [H1_FAULT_METHOD] = {400, "method", "malformed method"},
    [H1_FAULT_METHOD_LONG] = {501, "method_long", "method too long to be known"},
    [H1_FAULT_TARGET] = {400, "target", "malformed request target"},
    [H1_FAULT_TARGET_LONG] = {414, "target_long", "request target too long"},
    [H1_FAULT_REQUEST_LINE] = {400, "request_line", "malformed request line"},
    [H1_FAULT_VERSION] = {400, "version", "malformed HTTP version"},
    [H1_FAULT_VERSION_MAJOR] = {505, "version_major", "HTTP version is not 1.x"},
    [H1_FAULT_STATUS] = {400, "status", "status is not three digits from 100 to 599"},
    [H1_FAULT_REASON] = {400, "reason", "control byte in the reason phrase"},
    [H1_FAULT_FOLDED] = {400, "folded", "header line begins with a blank (folding)"},
    [H1_FAULT_NAME] = {400, "name", "malformed header name"},
    [H1_FAULT_NAME_BLANK] = {400, "name_blank", "blank before the colon of a header"},
    [H1_FAULT_NAME_LOOKALIKE] = {400, "name_lookalike", "header name imitates another with '_'"},
    [H1_FAULT_NAME_LONG] = {431, "name_long", "header name too long"},
    [H1_FAULT_VALUE] = {400, "value", "control byte in a header value"},
    [H1_FAULT_HEAD_LONG] = {431, "head_long", "head too long"},
    [H1_FAULT_HEADERS_MANY] = {431, "headers_many", "too many headers"},
    [H1_FAULT_HOST_MISSING] = {400, "host_missing", "no Host"},
    [H1_FAULT_HOST_TWICE] = {400, "host_twice", "more than one Host"},
    [H1_FAULT_HOST] = {400, "host", "malformed Host"},
    [H1_FAULT_LENGTH] = {400, "length", "malformed Content-Length"},
    [H1_FAULT_LENGTH_TWICE] = {400, "length_twice", "more than one Content-Length"},
    [H1_FAULT_LENGTH_AND_CODING] = {400, "length_and_coding",
                                    "both Content-Length and Transfer-Encoding"},
    [H1_FAULT_CODING] = {400, "coding", "Transfer-Encoding is not chunked"},
    [H1_FAULT_CODING_TWICE] = {400, "coding_twice", "more than one Transfer-Encoding"},
    [H1_FAULT_CODING_UNKNOWN] = {501, "coding_unknown", "transfer coding other than chunked"},
    [H1_FAULT_CODING_VERSION] = {400, "coding_version", "Transfer-Encoding in HTTP/1.0"},
    [H1_FAULT_CONNECTION] = {400, "connection", "malformed Connection"},
    [H1_FAULT_NOMINATED] = {400, "nominated", "Connection names a field that must be kept"},
    [H1_FAULT_UPGRADE] = {400, "upgrade", "switch of protocols that nobody asked for"},
    [H1_FAULT_EXPECT] = {417, "expect", "expectation other than 100-continue"},
    [H1_FAULT_MAX_FORWARDS] = {400, "max_forwards", "malformed Max-Forwards"},
    [H1_FAULT_BODY] = {400, "body", "body where the method has none"},
    [H1_FAULT_CHUNK_SIZE] = {400, "chunk_size", "malformed chunk size"},
    [H1_FAULT_CHUNK_EXTENSION] = {400, "chunk_extension", "malformed or long chunk extension"},
    [H1_FAULT_CHUNK_END] = {400, "chunk_end", "chunk data not followed by CRLF"},
    [H1_FAULT_TRAILER_LONG] = {431, "trailer_long", "trailers too long"},
    [H1_FAULT_TRAILER_FORBIDDEN] = {400, "trailer_forbidden", "trailer must not be sent as one"},
};

int h1_fault_status(enum h1_fault fault)
{
    ASSERT(fault < H1_FAULT_COUNT);
    return faults[fault].status;
}

const char *h1_fault_name(enum h1_fault fault)
{
    ASSERT(fault < H1_FAULT_COUNT);
    return faults[fault].name;
}

const char *h1_fault_text(enum h1_fault fault)
{
    ASSERT(fault < H1_FAULT_COUNT);
    return faults[fault].text;
}
