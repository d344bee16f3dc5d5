#include "drive/host_request.h"

#include "base/check.h"

#include <stdio.h>

/* src/drive/helper.sh, put here by the build. */
extern const char host_helper[];
extern const size_t host_helper_size;

/* Letters and digits of ASCII, whatever the locale. */
static bool plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* Not empty, begins with a letter or digit, and has besides them only what `marks` lists. */
static bool well_formed(const char *text, size_t size_max, const char *marks)
{
    if (text == NULL || !plain(text[0]) || strlen(text) > size_max)
        return false;
    for (const char *byte = text; *byte != '\0'; byte++) {
        if (!plain(*byte) && strchr(marks, *byte) == NULL)
            return false;
    }
    return true;
}

static bool package_ok(const char *name)
{
    return well_formed(name, HOST_WORD_BYTES_MAX, "+-.:");
}

/* Debian policy 5.6.12. */
static bool version_ok(const char *version)
{
    return well_formed(version, HOST_WORD_BYTES_MAX, ".+-:~");
}

/* "a=1.0 b= c:i386=2": as facts have it. */
static bool versions_ok(const char *versions)
{
    return versions != NULL && strlen(versions) <= HOST_VERSIONS_BYTES_MAX &&
           (versions[0] == '\0' || well_formed(versions, HOST_VERSIONS_BYTES_MAX, "+-.:~= "));
}

static bool words_ok(const char *const *words, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) > HOST_WORD_BYTES_MAX)
            return false;
        size += strlen(words[i]);
    }
    return count <= HOST_WORDS_MAX && size <= HOST_WORDS_BYTES_MAX;
}

static bool check_packages(const struct host_job *job, struct error *error)
{
    if (job->package_count > HOST_WORDS_MAX)
        return error_set(error, ERROR_LIMIT, "%zu packages, %d are allowed", job->package_count,
                         HOST_WORDS_MAX);
    for (size_t i = 0; i < job->package_count; i++) {
        if (!package_ok(job->packages[i]))
            return error_set(error, ERROR_USAGE, "'%s' is not a package name", job->packages[i]);
    }
    if (job->version != NULL && !version_ok(job->version))
        return error_set(error, ERROR_USAGE, "'%s' is not a package version", job->version);
    return true;
}

static bool check(const struct host_job *job, struct error *error)
{
    ASSERT(well_formed(job->id, HOST_ID_MAX, ".-") && job->timeout_ms > 0);
    ASSERT(job->token <= INT64_MAX); /* The arithmetic of a shell. */
    if (!check_packages(job, error))
        return false;
    switch (job->verb) {
    case HOST_INSTALL:
        return job->security != (job->package_count > 0) ||
               error_set(error, ERROR_USAGE, "install: either packages or security");
    case HOST_PUT_BACK:
        return versions_ok(job->versions) ||
               error_set(error, ERROR_USAGE, "put back: not a list of versions");
    case HOST_COMMAND:
        if (job->command.count == 0)
            return error_set(error, ERROR_USAGE, "command: no words");
        return (words_ok((const char *const *)job->command.words, job->command.count) &&
                words_ok((const char *const *)job->check.words, job->check.count)) ||
               error_set(error, ERROR_LIMIT, "command: more than %d words or %d bytes",
                         HOST_WORDS_MAX, HOST_WORDS_BYTES_MAX);
    case HOST_RESTART:
        return well_formed(job->unit, HOST_WORD_BYTES_MAX, "@:_.-\\") ||
               error_set(error, ERROR_USAGE, "restart: '%s' is not a unit",
                         job->unit == NULL ? "" : job->unit);
    case HOST_FACTS:
    case HOST_REBOOT: return true;
    }
    UNREACHABLE();
}

static void add_encoded(struct text *out, const char *value)
{
    for (const char *byte = value; *byte != '\0'; byte++) {
        if (plain(*byte) || strchr("_/:=+,@%^.-", *byte) != NULL)
            text_add_char(out, *byte);
        else
            text_format(out, "\\0%03o", (unsigned)(unsigned char)*byte);
    }
}

static void add_words(struct text *out, const char *name, const char *const *words, size_t count)
{
    text_format(out, "%s=", name);
    for (size_t i = 0; i < count; i++) {
        text_add(out, i == 0 ? "." : " ."); /* With the dot, an empty word is one. */
        add_encoded(out, words[i]);
    }
    text_add_char(out, '\n');
}

static void add_job(struct text *out, const struct host_job *job)
{
    /* Never less than a second: the helper counts in those. */
    const uint32_t timeout_s = job->timeout_ms / 1000 + (job->timeout_ms % 1000 > 0 ? 1 : 0);
    text_format(out, "id=%s\nverb=%s\ntoken=%llu\ntimeout_s=%u\n", job->id,
                host_verb_name(job->verb), (unsigned long long)job->token, timeout_s);
    add_words(out, "packages", job->packages, job->package_count);
    if (job->verb == HOST_INSTALL || job->verb == HOST_FACTS)
        text_format(out, "security=%s\n", job->security ? "yes" : "no");
    if (job->verb == HOST_INSTALL)
        text_format(out, "version=%s\n", job->version == NULL ? "" : job->version);
    if (job->verb == HOST_PUT_BACK)
        text_format(out, "versions=%s\n", job->versions);
    if (job->verb == HOST_COMMAND) {
        add_words(out, "command", (const char *const *)job->command.words, job->command.count);
        add_words(out, "check", (const char *const *)job->check.words, job->check.count);
    }
    if (job->verb == HOST_RESTART)
        add_words(out, "unit", &job->unit, 1);
}

bool host_request_write(const struct host_job *job, struct text *out, struct error *error)
{
    if (!check(job, error))
        return false;
    text_add(out, "nines_text() {\ncat <<'NINES_TEXT_ENDS_HERE'\n");
    text_append(out, (struct slice){.data = host_helper, .size = host_helper_size});
    text_add(out, "NINES_TEXT_ENDS_HERE\n}\nnines_request='");
    add_job(out, job);
    text_add(out, "'\neval \"$(nines_text)\"\n");
    return !out->failed ||
           error_set(error, ERROR_LIMIT, "the job is longer than %d bytes", HOST_REQUEST_BYTES_MAX);
}
