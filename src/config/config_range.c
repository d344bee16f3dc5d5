#include "config/config_range.h"

#include "base/check.h"
#include "config/config_problem.h"

#include <stdio.h>

enum { DIGITS_MAX = 9 };

static size_t digits_at(struct slice text, size_t at)
{
    size_t end = at;
    while (end < text.size && text.data[end] >= '0' && text.data[end] <= '9')
        end++;
    return end - at;
}

static struct slice part(struct slice text, size_t from, size_t to)
{
    return (struct slice){.data = text.data + from, .size = to - from};
}

/* Judges "[first-last]" between `open` and `close`, the places of its brackets. */
static bool bounds_parse(struct config_range *range, struct slice text, size_t open, size_t close,
                         struct config_complaint *complaint)
{
    const struct config_quote quote = config_quote(part(text, open, close + 1));
    const size_t first_size = digits_at(text, open + 1);
    const size_t dash = open + 1 + first_size;
    const size_t last_size = dash < close ? digits_at(text, dash + 1) : 0;
    if (first_size == 0 || last_size == 0 || text.data[dash] != '-' ||
        dash + 1 + last_size != close || first_size > DIGITS_MAX || last_size > DIGITS_MAX)
        return config_complain(complaint, "holds '%s', which is no range; a range is [FIRST-LAST]",
                               quote.text);
    uint64_t first = 0;
    uint64_t last = 0;
    const bool numbers = slice_to_u64(part(text, open + 1, dash), &first) &&
                         slice_to_u64(part(text, dash + 1, close), &last);
    ASSERT(numbers);
    const bool padded = (first_size > 1 && text.data[open + 1] == '0') ||
                        (last_size > 1 && text.data[dash + 1] == '0');
    if (padded && first_size != last_size)
        return config_complain(
            complaint, "holds '%s'; with leading zeros both ends need the same width", quote.text);
    if (first > last)
        return config_complain(
            complaint, "holds '%s', which counts down; did you mean '[%.*s-%.*s]'?", quote.text,
            (int)last_size, text.data + dash + 1, (int)first_size, text.data + open + 1);
    if (last - first >= CONFIG_HOSTS_MAX)
        return config_complain(complaint, "holds '%s', more than %d hosts", quote.text,
                               CONFIG_HOSTS_MAX);
    range->ranged = true;
    range->first = (uint32_t)first;
    range->count = (uint32_t)(last - first) + 1;
    range->width = padded ? (uint32_t)first_size : 0;
    range->before = part(text, 0, open);
    range->after = part(text, close + 1, text.size);
    return true;
}

bool config_range_parse(struct config_range *range, struct slice text,
                        struct config_complaint *complaint)
{
    *range = (struct config_range){.before = text, .count = 1};
    if (text.size >= CONFIG_RANGE_TEXT_MAX - DIGITS_MAX)
        return config_complain(complaint, "is '%s', too long", config_quote(text).text);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '[')
            continue;
        size_t end = i + 1;
        bool colon = false;
        while (end < text.size && text.data[end] != '[' && text.data[end] != ']') {
            colon = colon || text.data[end] == ':';
            end++;
        }
        if (colon)
            continue;
        if (end == text.size || text.data[end] == '[')
            return config_complain(complaint, "is '%s', in which a '[' is never closed",
                                   config_quote(text).text);
        if (range->ranged)
            return config_complain(complaint, "is '%s'; one range is the most a setting can hold",
                                   config_quote(text).text);
        if (!bounds_parse(range, text, i, end, complaint))
            return false;
        i = end;
    }
    return true;
}

struct slice config_range_expand(const struct config_range *range, uint32_t index,
                                 char text[static CONFIG_RANGE_TEXT_MAX])
{
    ASSERT(index < range->count);
    if (!range->ranged)
        return range->before;
    const int size = snprintf(text, CONFIG_RANGE_TEXT_MAX, "%.*s%0*u%.*s", (int)range->before.size,
                              range->before.data, (int)range->width, range->first + index,
                              (int)range->after.size, range->after.data);
    ASSERT(size > 0 && size < CONFIG_RANGE_TEXT_MAX);
    return (struct slice){.data = text, .size = (size_t)size};
}
