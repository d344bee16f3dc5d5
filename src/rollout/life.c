#include "rollout/life.h"

#include "base/check.h"
#include "rollout/back.h"
#include "rollout/guard.h"
#include "rollout/ledger.h"
#include "rollout/orders.h"
#include "rollout/serving.h"

#include <stdio.h>
#include <string.h>

enum {
    RESEND_FIRST_MS = 1000,
    RESEND_MAX_MS = 10000,
    /* How much longer than its deadline we wait for the report of an action. */
    REPORT_GRACE_MS = 5000,
};

static const char *within(char *reason, const char *what, uint32_t limit_ms)
{
    (void)snprintf(reason, ROLLOUT_TEXT_MAX, "%s within %u s", what, (limit_ms + 999) / 1000);
    return reason;
}

static uint32_t ppm_without(const struct rollout *r, uint64_t going_milli)
{
    ASSERT(going_milli <= r->serving_milli && r->weight_total_milli > 0);
    return (uint32_t)((r->serving_milli - going_milli) * ROLLOUT_PPM / r->weight_total_milli);
}

void life_end(struct rollout *r, uint32_t host, enum rollout_host_phase phase)
{
    ASSERT(phase >= ROLLOUT_HOST_VERIFIED_NEW && phase < ROLLOUT_HOST_PHASES);
    struct rollout_host *row = &r->arrays.hosts[host];
    ledger_phase(r, host, phase);
    row->ended_ms = r->row.now_ms;
    row->drain_wanted = false;
}

void life_give_back(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    const bool drained = row->phase != ROLLOUT_HOST_CHECKING;
    orders_say(r, out, ROLLOUT_SAY_GIVEN_BACK, host, !drained, 0);
    row->goal = ROLLOUT_GOAL_FORWARD;
    if (drained)
        ledger_given_back(r, host);
    if (r->row.stop != ROLLOUT_STOP_NONE)
        life_end(r, host, ROLLOUT_HOST_UNTOUCHED);
    else
        ledger_phase(r, host, ROLLOUT_HOST_PENDING);
}

/* ---- CHECKING: what runs there, and what is to be done? ---- */

void life_take(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    const struct rollout_link *link = &r->arrays.links[host];
    *row = (struct rollout_host){
        .phase = row->phase,
        .batch = r->row.batch,
        .was_ill = link->weight_milli == 0,
        .ill_said = row->ill_said,
        .taken_ms = r->row.now_ms,
        .acked_ms = row->acked_ms,
        .deadline_ms = ROLLOUT_NEVER_MS,
        .before = link->record,
    };
    if (row->was_ill)
        orders_say(r, out, ROLLOUT_SAY_TAKEN_ILL, host, r->spec->hosts[host].cordoned, 0);
    ledger_phase(r, host, ROLLOUT_HOST_CHECKING);
    orders_action(r, out, ROLLOUT_FACTS, host, r->row.now_ms + r->spec->facts_timeout_ms);
}

/* Fills the row's plan from the facts: install, reboot, both, or nothing. */
static bool plan_host(const struct rollout_spec *spec, struct rollout_host *row,
                      const struct rollout_facts *facts)
{
    const bool named = spec->to_version != NULL && spec->to_version[0] != '\0';
    orders_text(row->version_before, sizeof row->version_before, facts->version);
    orders_text(row->version_after, sizeof row->version_after, facts->version);
    if (spec->install)
        orders_text(row->version_wanted, sizeof row->version_wanted,
                    named ? spec->to_version : facts->candidate);
    orders_text(row->boot_id_before, sizeof row->boot_id_before, facts->boot_id);
    orders_text(row->boot_id_after, sizeof row->boot_id_after, facts->boot_id);
    orders_text(row->kernel, sizeof row->kernel, facts->kernel);
    bool there =
        row->version_wanted[0] != '\0' && strcmp(row->version_before, row->version_wanted) == 0;
    if (facts->checked)
        there = facts->current;
    row->install_due = spec->install && !there;
    row->reboot_due = spec->reboot != ROLLOUT_REBOOT_NEVER && facts->reboot_required;
    if (!spec->install)
        row->reboot_due = !(facts->checked && facts->current);
    return row->install_due || row->reboot_due;
}

