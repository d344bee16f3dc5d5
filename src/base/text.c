#include "base/text.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void check(const struct text *text)
{
    ASSERT(text->size <= text->limit);
    ASSERT(text->data == NULL ? text->size == 0 : text->size < text->capacity);
}

void text_init(struct text *text, size_t limit)
{
    ASSERT(limit > 0 && limit < SIZE_MAX / 2);
    *text = (struct text){.limit = limit};
}

void text_done(struct text *text)
{
    free(text->data);
    *text = (struct text){.limit = text->limit};
}

void text_clear(struct text *text)
{
    check(text);
    text->size = 0;
    text->failed = false;
    if (text->data != NULL)
        text->data[0] = '\0';
}

/* Room for `more` bytes and a NUL; false (and failed) when there is none. */
static bool reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more > text->limit - text->size) {
        text->failed = true;
        return false;
    }
    const size_t need = text->size + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity < 128 ? 128 : text->capacity;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_append(struct text *text, struct slice slice)
{
    check(text);
    if (!reserve(text, slice.size))
        return;
    if (slice.size > 0)
        memcpy(text->data + text->size, slice.data, slice.size);
    text->size += slice.size;
    text->data[text->size] = '\0';
}

void text_add(struct text *text, const char *string)
{
    text_append(text, slice_of(string));
}

void text_add_char(struct text *text, char c)
{
    text_append(text, (struct slice){.data = &c, .size = 1});
}

void text_format(struct text *text, const char *format, ...)
{
    check(text);
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0);
    if (reserve(text, (size_t)size)) {
        (void)vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

void text_consume(struct text *text, size_t count)
{
    check(text);
    ASSERT(count <= text->size);
    if (count == 0)
        return;
    memmove(text->data, text->data + count, text->size - count + 1);
    text->size -= count;
}
