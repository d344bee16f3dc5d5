#include "config/config_problem.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

enum { PROBLEM_TEXT_MAX = 1024, ARENA_BYTES_MAX = 8 * 1024 * 1024 };

void config_problems_init(struct config_problems *problems)
{
    memset(problems, 0, sizeof *problems);
    arena_init(&problems->arena, ARENA_BYTES_MAX);
}

void config_problems_done(struct config_problems *problems)
{
    arena_done(&problems->arena);
    problems->count = 0;
}

static bool before(struct config_place a, struct config_place b)
{
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static void remove_item(struct config_problems *problems, size_t at)
{
    ASSERT(at < problems->count);
    problems->count--;
    memmove(&problems->items[at], &problems->items[at + 1],
            (problems->count - at) * sizeof problems->items[0]);
}

/* Frees one item for a new one; false when the new one is the least worth keeping. */
static bool make_room(struct config_problems *problems, struct config_about about)
{
    if (problems->count < CONFIG_PROBLEMS_MAX)
        return true;
    if (about.severity != CONFIG_WARNING) {
        for (size_t i = problems->count; i-- > 0;) {
            if (problems->items[i].severity == CONFIG_WARNING) {
                remove_item(problems, i);
                return true;
            }
        }
    }
    const struct config_problem *last = &problems->items[problems->count - 1];
    if (about.severity == CONFIG_WARNING && last->severity != CONFIG_WARNING)
        return false;
    if (!before(about.place, last->place))
        return false;
    remove_item(problems, problems->count - 1);
    return true;
}

static void count(struct config_problems *problems, enum config_severity severity)
{
    switch (severity) {
    case CONFIG_ERROR: problems->errors++; return;
    case CONFIG_UNBUILT: problems->unbuilt++; return;
    case CONFIG_WARNING: problems->warnings++; return;
    }
    UNREACHABLE();
}

void config_problem_add(struct config_problems *problems, struct config_about about,
                        const char *format, ...)
{
    ASSERT(problems->count <= CONFIG_PROBLEMS_MAX);
    if (about.place.line == 0)
        about.place = (struct config_place){.line = 1, .column = 1};
    count(problems, about.severity);
    if (!make_room(problems, about))
        return;

    char sentence[PROBLEM_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);

    size_t at = problems->count;
    while (at > 0 && before(about.place, problems->items[at - 1].place))
        at--;
    struct arena *arena = &problems->arena;
    const char *text =
        arena_format(arena, "%s:%u:%u: %s%s", problems->file, about.place.line, about.place.column,
                     about.severity == CONFIG_ERROR ? "" : "warning: ", sentence);
    if (text == NULL)
        text = "out of memory";
    memmove(&problems->items[at + 1], &problems->items[at],
            (problems->count - at) * sizeof problems->items[0]);
    problems->items[at] = (struct config_problem){
        .severity = about.severity,
        .place = about.place,
        .setting = about.setting == NULL ? NULL : arena_text(arena, slice_of(about.setting)),
        .tier = about.tier == NULL ? NULL : arena_text(arena, slice_of(about.tier)),
        .text = text,
    };
    problems->count++;
}

struct config_quote config_quote(struct slice value)
{
    static const char dots[] = "...";
    struct config_quote quote = {{0}};
    size_t size = value.size;
    const size_t room = sizeof quote.text - sizeof dots;
    if (size > room) {
        size = room;
        while (size > 0 && ((unsigned char)value.data[size] & 0xc0U) == 0x80U)
            size--; /* Never half a character. */
    }
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        quote.text[i] = (c < 0x20 || c == 0x7f) ? '?' : (char)c;
    }
    if (size < value.size)
        memcpy(quote.text + size, dots, sizeof dots);
    return quote;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t config_distance(struct slice a, struct slice b, uint32_t limit)
{
    enum { WIDTH = CONFIG_NAME_MAX + 1 };
    const size_t difference = a.size > b.size ? a.size - b.size : b.size - a.size;
    if (a.size >= WIDTH || b.size >= WIDTH || difference > limit)
        return limit + 1;

    uint32_t rows[3][WIDTH];
    uint32_t *above = rows[1];
    uint32_t *current = rows[2];
    uint32_t *two_above = rows[0];
    for (uint32_t j = 0; j <= b.size; j++)
        above[j] = j;
    for (uint32_t i = 1; i <= a.size; i++) {
        current[0] = i;
        for (uint32_t j = 1; j <= b.size; j++) {
            const char x = lower(a.data[i - 1]);
            const char y = lower(b.data[j - 1]);
            uint32_t cost = above[j - 1] + (x != y);
            cost = least(cost, least(above[j], current[j - 1]) + 1);
            if (i > 1 && j > 1 && x == lower(b.data[j - 2]) && y == lower(a.data[i - 2]))
                cost = least(cost, two_above[j - 2] + 1);
            current[j] = cost;
        }
        uint32_t *spare = two_above;
        two_above = above;
        above = current;
        current = spare;
    }
    return least(above[b.size], limit + 1);
}

void config_suggestion_init(struct config_suggestion *suggestion, struct slice name)
{
    /* A third of the letters may be wrong; a single letter of a short name. */
    const size_t limit = name.size / 3;
    suggestion->name = name;
    suggestion->best = NULL;
    suggestion->distance = (uint32_t)(limit > 3 ? 3 : limit < 1 ? 1 : limit) + 1;
}

void config_suggestion_offer(struct config_suggestion *suggestion, const char *candidate)
{
    ASSERT(suggestion->distance > 0 || suggestion->best != NULL);
    if (suggestion->distance == 0)
        return;
    const uint32_t distance =
        config_distance(suggestion->name, slice_of(candidate), suggestion->distance - 1);
    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}