static void checking_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                          const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    if (result->code != ROLLOUT_OK) {
        orders_reason(reason, "its versions cannot be read", result->text);
        if (row->was_ill) {
            back_quarantine(r, out, host, reason);
            return;
        }
        back_stop(r, out, host, reason);
        life_end(r, host, ROLLOUT_HOST_UNTOUCHED);
        return;
    }
    ledger_dirty(r, host);
    if (!plan_host(r->spec, row, &result->facts)) {
        if (row->was_ill && !r->spec->hosts[host].cordoned) {
            back_quarantine(r, out, host, "it has the wanted version, but is down");
            return;
        }
        orders_text(orders_say(r, out, ROLLOUT_SAY_CURRENT, host, 0, 0)->version,
                    ROLLOUT_VERSION_MAX, row->version_before);
        life_end(r, host, ROLLOUT_HOST_VERIFIED_NEW);
        return;
    }
    if (guard_drain(r, host) != ROLLOUT_SAY_NOTHING) {
        life_give_back(r, out, host);
        return;
    }
    row->was_ill = r->arrays.links[host].weight_milli == 0; /* It may have recovered meanwhile. */
    life_drain(r, out, host);
}

/* ---- DRAINING: weight 0, until the balancer says that nothing is in flight. ---- */

void life_drain(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    struct rollout_link *link = &r->arrays.links[host];
    ASSERT(row->goal != ROLLOUT_GOAL_LEAVE);
    row->weight_zero = true;
    row->drain_wanted = false;
    row->long_lived = false;
    row->drained_ms = 0;
    ledger_weight_zero(r, host);
    link->drained = false;
    ledger_phase(r, host, ROLLOUT_HOST_DRAINING);
    struct rollout_decision *said =
        orders_say(r, out, ROLLOUT_SAY_DRAINING, host, link->in_flight, ppm_without(r, 0));
    orders_text(said->version, sizeof said->version, row->version_after);
    orders_action(r, out, ROLLOUT_SET_WEIGHT, host, r->row.now_ms + r->spec->weight_timeout_ms);
}

static void draining_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                          enum rollout_action_kind kind, const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    row->deadline_ms = r->row.now_ms + r->spec->drain_timeout_ms;
    if (kind == ROLLOUT_CLOSE_LONG_LIVED)
        return; /* Done or not: what is still open at the deadline decides. */
    if (result->code == ROLLOUT_OK) {
        row->acked_ms = r->row.now_ms;
        r->arrays.links[host].drained = false;
        if (row->goal == ROLLOUT_GOAL_KEEP)
            back_quarantine(r, out, host, row->reason);
        return;
    }
    orders_reason(reason, "the balancer did not take its weight away", result->text);
    if (row->goal == ROLLOUT_GOAL_BACK || row->goal == ROLLOUT_GOAL_KEEP) {
        back_quarantine(r, out, host, reason);
        return;
    }
    if (row->goal == ROLLOUT_GOAL_FORWARD)
        back_stop(r, out, host, reason);
    row->goal = ROLLOUT_GOAL_LEAVE; /* It may have been done after all: restored all the same. */
}

/* `long_lived: wait`: the rollout pauses, and goes on by itself when the host is drained. */
static void drain_waits(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    const uint64_t in_flight = r->arrays.links[host].in_flight;
    const bool silent = !guard_informed(r);
    orders_say(r, out, ROLLOUT_SAY_DRAIN_WAITS, host, in_flight, r->row.now_ms - row->since_ms)
        ->numbers[2] = silent;
    row->deadline_ms = ROLLOUT_NEVER_MS;
    ledger_drain_late(r, host, true);
    if (r->row.pause != ROLLOUT_PAUSE_NONE || r->row.stop != ROLLOUT_STOP_NONE)
        return;
    r->row.pause = ROLLOUT_PAUSE_DRAIN;
    (void)snprintf(r->row.reason, sizeof r->row.reason, "%s %s", r->spec->hosts[host].name,
                   silent ? "is not known to be drained, the balancer is silent"
                          : "still has requests or connections in flight");
    back_look_at_all(r);
}

