#include "base/error.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, enum error_kind kind, const char *format, ...)
{
    ASSERT(kind != ERROR_NONE);
    if (error == NULL)
        return false;
    error->kind = kind;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

bool error_set_errno(struct error *error, int error_number, const char *format, ...)
{
    if (error == NULL)
        return false;
    error->kind = ERROR_SYSTEM;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    const size_t used = strlen(error->text);
    (void)snprintf(error->text + used, sizeof error->text - used, ": %s",
                   strerrordesc_np(error_number) ? strerrordesc_np(error_number) : "unknown error");
    return false;
}

bool error_add(struct error *error, const char *format, ...)
{
    if (error == NULL)
        return false;
    ASSERT(error->kind != ERROR_NONE);
    char context[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    char text[sizeof error->text];
    memcpy(text, error->text, sizeof text);
    /* A context that fills the text leaves the cause cut: the sentence stays bounded. */
    (void)snprintf(error->text, sizeof error->text, "%.300s: %.460s", context, text);
    return false;
}

void error_clear(struct error *error)
{
    if (error == NULL)
        return;
    error->kind = ERROR_NONE;
    error->text[0] = '\0';
}

static const struct {
    int exit_code;
    int http_status;
} meaning[] = {
    [ERROR_NONE] = {0, 200},     [ERROR_USAGE] = {2, 400},    [ERROR_NOT_FOUND] = {2, 404},
    [ERROR_CONFLICT] = {4, 409}, [ERROR_REFUSED] = {4, 409},  [ERROR_UNREACHABLE] = {3, 503},
    [ERROR_TIMEOUT] = {3, 504},  [ERROR_PROTOCOL] = {3, 502}, [ERROR_LIMIT] = {4, 429},
    [ERROR_SYSTEM] = {1, 500},   [ERROR_FAILED] = {1, 500},
};

int error_exit_code(enum error_kind kind)
{
    ASSERT((size_t)kind < COUNT_OF(meaning));
    return meaning[kind].exit_code;
}

int error_http_status(enum error_kind kind)
{
    ASSERT((size_t)kind < COUNT_OF(meaning));
    return meaning[kind].http_status;
}
