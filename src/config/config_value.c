#include "config/config_value.h"

#include "base/check.h"
#include "config/config_address.h"
#include "config/config_problem.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    PATH_LENGTH_MAX = 4096,
    WORD_LENGTH_MAX = 255,
    USER_LENGTH_MAX = 32,
};

struct unit {
    const char *name;
    uint64_t factor;
};

/* Smallest first; ends with a NULL name. */
static const struct unit duration_units[] = {{"ms", 1},          {"s", 1000},      {"m", 60 * 1000},
                                             {"h", 3600 * 1000}, {"d", 86400000U}, {NULL, 0}};
static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}, {NULL, 0}};

bool config_complain(struct config_complaint *complaint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(complaint->text, sizeof complaint->text, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Storing ---- */

static void *field(const struct config_setting *row, void *fields)
{
    return (char *)fields + row->offset;
}

static void store_number(const struct config_setting *row, void *fields, uint64_t value)
{
    if (row->width == sizeof(uint64_t)) {
        memcpy(field(row, fields), &value, sizeof value);
        return;
    }
    if (row->width == sizeof(bool)) {
        const bool flag = value != 0;
        memcpy(field(row, fields), &flag, sizeof flag);
        return;
    }
    ASSERT(row->width == sizeof(uint32_t) && value <= UINT32_MAX);
    const uint32_t narrow = (uint32_t)value;
    memcpy(field(row, fields), &narrow, sizeof narrow);
}

static bool store_text(const struct config_setting *row, void *fields, struct slice text,
                       struct arena *arena, struct config_complaint *complaint)
{
    ASSERT(row->width == sizeof(const char *));
    const char *copy = arena_text(arena, text);
    if (copy == NULL)
        return config_complain(complaint, "does not fit into memory");
    memcpy(field(row, fields), &copy, sizeof copy);
    return true;
}

/* ---- Numbers and their units ---- */

/* The value in the largest unit that holds it whole: 1500 is "1500ms", 2000 is "2s". */
static void print_units(struct text *text, const struct unit *units, uint64_t value)
{
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name != NULL && value != 0; unit++) {
        if (value % unit->factor == 0)
            best = unit;
    }
    text_format(text, "%llu%s", (unsigned long long)(value / best->factor), best->name);
}

static void print_percent(struct text *text, uint64_t ppm)
{
    const unsigned long long whole = ppm / 10000;
    unsigned fraction = (unsigned)(ppm % 10000);
    if (fraction == 0) {
        text_format(text, "%llu%%", whole);
        return;
    }
    int digits = 4;
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    text_format(text, "%llu.%0*u%%", whole, digits, fraction);
}

void config_value_print(struct text *text, enum config_type type, uint64_t value)
{
    switch (type) {
    case CONFIG_TYPE_DURATION: print_units(text, duration_units, value); return;
    case CONFIG_TYPE_SIZE:
        if (value == CONFIG_UNLIMITED)
            text_add(text, "unlimited");
        else
            print_units(text, size_units, value);
        return;
    case CONFIG_TYPE_PERCENT:
    case CONFIG_TYPE_HIT_RATIO: print_percent(text, value); return;
    default: text_format(text, "%llu", (unsigned long long)value); return;
    }
}

/* False, with a complaint, when the value is outside what the row or its field can hold. */
static bool in_bounds(const struct config_setting *row, struct slice text, uint64_t value,
                      struct config_complaint *complaint)
{
    uint64_t max = row->max;
    if (max == 0)
        max = row->width == sizeof(uint64_t) ? UINT64_MAX : UINT32_MAX;
    if (value >= row->min && value <= max)
        return true;
    struct text low;
    struct text high;
    text_init(&low, 64);
    text_init(&high, 64);
    config_value_print(&low, row->type, row->min);
    config_value_print(&high, row->type, max);
    (void)config_complain(complaint, "is '%s'; it must be between %s and %s",
                          config_quote(text).text, low.data == NULL ? "" : low.data,
                          high.data == NULL ? "" : high.data);
    text_done(&low);
    text_done(&high);
    return false;
}

/* How many of the first bytes are digits. */
static size_t digits_of(struct slice text)
{
    size_t count = 0;
    while (count < text.size && text.data[count] >= '0' && text.data[count] <= '9')
        count++;
    return count;
}

static struct slice head(struct slice text, size_t size)
{
    return (struct slice){.data = text.data, .size = size};
}

static struct slice tail(struct slice text, size_t from)
{
    return (struct slice){.data = text.data + from, .size = text.size - from};
}

/* What an operator may have meant by a unit we do not know: "sec", "KB", "min". */
static const char *unit_meant(const struct unit *units, struct slice written)
{
    static const struct {
        const char *written;
        const char *meant;
    } usual[] = {{"sec", "s"},  {"secs", "s"},   {"second", "s"},  {"seconds", "s"}, {"min", "m"},
                 {"mins", "m"}, {"minute", "m"}, {"minutes", "m"}, {"hour", "h"},    {"hours", "h"},
                 {"hr", "h"},   {"day", "d"},    {"days", "d"},    {"msec", "ms"},   {"k", "KiB"},
                 {"kb", "KiB"}, {"kib", "KiB"},  {"mb", "MiB"},    {"mib", "MiB"},   {"g", "GiB"},
                 {"gb", "GiB"}, {"gib", "GiB"},  {"byte", "B"},    {"bytes", "B"},   {"b", "B"}};
    if (units == size_units && slice_equal_nocase(written, SLICE("m")))
        return "MiB";
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (slice_equal_nocase(written, slice_of(unit->name)))
            return unit->name;
    }
    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        if (!slice_equal_nocase(written, slice_of(usual[i].written)))
            continue;
        for (const struct unit *unit = units; unit->name != NULL; unit++) {
            if (strcmp(unit->name, usual[i].meant) == 0)
                return unit->name;
        }
    }
    return NULL;
}

