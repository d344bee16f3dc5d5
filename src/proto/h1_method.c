#include "proto/h1.h"

#include "base/check.h"

static const struct slice methods[H1_METHOD_COUNT] = {
    [H1_METHOD_OTHER] = {"", 0},   [H1_GET] = {"GET", 3},     [H1_HEAD] = {"HEAD", 4},
    [H1_POST] = {"POST", 4},       [H1_PUT] = {"PUT", 3},     [H1_DELETE] = {"DELETE", 6},
    [H1_OPTIONS] = {"OPTIONS", 7}, [H1_PATCH] = {"PATCH", 5}, [H1_TRACE] = {"TRACE", 5},
    [H1_CONNECT] = {"CONNECT", 7},
};

enum h1_method h1_method_of(struct slice text)
{
    for (unsigned i = H1_METHOD_OTHER + 1; i < H1_METHOD_COUNT; i++) {
        if (slice_equal(text, methods[i])) {
            return (enum h1_method)i;
        }
    }
    return H1_METHOD_OTHER;
}

const char *h1_method_text(enum h1_method method)
{
    ASSERT(method < H1_METHOD_COUNT);
    return methods[method].data;
}
