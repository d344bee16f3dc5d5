#include "drive/host_answer.h"

#include "base/check.h"

#include <stdio.h>

enum { SENTENCE_BYTES_MAX = 1024, CHANGES_TOLD_MAX = 3 };

/* Cuts the first line off `rest`, without its end. False when there is no whole one. */
static bool next_line(struct slice *rest, struct slice *line)
{
    const char *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    if (end == NULL)
        return false;
    line->data = rest->data;
    line->size = (size_t)(end - rest->data);
    rest->data = end + 1;
    rest->size -= line->size + 1;
    return true;
}

static bool is_mark(struct slice line, const char *mark, const char *id)
{
    const size_t size = strlen(mark);
    return slice_starts_with(line, mark) &&
           slice_is((struct slice){.data = line.data + size, .size = line.size - size}, id);
}

static bool read_flag(struct slice value)
{
    return slice_is(value, "yes");
}

static bool read_outcome(struct slice value, enum host_outcome *outcome)
{
    static const enum host_outcome outcomes[] = {HOST_OK, HOST_FAILED, HOST_TIMEOUT, HOST_REFUSED};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        if (slice_is(value, host_outcome_name(outcomes[i]))) {
            *outcome = outcomes[i];
            return true;
        }
    }
    return false;
}

/* `value` is NUL-terminated, for it is kept by its address. False: it makes no sense. */
static bool read_fact(struct host_facts *facts, struct slice name, struct slice value)
{
    if (slice_is(name, "boot_id"))
        facts->boot_id = value.data;
    else if (slice_is(name, "kernel"))
        facts->kernel = value.data;
    else if (slice_is(name, "versions"))
        facts->versions = value.data;
    else if (slice_is(name, "candidates"))
        facts->candidates = value.data;
    else if (slice_is(name, "reboot_required"))
        facts->reboot_required = read_flag(value);
    else if (slice_is(name, "uptime_s"))
        return slice_to_u64(value, &facts->uptime_s);
    return true;
}

static struct slice without(struct slice name, const char *prefix)
{
    const size_t size = strlen(prefix);
    return (struct slice){.data = name.data + size, .size = name.size - size};
}

/* False when the value makes no sense. A name that is not known is a newer helper's: passed over.
 */
static bool read_field(struct host_result *result, struct slice name, struct slice value)
{
    uint64_t number = 0;
    if (slice_is(name, "outcome"))
        return read_outcome(value, &result->outcome);
    if (slice_is(name, "exit_status")) {
        if (!slice_to_u64(value, &number) || number > 255)
            return false;
        result->exit_status = (int)number;
    } else if (slice_is(name, "sentence")) {
        result->sentence = value.data;
    } else if (slice_is(name, "recorded")) {
        result->recorded = read_flag(value);
    } else if (slice_is(name, "put_back_possible")) {
        result->put_back_possible = read_flag(value);
    } else if (slice_starts_with(name, "before.")) {
        return read_fact(&result->before, without(name, "before."), value);
    } else if (slice_starts_with(name, "after.")) {
        return read_fact(&result->after, without(name, "after."), value);
    }
    return true;
}

/* The lines of the answer: those of the result to `lines`, those of the output to `output`. */
static bool split(struct host_answer *answer, const char *id, struct slice printed)
{
    struct slice line;
    do {
        if (!next_line(&printed, &line))
            return false;
    } while (!is_mark(line, "nines-answer ", id));
    while (next_line(&printed, &line)) {
        if (is_mark(line, "nines-end ", id))
            return !answer->lines.failed && !answer->output.failed;
        const bool output = line.size > 0 && line.data[0] == '|';
        struct text *text = output ? &answer->output : &answer->lines;
        text_append(text, output ? without(line, "|") : line);
        text_add_char(text, '\n');
    }
    return false;
}

static bool read_lines(struct host_answer *answer)
{
    struct slice rest = text_slice(&answer->lines);
    struct slice line;
    bool outcome_seen = false;
    while (next_line(&rest, &line)) {
        const char *equals = memchr(line.data, '=', line.size);
        if (equals == NULL)
            return false;
        const size_t name_size = (size_t)(equals - line.data);
        const struct slice name = {.data = line.data, .size = name_size};
        const struct slice value = {.data = equals + 1, .size = line.size - name_size - 1};
        /* The line's end becomes the NUL of the value. */
        answer->lines.data[line.data + line.size - answer->lines.data] = '\0';
        if (!read_field(&answer->result, name, value))
            return false;
        outcome_seen = outcome_seen || slice_is(name, "outcome");
    }
    return outcome_seen;
}