struct quantity {
    const char *noun; /* "a duration" */
    const char *list; /* "ms, s, m, h or d" */
    const char *usual;
    const struct unit *units;
};

static const struct quantity duration = {"a duration", "ms, s, m, h or d", "s", duration_units};
static const struct quantity size = {"a size", "B, KiB, MiB or GiB", "KiB", size_units};

/* "1.5s" is "1500ms": whole numbers of a smaller unit. */
static bool complain_fraction(const struct quantity *quantity, struct slice text, size_t digits,
                              struct config_complaint *complaint)
{
    const struct slice after = tail(text, digits + 1);
    const size_t fraction_digits = digits_of(after);
    const char *meant = unit_meant(quantity->units, tail(after, fraction_digits));
    uint64_t whole = 0;
    uint64_t fraction = 0;
    if (meant == NULL || fraction_digits == 0 || fraction_digits > 3 || digits > 6 ||
        !slice_to_u64(head(text, digits), &whole) ||
        !slice_to_u64(head(after, fraction_digits), &fraction))
        return config_complain(complaint, "is '%s'; %s is a whole number and a unit (%s)",
                               config_quote(text).text, quantity->noun, quantity->list);
    const struct unit *unit = quantity->units;
    while (strcmp(unit->name, meant) != 0)
        unit++;
    uint64_t scale = 1;
    for (size_t i = 0; i < fraction_digits; i++)
        scale *= 10;
    struct text better;
    text_init(&better, 64);
    print_units(&better, quantity->units, whole * unit->factor + fraction * unit->factor / scale);
    (void)config_complain(complaint, "is '%s'; %s is a whole number and a unit; did you mean '%s'?",
                          config_quote(text).text, quantity->noun,
                          better.data == NULL ? "" : better.data);
    text_done(&better);
    return false;
}