static void drain_late(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    const uint64_t in_flight = r->arrays.links[host].in_flight;
    const bool back = row->goal == ROLLOUT_GOAL_BACK;
    if (!row->long_lived && (back || r->spec->long_lived == ROLLOUT_LONG_LIVED_CLOSE)) {
        row->long_lived = true;
        row->deadline_ms = ROLLOUT_NEVER_MS;
        orders_say(r, out, ROLLOUT_SAY_DRAIN_CLOSES, host, in_flight,
                   r->row.now_ms - row->since_ms);
        orders_action(r, out, ROLLOUT_CLOSE_LONG_LIVED, host,
                      r->row.now_ms + r->spec->weight_timeout_ms);
    } else if (back) {
        orders_say(r, out, ROLLOUT_SAY_DRAIN_CUT, host, in_flight, r->row.now_ms - row->since_ms);
        life_read(r, out, host);
    } else {
        drain_waits(r, out, host);
    }
}

static void reboot(struct rollout *r, struct rollout_actions *out, uint32_t host);

static void draining_look(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    if (row->open.id != 0)
        return;
    if (row->goal == ROLLOUT_GOAL_LEAVE) {
        serving_restore(r, out, host);
        return;
    }
    if (!r->arrays.links[host].drained || !ledger_observed_since(r, host, row->acked_ms)) {
        if (r->row.now_ms >= row->deadline_ms)
            drain_late(r, out, host);
        return;
    }
    const uint64_t took_ms = r->row.now_ms - row->since_ms;
    row->drained_ms = r->row.now_ms;
    if (row->goal == ROLLOUT_GOAL_BACK) {
        life_read(r, out, host);
    } else if (row->install_due) {
        orders_text(orders_say(r, out, ROLLOUT_SAY_INSTALLING, host, took_ms, 0)->version,
                    ROLLOUT_VERSION_MAX, row->version_wanted);
        ledger_phase(r, host, ROLLOUT_HOST_INSTALLING);
        row->install_begun = true;
        orders_action(r, out, ROLLOUT_INSTALL, host, r->row.now_ms + r->spec->install_timeout_ms);
    } else {
        orders_say(r, out, ROLLOUT_SAY_REBOOT_ONLY, host, took_ms, 0);
        reboot(r, out, host);
    }
}

/* ---- INSTALLING: the new version, or the old one again. ---- */

static void install_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                         const struct rollout_result *result, uint64_t took_ms)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    if (row->goal == ROLLOUT_GOAL_BACK) { /* The rollout stopped meanwhile. */
        life_read(r, out, host);
        return;
    }
    if (result->code != ROLLOUT_OK) {
        back_fail(r, out, host, orders_reason(reason, "the installation failed", result->text));
        return;
    }
    orders_text(row->version_after, sizeof row->version_after, result->facts.version);
    row->reboot_due = r->spec->reboot == ROLLOUT_REBOOT_ALWAYS ||
                      (r->spec->reboot == ROLLOUT_REBOOT_WHEN_REQUIRED &&
                       (result->facts.reboot_required || row->reboot_due));
    struct rollout_decision *said =
        orders_say(r, out, ROLLOUT_SAY_INSTALLED, host, took_ms, row->reboot_due);
    orders_text(said->version, sizeof said->version, row->version_after);
    if (row->reboot_due)
        reboot(r, out, host);
    else
        life_read(r, out, host);
}

static void put_back_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                          const struct rollout_result *result, uint64_t took_ms)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    if (result->code != ROLLOUT_OK) {
        orders_reason(reason, "the old version could not be put back", result->text);
        back_quarantine(r, out, host, reason);
        return;
    }
    row->put_back = true;
    /* What the new version started at boot must go, too. */
    row->reboot_due =
        r->spec->reboot != ROLLOUT_REBOOT_NEVER && (result->facts.reboot_required || row->rebooted);
    struct rollout_decision *said =
        orders_say(r, out, ROLLOUT_SAY_PUT_BACK, host, took_ms, row->reboot_due);
    orders_text(said->version, sizeof said->version, row->version_before);
    if (row->reboot_due)
        reboot(r, out, host);
    else
        life_read(r, out, host);
}