/* Cuts the first word off; false when there is none. */
static bool next_word(struct slice *rest, struct slice *word)
{
    while (rest->size > 0 && rest->data[0] == ' ')
        *rest = without(*rest, " ");
    word->data = rest->data;
    word->size = 0;
    while (word->size < rest->size && rest->data[word->size] != ' ')
        word->size++;
    rest->data += word->size;
    rest->size -= word->size;
    return word->size > 0;
}

/* "name=version" of a package in a list of versions; the version empty when it is not there. */
static struct slice version_of(const char *versions, struct slice name)
{
    struct slice rest = slice_of(versions);
    struct slice word;
    while (next_word(&rest, &word)) {
        if (word.size > name.size && word.data[name.size] == '=' &&
            memcmp(word.data, name.data, name.size) == 0)
            return (struct slice){.data = word.data + name.size + 1,
                                  .size = word.size - name.size - 1};
    }
    return SLICE("");
}

/* "openssl 3.0.15-1 -> 3.0.17-1, libssl3 none -> 3.0.17-1 and 4 more", or "versions as they were".
 */
static void tell_versions(struct host_answer *answer)
{
    const struct host_result *result = &answer->result;
    struct text *out = &answer->sentence;
    struct slice rest = slice_of(result->after.versions);
    struct slice word;
    size_t changes = 0;
    while (next_word(&rest, &word)) {
        const char *equals = memchr(word.data, '=', word.size);
        if (equals == NULL)
            continue;
        const struct slice name = {.data = word.data, .size = (size_t)(equals - word.data)};
        const struct slice now = version_of(result->after.versions, name);
        const struct slice then = version_of(result->before.versions, name);
        if (slice_equal(now, then) || ++changes > CHANGES_TOLD_MAX)
            continue;
        text_format(out, "%s%.*s %.*s -> %.*s", changes > 1 ? ", " : "", (int)name.size, name.data,
                    (int)(then.size > 0 ? then.size : 4), then.size > 0 ? then.data : "none",
                    (int)(now.size > 0 ? now.size : 4), now.size > 0 ? now.data : "none");
    }
    if (changes > CHANGES_TOLD_MAX)
        text_format(out, " and %zu more", changes - CHANGES_TOLD_MAX);
    if (changes == 0)
        text_add(out, result->after.versions[0] == '\0' ? "done" : "versions as they were");
}

bool host_answer_read(struct host_answer *answer, const char *id, struct slice printed)
{
    static const struct host_facts nothing = {
        .boot_id = "", .kernel = "", .versions = "", .candidates = ""};
    text_init(&answer->lines, 3 * HOST_VERSIONS_BYTES_MAX + 16 * 1024);
    text_init(&answer->output, 2 * HOST_OUTPUT_BYTES_MAX);
    text_init(&answer->sentence, SENTENCE_BYTES_MAX);
    answer->result = (struct host_result){
        .outcome = HOST_UNREACHABLE, .before = nothing, .after = nothing, .sentence = ""};
    if (!split(answer, id, printed) || !read_lines(answer))
        return false;
    struct host_result *result = &answer->result;
    const bool rebooted = result->before.boot_id[0] != '\0' && result->after.boot_id[0] != '\0' &&
                          strcmp(result->before.boot_id, result->after.boot_id) != 0;
    if (result->sentence[0] == '\0') {
        if (rebooted)
            text_format(&answer->sentence, "rebooted: boot_id %.8s -> %.8s", result->before.boot_id,
                        result->after.boot_id);
        else
            tell_versions(answer);
        result->sentence = answer->sentence.data == NULL ? "" : answer->sentence.data;
    }
    result->output = answer->output.data == NULL ? "" : answer->output.data;
    ASSERT(result->outcome != HOST_UNREACHABLE);
    return true;
}

void host_answer_done(struct host_answer *answer)
{
    text_done(&answer->lines);
    text_done(&answer->output);
    text_done(&answer->sentence);
}