static bool quantity_set(const struct config_setting *row, const struct quantity *quantity,
                         struct slice text, void *fields, struct config_complaint *complaint)
{
    const size_t digits = digits_of(text);
    const struct config_quote quote = config_quote(text);
    if (digits == 0)
        return config_complain(complaint, "is '%s'; it must be %s: a number and a unit (%s)",
                               quote.text, quantity->noun, quantity->list);
    if (digits == text.size)
        return config_complain(complaint, "is '%s', which has no unit; did you mean '%s%s'?",
                               quote.text, quote.text, quantity->usual);
    if (text.data[digits] == '.')
        return complain_fraction(quantity, text, digits, complaint);
    const struct slice written = tail(text, digits);
    const struct unit *unit = quantity->units;
    while (unit->name != NULL && !slice_is(written, unit->name))
        unit++;
    if (unit->name == NULL) {
        const char *meant = unit_meant(quantity->units, slice_trim(written));
        if (meant == NULL)
            return config_complain(complaint, "is '%s'; %s is a whole number and a unit (%s)",
                                   quote.text, quantity->noun, quantity->list);
        return config_complain(
            complaint, "is '%s', in which '%s' is no unit; did you mean '%.*s%s'?", quote.text,
            config_quote(slice_trim(written)).text, (int)digits, quote.text, meant);
    }
    uint64_t value = 0;
    if (!slice_to_u64(head(text, digits), &value) ||
        __builtin_mul_overflow(value, unit->factor, &value))
        value = UINT64_MAX - 1; /* Beyond every limit but `unlimited`. */
    if (!in_bounds(row, text, value, complaint))
        return false;
    store_number(row, fields, value);
    return true;
}

static bool duration_set(const struct config_setting *row, struct slice text, struct arena *arena,
                         void *fields, struct config_complaint *complaint)
{
    (void)arena;
    return quantity_set(row, &duration, text, fields, complaint);
}

static bool size_set(const struct config_setting *row, struct slice text, struct arena *arena,
                     void *fields, struct config_complaint *complaint)
{
    (void)arena;
    if (row->width == sizeof(uint64_t) && row->max == 0 && slice_is(text, "unlimited")) {
        store_number(row, fields, CONFIG_UNLIMITED);
        return true;
    }
    return quantity_set(row, &size, text, fields, complaint);
}

static bool count_set(const struct config_setting *row, struct slice text, struct arena *arena,
                      void *fields, struct config_complaint *complaint)
{
    (void)arena;
    uint64_t value = 0;
    if (digits_of(text) != text.size || text.size == 0)
        return config_complain(complaint, "is '%s'; it must be a whole number",
                               config_quote(text).text);
    if (!slice_to_u64(text, &value))
        value = UINT64_MAX;
    if (!in_bounds(row, text, value, complaint))
        return false;
    store_number(row, fields, value);
    return true;
}

/* "12.5%" as parts per million; at most four digits after the point. */
static bool percent_parse(struct slice text, uint64_t *ppm)
{
    if (text.size < 2 || text.data[text.size - 1] != '%')
        return false;
    const struct slice number = head(text, text.size - 1);
    const size_t digits = digits_of(number);
    uint64_t whole = 0;
    if (digits == 0 || digits > 6 || !slice_to_u64(head(number, digits), &whole))
        return false;
    *ppm = whole * 10000;
    if (digits == number.size)
        return true;
    const struct slice fraction = tail(number, digits + 1);
    if (number.data[digits] != '.' || fraction.size == 0 || fraction.size > 4 ||
        digits_of(fraction) != fraction.size)
        return false;
    uint64_t scale = 1000;
    for (size_t i = 0; i < fraction.size; i++, scale /= 10)
        *ppm += (uint64_t)(fraction.data[i] - '0') * scale;
    return true;
}

static bool percent_set(const struct config_setting *row, struct slice text, struct arena *arena,
                        void *fields, struct config_complaint *complaint)
{
    (void)arena;
    uint64_t ppm = 0;
    if (percent_parse(text, &ppm)) {
        if (!in_bounds(row, text, ppm, complaint))
            return false;
        store_number(row, fields, ppm);
        return true;
    }
    const struct config_quote quote = config_quote(text);
    if (text.size > 0 && digits_of(text) == text.size)
        return config_complain(complaint, "is '%s'; did you mean '%s%%'?", quote.text, quote.text);
    return config_complain(complaint, "is '%s'; it must be a share, such as 20%%", quote.text);
}

