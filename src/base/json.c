#include "base/json.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>

void json_init(struct json *json, struct text *text)
{
    *json = (struct json){.text = text};
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
static void begin_value(struct json *json, const char *name)
{
    const bool in_object = json->depth > 0 && json->closers[json->depth - 1] == '}';
    ASSERT(in_object == (name != NULL));
    ASSERT(json->depth > 0 || !json->comma);
    if (json->comma)
        text_add_char(json->text, ',');
    json->comma = true;
    if (name != NULL) {
        add_string(json->text, slice_of(name));
        text_add_char(json->text, ':');
    }
}

static void open_nested(struct json *json, const char *name, char opener, char closer)
{
    begin_value(json, name);
    ASSERT(json->depth < JSON_DEPTH_MAX);
    json->closers[json->depth++] = closer;
    text_add_char(json->text, opener);
    json->comma = false;
}

void json_object(struct json *json, const char *name)
{
    open_nested(json, name, '{', '}');
}

void json_array(struct json *json, const char *name)
{
    open_nested(json, name, '[', ']');
}

void json_end(struct json *json)
{
    ASSERT(json->depth > 0);
    text_add_char(json->text, json->closers[--json->depth]);
    json->comma = true;
}

void json_slice(struct json *json, const char *name, struct slice value)
{
    begin_value(json, name);
    add_string(json->text, value);
}

void json_string(struct json *json, const char *name, const char *value)
{
    if (value == NULL)
        json_null(json, name);
    else
        json_slice(json, name, slice_of(value));
}

void json_u64(struct json *json, const char *name, uint64_t value)
{
    begin_value(json, name);
    text_format(json->text, "%llu", (unsigned long long)value);
}

void json_i64(struct json *json, const char *name, int64_t value)
{
    begin_value(json, name);
    text_format(json->text, "%lld", (long long)value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_value(json, name);
    text_add(json->text, value ? "true" : "false");
}

void json_double(struct json *json, const char *name, double value)
{
    if (!isfinite(value) || fabs(value) > 1e15) {
        json_null(json, name);
        return;
    }
    begin_value(json, name);
    char digits[64];
    int size = snprintf(digits, sizeof digits, "%.6f", value);
    ASSERT(size > 0 && (size_t)size < sizeof digits);
    while (digits[size - 1] == '0')
        size--;
    if (digits[size - 1] == '.')
        size--;
    text_append(json->text, (struct slice){.data = digits, .size = (size_t)size});
}

void json_null(struct json *json, const char *name)
{
    begin_value(json, name);
    text_add(json->text, "null");
}

void json_raw(struct json *json, const char *name, struct slice value)
{
    begin_value(json, name);
    text_append(json->text, value);
}