static void installing_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                            enum rollout_action_kind kind, const struct rollout_result *result)
{
    const uint64_t took_ms = r->row.now_ms - r->arrays.hosts[host].since_ms;
    if (kind == ROLLOUT_PUT_BACK)
        put_back_done(r, out, host, result, took_ms);
    else
        install_done(r, out, host, result, took_ms);
}

/* ---- REBOOTING, RETURNING: the order, and the proof by a new boot_id. ---- */

static void reboot(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    ledger_phase(r, host, ROLLOUT_HOST_REBOOTING);
    row->reboot_due = false;
    row->rebooted_ms = r->row.now_ms;
    if (row->goal == ROLLOUT_GOAL_FORWARD)
        row->rebooted = true;
    orders_action(r, out, ROLLOUT_REBOOT, host, r->row.now_ms + r->spec->reboot_deadline_ms);
}

/* A reboot that failed while the host can still be talked to. */
static void reboot_failed(struct rollout *r, struct rollout_actions *out, uint32_t host,
                          const char *reason)
{
    if (r->arrays.hosts[host].goal == ROLLOUT_GOAL_FORWARD)
        back_fail(r, out, host, reason);
    else
        back_quarantine(r, out, host, reason);
}

static void never_back(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    char reason[ROLLOUT_TEXT_MAX];
    within(reason, "it did not come back from its reboot", r->spec->reboot_deadline_ms);
    if (r->arrays.hosts[host].goal == ROLLOUT_GOAL_FORWARD)
        back_lose(r, out, host, reason);
    else
        back_quarantine(r, out, host, reason);
}

static void rebooting_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                           enum rollout_action_kind kind, const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    ASSERT(kind == ROLLOUT_REBOOT);
    const uint64_t deadline_ms = row->rebooted_ms + r->spec->reboot_deadline_ms;
    if (result->code == ROLLOUT_TIMEOUT || deadline_ms <= r->row.now_ms) {
        never_back(r, out, host);
    } else if (result->code != ROLLOUT_OK) {
        reboot_failed(r, out, host,
                      orders_reason(reason, "it could not be rebooted", result->text));
    } else {
        ledger_phase(r, host, ROLLOUT_HOST_RETURNING);
        orders_action(r, out, ROLLOUT_WAIT_BACK, host, deadline_ms);
    }
}

static void returning_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                           enum rollout_action_kind kind, const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    ASSERT(kind == ROLLOUT_WAIT_BACK);
    if (result->code == ROLLOUT_TIMEOUT) {
        never_back(r, out, host);
        return;
    }
    if (result->code != ROLLOUT_OK) {
        orders_reason(reason, "it did not come back as it should", result->text);
        reboot_failed(r, out, host, reason);
        return;
    }
    if (result->facts.boot_id[0] == '\0' ||
        strcmp(result->facts.boot_id, row->boot_id_after) == 0) {
        reboot_failed(r, out, host, "it answers with the old boot_id: it did not reboot");
        return;
    }
    orders_text(row->boot_id_after, sizeof row->boot_id_after, result->facts.boot_id);
    orders_say(r, out, ROLLOUT_SAY_BACK, host, r->row.now_ms - row->rebooted_ms, 0);
    life_read(r, out, host);
}

/* ---- READING: the version that is there now decides, not what was ordered. ---- */

void life_read(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    ledger_phase(r, host, ROLLOUT_HOST_READING);
    orders_action(r, out, ROLLOUT_FACTS, host, r->row.now_ms + r->spec->facts_timeout_ms);
}

static void settle(struct rollout *r, uint32_t host)
{
    ledger_phase(r, host, ROLLOUT_HOST_SETTLING);
    r->arrays.hosts[host].healthy_since_ms = 0;
    r->arrays.hosts[host].deadline_ms = r->row.now_ms + r->spec->healthy_deadline_ms;
}

