/*
 * narrate: decisions as sentences, and the names of things. The only place where the engine's words
 * stand; the story tests compare them, `nines log`, the dashboard and the record show them.
 */
#include "rollout/rollout.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

/* A sentence under construction in the caller's buffer; what does not fit is cut. */
struct line {
    char *out;
    size_t size;
    size_t used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length =
        vsnprintf(line->out + line->used, line->size - line->used, format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    line->used += (size_t)length;
    if (line->used >= line->size)
        line->used = line->size - 1;
}

/* "4.2 s", "30 s", "12 min", "12 min 5 s" */
static void add_time(struct line *line, uint64_t ms)
{
    const unsigned long long seconds = ms / 1000;
    if (seconds >= 120 && seconds % 60 == 0)
        add(line, "%llu min", seconds / 60);
    else if (seconds >= 120)
        add(line, "%llu min %llu s", seconds / 60, seconds % 60);
    else if (ms % 1000 < 100)
        add(line, "%llu s", seconds);
    else
        add(line, "%llu.%llu s", seconds, (unsigned long long)(ms % 1000) / 100);
}

/* "75 %", "87.5 %"; rounded down, so that a floor is never said to be kept when it is not. */
static void add_share(struct line *line, uint64_t ppm)
{
    const unsigned long long tenths = ppm / 1000;
    if (tenths % 10 == 0)
        add(line, "%llu %%", tenths / 10);
    else
        add(line, "%llu.%llu %%", tenths / 10, tenths % 10);
}

static void add_count(struct line *line, uint64_t count, const char *noun)
{
    add(line, "%llu %s%s", (unsigned long long)count, noun, count == 1 ? "" : "s");
}

static void add_in_flight(struct line *line, const struct rollout_decision *d)
{
    add_count(line, d->numbers[0], "request");
    add(line, " still in flight after ");
    add_time(line, d->numbers[1]);
}

static const char *host_name(const struct rollout_spec *spec, uint64_t host)
{
    return host < spec->host_count ? spec->hosts[host].name : "(none)";
}

/* "812 requests, 0 failed" */
static void add_record(struct line *line, uint64_t requests, uint64_t failures)
{
    add_count(line, requests, "request");
    add(line, ", %llu failed", (unsigned long long)failures);
}

static const char *version_or(const struct rollout_decision *d, const char *otherwise)
{
    return d->version[0] != '\0' ? d->version : otherwise;
}

/* ---- One host: up to the proof that it came back. ---- */

static bool narrate_change(struct line *line, const struct rollout_decision *d)
{
    switch (d->code) {
    case ROLLOUT_SAY_TAKEN_ILL:
        add(line, d->numbers[0] != 0 ? "drained by an operator already, costs nothing: taken first"
                                     : "down already, costs nothing: taken first");
        break;
    case ROLLOUT_SAY_CURRENT:
        add(line, "has %s already, nothing to do", version_or(d, "what is wanted"));
        break;
    case ROLLOUT_SAY_DRAINING:
        add(line, "draining, ");
        add_count(line, d->numbers[0], "request");
        add(line, " in flight; ");
        add_share(line, d->numbers[1]);
        add(line, " of the capacity goes on serving");
        break;
    case ROLLOUT_SAY_INSTALLING:
        add(line, "0 requests in flight after ");
        add_time(line, d->numbers[0]);
        add(line, ", installing %s", version_or(d, "the update"));
        break;
    case ROLLOUT_SAY_REBOOT_ONLY:
        add(line, "0 requests in flight after ");
        add_time(line, d->numbers[0]);
        add(line, ", nothing to install, rebooting");
        break;
    case ROLLOUT_SAY_DRAIN_WAITS:
        if (d->numbers[2] != 0) {
            add(line, "not known to be drained after ");
            add_time(line, d->numbers[1]);
            add(line, ", nothing was heard from the balancer; the rollout pauses until it is");
            break;
        }
        add_in_flight(line, d);
        add(line, "; the rollout pauses until they end");
        break;
    case ROLLOUT_SAY_DRAIN_CLOSES:
        add_in_flight(line, d);
        add(line, "; closing its long-lived connections");
        break;
    case ROLLOUT_SAY_DRAIN_CUT:
        add_in_flight(line, d);
        add(line, "; they are not waited for any longer");
        break;
    case ROLLOUT_SAY_INSTALLED:
        add(line, "%s installed in ", version_or(d, "the update"));
        add_time(line, d->numbers[0]);
        add(line, d->numbers[1] != 0 ? ", rebooting" : ", no reboot needed");
        break;
    case ROLLOUT_SAY_BACK:
        add(line, "back after ");
        add_time(line, d->numbers[0]);
        add(line, " with a new boot_id");
        break;
    default: return false;
    }
    return true;
}

/* ---- One host: what it proves, once it is back. ---- */

static bool narrate_proof(struct line *line, const struct rollout_decision *d)
{
    switch (d->code) {
    case ROLLOUT_SAY_READ_BACK:
        add(line, d->numbers[0] != 0 ? "runs %s as before" : "runs %s now",
            version_or(d, "what was installed"));
        add(line, ", waiting until it is healthy");
        break;
    case ROLLOUT_SAY_RESTORED:
        add(line, "healthy for ");
        add_time(line, d->numbers[0]);
        add(line, ", weight restored");
        if (d->numbers[1] != 0) {
            add(line, " over ");
            add_time(line, d->numbers[1]);
        }
        break;
    case ROLLOUT_SAY_LEFT_CORDONED:
        add(line, "%s and healthy; stays drained, as an operator had left it",
            d->numbers[0] != 0 ? "updated" : "put back");
        break;
    case ROLLOUT_SAY_SOAKING:
        add(line, "full weight, soaking for ");
        add_time(line, d->numbers[0]);
        break;
    case ROLLOUT_SAY_VERIFIED:
    case ROLLOUT_SAY_VERIFIED_ALONE:
        add(line, "verified: ");
        add_record(line, d->numbers[0], d->numbers[1]);
        add(line, d->code == ROLLOUT_SAY_VERIFIED ? "; hosts not yet updated: "
                                                  : "; verified hosts and its own record: ");
        add_record(line, d->numbers[2], d->numbers[3]);
        break;
    case ROLLOUT_SAY_VERIFIED_NO_DATA:
        add(line, "no traffic in its soak, so no data: verified by its version and health alone");
        break;
    default: return false;
    }
    return true;
}

/* ---- One host: when something goes wrong. ---- */

static void add_sent_again(struct line *line, const struct rollout_decision *d)
{
    const enum rollout_action_kind kind = (enum rollout_action_kind)d->numbers[0];
    const bool balancer = kind == ROLLOUT_SET_WEIGHT || kind == ROLLOUT_CLOSE_LONG_LIVED;
    add(line, "%s", balancer ? "the balancer cannot be reached" : "cannot be reached");
    if (d->text[0] != '\0')
        add(line, " (%s)", d->text);
    add(line, ", trying again: %s", rollout_action_name(kind));
}

static bool narrate_trouble(struct line *line, const struct rollout_decision *d)
{
    switch (d->code) {
    case ROLLOUT_SAY_GIVEN_BACK:
        add(line, d->numbers[0] != 0 ? "not taken after all, nothing was changed"
                                     : "weight restored, nothing was changed");
        break;
    case ROLLOUT_SAY_FAILED:
        add(line, "failed: %s; %s", d->text,
            d->numbers[0] != 0 ? "the rollout pauses" : "nobody else is taken");
        break;
    case ROLLOUT_SAY_PUTTING_BACK:
        add(line, "putting %s back", version_or(d, "the old version"));
        break;
    case ROLLOUT_SAY_PUT_BACK:
        add(line, "%s put back in ", version_or(d, "the old version"));
        add_time(line, d->numbers[0]);
        add(line, d->numbers[1] != 0 ? ", rebooting" : ", no reboot needed");
        break;
    case ROLLOUT_SAY_VERIFIED_OLD:
        add(line, "verified on %s, full weight", version_or(d, "the old version"));
        break;
    case ROLLOUT_SAY_QUARANTINED:
        add(line, "quarantined%s: %s%s", d->numbers[0] != 0 ? " at weight 0" : "", d->text,
            d->numbers[1] != 0 ? "; nobody else is taken" : "");
        break;
    case ROLLOUT_SAY_SENT_AGAIN: add_sent_again(line, d); break;
    case ROLLOUT_SAY_ILL: add(line, "fell ill by itself, counts as unavailable"); break;
    default: return false;
    }
    return true;
}

/* ---- Why nobody is taken, or nothing begins. ---- */

static bool narrate_refused(struct line *line, const struct rollout_decision *d,
                            const struct rollout_spec *spec)
{
    const char *name = host_name(spec, d->host);
    switch (d->code) {
    case ROLLOUT_SAY_REFUSED_ONE_HOST:
        add(line,
            "%s is the only host of tier %s: updating it would be an outage; give the tier a "
            "second host or a standby",
            name, spec->tier);
        break;
    case ROLLOUT_SAY_REFUSED_FLOOR:
        add(line, "the floor of ");
        add_share(line, d->numbers[1]);
        add(line, " cannot be kept: without %s ", name);
        add_share(line, d->numbers[0]);
        add(line, " of the capacity would be left");
        break;
    case ROLLOUT_SAY_REFUSED_NO_DRIVER:
        add(line, "%s has no driver, so nothing can act on it: give it `driver:` in tier %s", name,
            spec->tier);
        break;
    default: return false;
    }
    return true;
}

static bool narrate_blocked(struct line *line, const struct rollout_decision *d,
                            const struct rollout_spec *spec)
{
    if (d->code < ROLLOUT_SAY_BLOCKED_UNAVAILABLE || d->code > ROLLOUT_SAY_BLOCKED_SILENT)
        return false;
    const char *name = host_name(spec, d->host);
    const char *ill = host_name(spec, d->numbers[2]);
    add(line, "no further host is taken: ");
    switch (d->code) {
    case ROLLOUT_SAY_BLOCKED_UNAVAILABLE:
        add_count(line, d->numbers[0], "host");
        add(line, " down (%s%s), at most %llu may be unavailable", ill,
            d->numbers[0] > 1 ? " ..." : "", (unsigned long long)d->numbers[1]);
        break;
    case ROLLOUT_SAY_BLOCKED_FLOOR:
        add(line, "without %s ", name);
        add_share(line, d->numbers[0]);
        add(line, " of the capacity would serve, the floor is ");
        add_share(line, d->numbers[1]);
        break;
    case ROLLOUT_SAY_BLOCKED_LAST: add(line, "%s is the last one that serves", name); break;
    case ROLLOUT_SAY_BLOCKED_ZONE:
        add(line, "%s is next, and %s in another zone is down", name, ill);
        break;
    case ROLLOUT_SAY_BLOCKED_GROUP:
        add(line, "another host of %s's replica group is down", name);
        break;
    case ROLLOUT_SAY_BLOCKED_SILENT:
        add(line, "nothing heard from the balancer for ");
        add_time(line, d->numbers[0]);
        break;
    default: UNREACHABLE();
    }
    return true;
}

/* ---- The rollout as a whole. ---- */

static void add_started(struct line *line, const struct rollout_decision *d,
                        const struct rollout_spec *spec)
{
    add(line, "update of %s to %s: %llu of ", spec->tier, version_or(d, "the newest version"),
        (unsigned long long)d->numbers[0]);
    add_count(line, d->numbers[3], "host");
    add(line, ", at most %llu at once, floor ", (unsigned long long)d->numbers[1]);
    add_share(line, d->numbers[2]);
}

static void add_ended(struct line *line, const struct rollout_decision *d, const char *how)
{
    add(line, "%s", how);
    if (d->code != ROLLOUT_SAY_DONE && d->text[0] != '\0')
        add(line, ": %s;", d->text);
    else
        add(line, ":");
    add(line, " %llu of ", (unsigned long long)d->numbers[0]);
    add_count(line, d->numbers[1], "host");
    add(line, " updated");
    if (d->numbers[2] != 0)
        add(line, ", %llu put back", (unsigned long long)d->numbers[2]);
    if (d->numbers[3] != 0)
        add(line, ", %llu quarantined", (unsigned long long)d->numbers[3]);
    add(line, "; lowest capacity ");
    add_share(line, d->numbers[4]);
    add(line, "; ");
    add_time(line, d->numbers[5]);
}

static void add_with_text(struct line *line, const char *what, const char *text)
{
    add(line, "%s", what);
    if (text[0] != '\0')
        add(line, ": %s", text);
}

static bool narrate_rollout(struct line *line, const struct rollout_decision *d,
                            const struct rollout_spec *spec)
{
    switch (d->code) {
    case ROLLOUT_SAY_STARTED: add_started(line, d, spec); break;
    case ROLLOUT_SAY_PAUSED: add_with_text(line, "paused by the operator", d->text); break;
    case ROLLOUT_SAY_PAUSED_STALLED:
        add(line, "paused: no host could be taken for ");
        add_time(line, d->numbers[0]);
        add(line, "; resume goes on as soon as one can be");
        break;
    case ROLLOUT_SAY_RESUMED: add_with_text(line, "resumed by the operator", d->text); break;
    case ROLLOUT_SAY_RESUMED_DRAINED: add(line, "the drain is over, the rollout goes on"); break;
    case ROLLOUT_SAY_ABORTING:
        add_with_text(line, "aborting, hosts in flight are brought to a safe end", d->text);
        break;
    case ROLLOUT_SAY_RESTARTED:
        add(line, "the controller is back after ");
        add_time(line, d->numbers[1]);
        add(line, ", ");
        add_count(line, d->numbers[0], "host");
        add(line, " in flight");
        break;
    case ROLLOUT_SAY_DONE: add_ended(line, d, "done"); break;
    case ROLLOUT_SAY_ABORTED: add_ended(line, d, "aborted"); break;
    case ROLLOUT_SAY_ENDED_FAILED: add_ended(line, d, "failed"); break;
    default: return false;
    }
    return true;
}

void rollout_narrate(const struct rollout_decision *decision, const struct rollout_spec *spec,
                     char *out, size_t size)
{
    ASSERT(size > 0);
    struct line line = {.out = out, .size = size};
    out[0] = '\0';
    if (narrate_rollout(&line, decision, spec) || narrate_refused(&line, decision, spec) ||
        narrate_blocked(&line, decision, spec))
        return;
    add(&line, "%s: ", host_name(spec, decision->host));
    if (!narrate_change(&line, decision) && !narrate_proof(&line, decision) &&
        !narrate_trouble(&line, decision))
        UNREACHABLE();
}

/* ---- Names. ---- */

const char *rollout_phase_name(enum rollout_phase phase)
{
    static const char *const names[ROLLOUT_PHASES] = {
        "new", "running", "paused", "verifying", "reverting", "done", "aborted", "failed",
    };
    ASSERT(phase < ROLLOUT_PHASES);
    return names[phase];
}

const char *rollout_host_phase_name(enum rollout_host_phase phase)
{
    static const char *const names[ROLLOUT_HOST_PHASES] = {
        "pending",   "checking",     "draining",  "installing",  "rebooting",
        "returning", "reading",      "settling",  "restoring",   "soaking",
        "verified",  "verified_old", "untouched", "quarantined",
    };
    ASSERT(phase < ROLLOUT_HOST_PHASES);
    return names[phase];
}

const char *rollout_action_name(enum rollout_action_kind kind)
{
    static const char *const names[ROLLOUT_ACTION_KINDS] = {
        "none",    "facts",    "set_weight", "close_long_lived",
        "install", "put_back", "reboot",     "wait_back",
    };
    ASSERT(kind < ROLLOUT_ACTION_KINDS);
    return names[kind];
}

const char *rollout_refusal_text(enum rollout_refusal refusal)
{
    switch (refusal) {
    case ROLLOUT_ACCEPTED: return "accepted";
    case ROLLOUT_REFUSED_ENDED: return "the rollout has ended";
    case ROLLOUT_REFUSED_NOT_PAUSED: return "the rollout is not paused";
    case ROLLOUT_REFUSED_PAUSED: return "the rollout is paused already";
    case ROLLOUT_REFUSED_STOPPING: return "the rollout is being brought to its end already";
    }
    UNREACHABLE();
}