static bool amount_set(const struct config_setting *row, struct slice text, struct arena *arena,
                       void *fields, struct config_complaint *complaint)
{
    (void)arena;
    struct config_amount amount = {0};
    uint64_t value = 0;
    ASSERT(row->width == sizeof amount);
    if (percent_parse(text, &value)) {
        if (value > CONFIG_PPM)
            return config_complain(complaint, "is '%s'; it must be between 0%% and 100%%",
                                   config_quote(text).text);
        amount.percent = true;
    } else if (!slice_to_u64(text, &value) || value > CONFIG_HOSTS_MAX) {
        return config_complain(complaint,
                               "is '%s'; it must be a share, such as 20%%, or a number of hosts",
                               config_quote(text).text);
    }
    amount.value = (uint32_t)value;
    memcpy(field(row, fields), &amount, sizeof amount);
    return true;
}

static bool hit_ratio_set(const struct config_setting *row, struct slice text, struct arena *arena,
                          void *fields, struct config_complaint *complaint)
{
    if (slice_is(text, "measured")) {
        store_number(row, fields, 0);
        return true;
    }
    uint64_t ppm = 0;
    if (!percent_parse(text, &ppm))
        return config_complain(complaint, "is '%s'; it must be 'measured' or a share, such as 90%%",
                               config_quote(text).text);
    return percent_set(row, text, arena, fields, complaint);
}

/* ---- Words ---- */

const struct config_choice *config_choice_find(const struct config_choice *choices,
                                               struct slice text,
                                               struct config_complaint *complaint)
{
    struct config_suggestion suggestion;
    config_suggestion_init(&suggestion, text);
    char list[CONFIG_COMPLAINT_MAX / 2] = "";
    size_t used = 0;
    for (const struct config_choice *choice = choices; choice->name != NULL; choice++) {
        if (slice_is(text, choice->name))
            return choice;
        config_suggestion_offer(&suggestion, choice->name);
        if (choice->alias)
            continue;
        const int size_added =
            snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ", choice->name);
        ASSERT(size_added > 0 && (size_t)size_added < sizeof list - used);
        used += (size_t)size_added;
    }
    (void)config_complain(complaint, "is '%s', not one of %s%s%s%s", config_quote(text).text, list,
                          suggestion.best == NULL ? "" : "; did you mean '",
                          suggestion.best == NULL ? "" : suggestion.best,
                          suggestion.best == NULL ? "" : "'?");
    return NULL;
}

static bool choice_set(const struct config_setting *row, struct slice text, struct arena *arena,
                       void *fields, struct config_complaint *complaint)
{
    (void)arena;
    const struct config_choice *choice = config_choice_find(row->choices, text, complaint);
    if (choice == NULL)
        return false;
    store_number(row, fields, choice->value);
    return true;
}

static bool switch_set(const struct config_setting *row, struct slice text, struct arena *arena,
                       void *fields, struct config_complaint *complaint)
{
    static const struct config_choice words[] = {
        {"on", true, false, false},    {"off", false, false, false}, {"true", true, true, false},
        {"false", false, true, false}, {"yes", true, true, false},   {"no", false, true, false},
        {NULL, 0, false, false},
    };
    (void)arena;
    ASSERT(row->width == sizeof(bool));
    const struct config_choice *word = config_choice_find(words, text, complaint);
    if (word == NULL)
        return false;
    const bool value = word->value != 0;
    memcpy(field(row, fields), &value, sizeof value);
    return true;
}

static bool word_check(struct slice text, struct config_complaint *complaint)
{
    if (text.size == 0)
        return config_complain(complaint, "is empty");
    if (text.size > WORD_LENGTH_MAX)
        return config_complain(complaint, "is '%s', longer than %d characters",
                               config_quote(text).text, WORD_LENGTH_MAX);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f)
            return config_complain(complaint, "is '%s'; it must be printable ASCII without spaces",
                                   config_quote(text).text);
    }
    return true;
}

static bool word_set(const struct config_setting *row, struct slice text, struct arena *arena,
                     void *fields, struct config_complaint *complaint)
{
    return word_check(text, complaint) && store_text(row, fields, text, arena, complaint);
}