static void read_forward(struct rollout *r, struct rollout_actions *out, uint32_t host,
                         const struct rollout_facts *facts)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    if (row->version_wanted[0] != '\0' && strcmp(row->version_after, row->version_wanted) != 0) {
        (void)snprintf(reason, sizeof reason, "it reads version %.50s, not %.50s",
                       row->version_after[0] != '\0' ? row->version_after : "(none)",
                       row->version_wanted);
        back_fail(r, out, host, reason);
        return;
    }
    if (row->install_begun && facts->checked && !facts->current) {
        back_fail(r, out, host, "its check says that what was to be installed is not there");
        return;
    }
    orders_text(orders_say(r, out, ROLLOUT_SAY_READ_BACK, host, 0, 0)->version, ROLLOUT_VERSION_MAX,
                row->version_after);
    settle(r, host);
}

static void read_back(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    const bool old = row->version_before[0] == '\0'
                         ? row->put_back || !row->install_begun
                         : strcmp(row->version_after, row->version_before) == 0;
    if (old) {
        orders_text(orders_say(r, out, ROLLOUT_SAY_READ_BACK, host, 1, 0)->version,
                    ROLLOUT_VERSION_MAX, row->version_after);
        settle(r, host);
        return;
    }
    if (row->put_back) {
        (void)snprintf(reason, sizeof reason, "it reads version %.50s although %.50s was put back",
                       row->version_after, row->version_before);
        back_quarantine(r, out, host, reason);
        return;
    }
    orders_text(orders_say(r, out, ROLLOUT_SAY_PUTTING_BACK, host, 0, 0)->version,
                ROLLOUT_VERSION_MAX, row->version_before);
    ledger_phase(r, host, ROLLOUT_HOST_INSTALLING);
    orders_action(r, out, ROLLOUT_PUT_BACK, host, r->row.now_ms + r->spec->install_timeout_ms);
}

static void reading_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                         enum rollout_action_kind kind, const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    ASSERT(kind == ROLLOUT_FACTS);
    if (result->code != ROLLOUT_OK) {
        orders_reason(reason, "what runs there now cannot be read", result->text);
        if (row->goal == ROLLOUT_GOAL_FORWARD)
            back_lose(r, out, host, reason);
        else
            back_quarantine(r, out, host, reason);
        return;
    }
    orders_text(row->version_after, sizeof row->version_after, result->facts.version);
    orders_text(row->boot_id_after, sizeof row->boot_id_after, result->facts.boot_id);
    orders_text(row->kernel, sizeof row->kernel, result->facts.kernel);
    if (row->goal == ROLLOUT_GOAL_FORWARD)
        read_forward(r, out, host, &result->facts);
    else
        read_back(r, out, host);
}

/* ---- SETTLING: healthy for min_ready, at weight 0. ---- */

static void settling_look(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    const struct rollout_link *link = &r->arrays.links[host];
    char reason[ROLLOUT_TEXT_MAX];
    if (ledger_observed_since(r, host, row->since_ms)) {
        const uint64_t before_ms = row->healthy_since_ms;
        if (!link->healthy)
            row->healthy_since_ms = 0;
        else if (row->healthy_since_ms == 0)
            row->healthy_since_ms = link->seen_ms;
        if (row->healthy_since_ms != before_ms)
            ledger_dirty(r, host);
        if (link->healthy && link->seen_ms - row->healthy_since_ms >= r->spec->min_ready_ms) {
            serving_restore(r, out, host);
            return;
        }
    }
    if (r->row.now_ms >= row->deadline_ms) {
        within(reason, "it did not become healthy", r->spec->healthy_deadline_ms);
        serving_overdue(r, out, host, reason);
    }
}

/* ---- The walk. ---- */

