#include "base/writer.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>

void writer_init(struct writer *writer, struct text *text)
{
    *writer = (struct writer){.text = text};
}

/* Length of the UTF-8 sequence at s (RFC 3629 section 4), 0 when it is not one. */
static size_t utf8_length(const unsigned char *s, size_t size)
{
    if (s[0] < 0x80)
        return 1;
    const size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

static void add_escaped(struct text *text, unsigned char byte)
{
    switch (byte) {
    case '"': text_add(text, "\\\""); break;
    case '\\': text_add(text, "\\\\"); break;
    case '\n': text_add(text, "\\n"); break;
    case '\r': text_add(text, "\\r"); break;
    case '\t': text_add(text, "\\t"); break;
    default:
        if (byte < 0x20 || byte == 0x7f)
            text_format(text, "\\u%04x", byte);
        else
            text_add_char(text, (char)byte);
    }
}

static void add_string(struct text *text, struct slice value)
{
    const unsigned char *s = (const unsigned char *)value.data;
    size_t left = value.size;
    text_add_char(text, '"');
    while (left > 0) {
        const size_t length = utf8_length(s, left);
        if (length == 1)
            add_escaped(text, *s);
        else if (length == 0)
            text_add(text, "\\ufffd");
        else
            text_append(text, (struct slice){.data = (const char *)s, .size = length});
        const size_t step = length == 0 ? 1 : length;
        s += step;
        left -= step;
    }
    text_add_char(text, '"');
}

/* Comma, and the name inside an object; an element of an array has none. */
static void begin_value(struct writer *writer, const char *name)
{
    const bool in_object = writer->depth > 0 && writer->closers[writer->depth - 1] == '}';
    ASSERT(in_object == (name != NULL));
    ASSERT(writer->depth > 0 || !writer->comma);
    if (writer->comma)
        text_add_char(writer->text, ',');
    writer->comma = true;
    if (name != NULL) {
        add_string(writer->text, slice_of(name));
        text_add_char(writer->text, ':');
    }
}

static void open_nested(struct writer *writer, const char *name, char opener, char closer)
{
    begin_value(writer, name);
    ASSERT(writer->depth < WRITER_DEPTH_MAX);
    writer->closers[writer->depth++] = closer;
    text_add_char(writer->text, opener);
    writer->comma = false;
}

void writer_object(struct writer *writer, const char *name)
{
    open_nested(writer, name, '{', '}');
}

void writer_array(struct writer *writer, const char *name)
{
    open_nested(writer, name, '[', ']');
}

void writer_end(struct writer *writer)
{
    ASSERT(writer->depth > 0);
    text_add_char(writer->text, writer->closers[--writer->depth]);
    writer->comma = true;
}

void writer_slice(struct writer *writer, const char *name, struct slice value)
{
    begin_value(writer, name);
    add_string(writer->text, value);
}

void writer_string(struct writer *writer, const char *name, const char *value)
{
    if (value == NULL)
        writer_null(writer, name);
    else
        writer_slice(writer, name, slice_of(value));
}

void writer_u64(struct writer *writer, const char *name, uint64_t value)
{
    begin_value(writer, name);
    char
        digits[20]; /* Not by printf: an answer about a large fleet is numbers for the most part. */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_append(writer->text, (struct slice){.data = digits + at, .size = sizeof digits - at});
}

void writer_i64(struct writer *writer, const char *name, int64_t value)
{
    begin_value(writer, name);
    text_format(writer->text, "%lld", (long long)value);
}

void writer_bool(struct writer *writer, const char *name, bool value)
{
    begin_value(writer, name);
    text_add(writer->text, value ? "true" : "false");
}

void writer_double(struct writer *writer, const char *name, double value)
{
    if (!isfinite(value) || fabs(value) > 1e15) {
        writer_null(writer, name);
        return;
    }
    begin_value(writer, name);
    char digits[64];
    int size = snprintf(digits, sizeof digits, "%.6f", value);
    ASSERT(size > 0 && (size_t)size < sizeof digits);
    while (digits[size - 1] == '0')
        size--;
    if (digits[size - 1] == '.')
        size--;
    text_append(writer->text, (struct slice){.data = digits, .size = (size_t)size});
}

void writer_null(struct writer *writer, const char *name)
{
    begin_value(writer, name);
    text_add(writer->text, "null");
}

void writer_raw(struct writer *writer, const char *name, struct slice value)
{
    begin_value(writer, name);
    text_append(writer->text, value);
}