static bool hostname_set(const struct config_setting *row, struct slice text, struct arena *arena,
                         void *fields, struct config_complaint *complaint)
{
    if (!config_ipv6_check(text) && !config_hostname_check(text, complaint))
        return false;
    char *copy = arena_text(arena, text);
    if (copy == NULL)
        return config_complain(complaint, "does not fit into memory");
    for (char *c = copy; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    memcpy(field(row, fields), &copy, sizeof copy);
    return true;
}

static bool path_set(const struct config_setting *row, struct slice text, struct arena *arena,
                     void *fields, struct config_complaint *complaint)
{
    const size_t max = row->max == 0 ? PATH_LENGTH_MAX : row->max;
    if (text.size == 0 || text.data[0] != '/')
        return config_complain(complaint, "is '%s'; it must be an absolute path (start with '/')",
                               config_quote(text).text);
    if (text.size > max)
        return config_complain(complaint, "is '%s', longer than %zu bytes", config_quote(text).text,
                               max);
    return store_text(row, fields, text, arena, complaint);
}

static bool url_path_set(const struct config_setting *row, struct slice text, struct arena *arena,
                         void *fields, struct config_complaint *complaint)
{
    if (!word_check(text, complaint))
        return false;
    if (text.data[0] != '/')
        return config_complain(complaint,
                               "is '%s', which does not start with '/'; did you mean "
                               "'/%s'?",
                               config_quote(text).text, config_quote(text).text);
    if (memchr(text.data, '#', text.size) != NULL)
        return config_complain(complaint, "is '%s'; a path cannot hold '#'",
                               config_quote(text).text);
    return store_text(row, fields, text, arena, complaint);
}

static bool address_set(const struct config_setting *row, struct slice text, struct arena *arena,
                        void *fields, struct config_complaint *complaint)
{
    struct config_address address = {0};
    ASSERT(row->width == sizeof address);
    if (!config_address_set(&address, text, arena, complaint))
        return false;
    memcpy(field(row, fields), &address, sizeof address);
    return true;
}

static bool state_set(const struct config_setting *row, struct slice text, struct arena *arena,
                      void *fields, struct config_complaint *complaint)
{
    const struct config_quote quote = config_quote(text);
    if (slice_starts_with(text, "sqlite:")) {
        const struct slice path = tail(text, strlen("sqlite:"));
        if (path.size == 0 || path.data[0] != '/')
            return config_complain(complaint, "is '%s'; the path after 'sqlite:' must be absolute",
                                   quote.text);
        return store_text(row, fields, text, arena, complaint);
    }
    if (slice_starts_with(text, "etcd://"))
        return word_check(text, complaint) && store_text(row, fields, text, arena, complaint);
    if (text.size > 0 && text.data[0] == '/')
        return config_complain(complaint, "is '%s'; did you mean 'sqlite:%s'?", quote.text,
                               quote.text);
    return config_complain(complaint, "is '%s'; it must be sqlite:PATH or etcd://HOST:PORT/NAME",
                           quote.text);
}

static bool access_set(const struct config_setting *row, struct slice text, struct arena *arena,
                       void *fields, struct config_complaint *complaint)
{
    if (slice_is(text, "off") || slice_is(text, "false") || slice_is(text, "no")) {
        memset(field(row, fields), 0, row->width);
        return true;
    }
    if (slice_is(text, "stdout"))
        return store_text(row, fields, text, arena, complaint);
    if (text.size == 0 || text.data[0] != '/')
        return config_complain(complaint, "is '%s'; it must be off, stdout or an absolute path",
                               config_quote(text).text);
    return path_set(row, text, arena, fields, complaint);
}

static bool user_set(const struct config_setting *row, struct slice text, struct arena *arena,
                     void *fields, struct config_complaint *complaint)
{
    bool good = text.size > 0 && text.size <= USER_LENGTH_MAX && text.data[0] != '-' &&
                digits_of(text) == 0;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
    }
    if (!good)
        return config_complain(complaint, "is '%s', which is not the name of a user",
                               config_quote(text).text);
    return store_text(row, fields, text, arena, complaint);
}