static void done(struct rollout *r, struct rollout_actions *out, uint32_t host,
                 enum rollout_action_kind kind, const struct rollout_result *result)
{
    switch (r->arrays.hosts[host].phase) {
    case ROLLOUT_HOST_CHECKING: checking_done(r, out, host, result); break;
    case ROLLOUT_HOST_DRAINING: draining_done(r, out, host, kind, result); break;
    case ROLLOUT_HOST_INSTALLING: installing_done(r, out, host, kind, result); break;
    case ROLLOUT_HOST_REBOOTING: rebooting_done(r, out, host, kind, result); break;
    case ROLLOUT_HOST_RETURNING: returning_done(r, out, host, kind, result); break;
    case ROLLOUT_HOST_READING: reading_done(r, out, host, kind, result); break;
    case ROLLOUT_HOST_RESTORING: serving_restored(r, out, host, result); break;
    default: UNREACHABLE(); /* The other phases have no actions. */
    }
}

static uint64_t resend_after_ms(uint32_t sent)
{
    const uint32_t doublings = sent < 8 ? sent - 1 : 7;
    const uint64_t delay_ms = (uint64_t)RESEND_FIRST_MS << doublings;
    return delay_ms < RESEND_MAX_MS ? delay_ms : RESEND_MAX_MS;
}

static void set_timer(struct rollout *r, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    uint64_t at_ms = ROLLOUT_NEVER_MS;
    if (ledger_in_flight(row->phase)) {
        at_ms = row->deadline_ms;
        if (row->open.id != 0) {
            const uint64_t report_ms = row->open.deadline_ms + REPORT_GRACE_MS;
            at_ms = report_ms < row->open.resend_ms ? report_ms : row->open.resend_ms;
        }
    }
    ledger_timer(r, host, at_ms);
}

void life_done(struct rollout *r, struct rollout_actions *out, uint32_t host,
               const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    ASSERT(row->open.id != 0);
    struct rollout_result ended = *result;
    if (result->code == ROLLOUT_UNREACHABLE) {
        const uint64_t again_ms = r->row.now_ms + resend_after_ms(row->open.sent);
        if (again_ms < row->open.deadline_ms) {
            if (row->open.sent == 1) {
                struct rollout_decision *said =
                    orders_say(r, out, ROLLOUT_SAY_SENT_AGAIN, host, row->open.kind, 0);
                orders_text(said->text, sizeof said->text, result->text);
            }
            row->open.resend_ms = again_ms;
            ledger_dirty(r, host);
            set_timer(r, host);
            return;
        }
        ended.code = ROLLOUT_TIMEOUT;
    }
    const enum rollout_action_kind kind = row->open.kind;
    row->open = (struct rollout_open){0};
    ledger_dirty(r, host);
    done(r, out, host, kind, &ended);
    set_timer(r, host);
    ledger_ready(r, host);
}

/* A host that is nobody's business at the moment, but fell ill: said once. */
static void bystander_look(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    if (!ledger_ill(r, host) || r->arrays.links[host].ill_known || row->ill_said ||
        row->phase == ROLLOUT_HOST_QUARANTINED)
        return;
    row->ill_said = true;
    ledger_dirty(r, host);
    orders_say(r, out, ROLLOUT_SAY_ILL, host, 0, 0);
}

void life_look(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    if (!ledger_in_flight(row->phase)) {
        bystander_look(r, out, host);
        return;
    }
    back_turn(r, out, host);
    if (row->open.id != 0 && r->row.now_ms >= row->open.resend_ms) {
        orders_again(r, out, host);
    } else if (row->open.id != 0 && r->row.now_ms >= row->open.deadline_ms + REPORT_GRACE_MS) {
        life_done(r, out, host,
                  &(struct rollout_result){.code = ROLLOUT_TIMEOUT, .text = "no answer in time"});
        return;
    }
    switch (row->phase) {
    case ROLLOUT_HOST_DRAINING: draining_look(r, out, host); break;
    case ROLLOUT_HOST_SETTLING: settling_look(r, out, host); break;
    case ROLLOUT_HOST_RESTORING: serving_look_restoring(r, out, host); break;
    case ROLLOUT_HOST_SOAKING: serving_look_soaking(r, out, host); break;
    default: break; /* The other phases wait for their action alone. */
    }
    set_timer(r, host);
}