static bool key_source_set(const struct config_setting *row, struct slice text, struct arena *arena,
                           void *fields, struct config_complaint *complaint)
{
    struct config_key *key = field(row, fields);
    ASSERT(row->width == sizeof *key);
    key->from = (enum config_key_from)row->min;
    if (key->from == CONFIG_KEY_PATH) {
        if (!slice_is(text, "on") && !slice_is(text, "true") && !slice_is(text, "yes"))
            return config_complain(complaint, "is '%s'; it can only be on",
                                   config_quote(text).text);
        key->name = NULL;
        return true;
    }
    if (!word_check(text, complaint))
        return false;
    key->name = arena_text(arena, text);
    return key->name != NULL || config_complain(complaint, "does not fit into memory");
}

static bool ranged_set(const struct config_setting *row, struct slice text, struct arena *arena,
                       void *fields, struct config_complaint *complaint)
{
    ASSERT(row->width == sizeof text);
    if (!word_check(text, complaint))
        return false;
    const char *copy = arena_text(arena, text);
    if (copy == NULL)
        return config_complain(complaint, "does not fit into memory");
    const struct slice kept = {.data = copy, .size = text.size};
    memcpy(field(row, fields), &kept, sizeof kept);
    return true;
}

/* ---- The types ---- */

typedef bool value_setter(const struct config_setting *, struct slice, struct arena *, void *fields,
                          struct config_complaint *);

static const struct {
    const char *name;
    value_setter *set; /* NULL: not a scalar, or not ours. */
} types[] = {
    [CONFIG_TYPE_DURATION] = {"duration", duration_set},
    [CONFIG_TYPE_SIZE] = {"size", size_set},
    [CONFIG_TYPE_COUNT] = {"number", count_set},
    [CONFIG_TYPE_PERCENT] = {"share", percent_set},
    [CONFIG_TYPE_AMOUNT] = {"share or number", amount_set},
    [CONFIG_TYPE_CHOICE] = {"choice", choice_set},
    [CONFIG_TYPE_SWITCH] = {"on or off", switch_set},
    [CONFIG_TYPE_WORD] = {"text", word_set},
    [CONFIG_TYPE_HOSTNAME] = {"host name", hostname_set},
    [CONFIG_TYPE_PATH] = {"path", path_set},
    [CONFIG_TYPE_URL_PATH] = {"URL path", url_path_set},
    [CONFIG_TYPE_ADDRESS] = {"HOST:PORT", address_set},
    [CONFIG_TYPE_STATE] = {"sqlite:PATH or etcd://...", state_set},
    [CONFIG_TYPE_ACCESS] = {"off, stdout or a path", access_set},
    [CONFIG_TYPE_USER] = {"user", user_set},
    [CONFIG_TYPE_HIT_RATIO] = {"measured or a share", hit_ratio_set},
    [CONFIG_TYPE_TIER] = {"name of a tier", NULL},
    [CONFIG_TYPE_KEY_SOURCE] = {"text", key_source_set},
    [CONFIG_TYPE_RANGED] = {"text, may hold a range", ranged_set},
    [CONFIG_TYPE_FLAGS] = {"list of choices", NULL},
    [CONFIG_TYPE_PACKAGES] = {"security, or a list of names", NULL},
    [CONFIG_TYPE_ARGV] = {"list: a program and its arguments", NULL},
    [CONFIG_TYPE_SECTION] = {"mapping", NULL},
    [CONFIG_TYPE_ROUTES] = {"list", NULL},
    [CONFIG_TYPE_LISTENERS] = {"list", NULL},
    [CONFIG_TYPE_HOSTS] = {"list", NULL},
    [CONFIG_TYPE_TIERS] = {"mapping of names", NULL},
};

const char *config_type_name(enum config_type type)
{
    ASSERT(type < COUNT_OF(types));
    return types[type].name;
}

bool config_value_set(const struct config_setting *row, struct slice text, struct arena *arena,
                      void *fields, struct config_complaint *complaint)
{
    ASSERT(row->type < COUNT_OF(types) && types[row->type].set != NULL);
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
        return config_complain(complaint, "holds a NUL byte");
    return types[row->type].set(row, text, arena, fields, complaint);
}
