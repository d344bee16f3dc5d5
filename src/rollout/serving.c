#include "rollout/serving.h"

#include "base/check.h"
#include "rollout/back.h"
#include "rollout/guard.h"
#include "rollout/judge.h"
#include "rollout/ledger.h"
#include "rollout/life.h"
#include "rollout/orders.h"

#include <stdio.h>

/* A wait for good news has ended without: the host's fault, or did nobody hear anything? */
void serving_overdue(struct rollout *r, struct rollout_actions *out, uint32_t host,
                     const char *reason)
{
    if (!guard_informed(r))
        back_lose(r, out, host, "the balancer has said nothing about it for too long");
    else if (r->arrays.hosts[host].goal == ROLLOUT_GOAL_FORWARD)
        back_fail(r, out, host, reason);
    else
        back_quarantine(r, out, host, reason);
}

/* ---- RESTORING: traffic again, by slow start. ---- */

void serving_restore(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    if (r->spec->hosts[host].cordoned && row->goal != ROLLOUT_GOAL_LEAVE) {
        orders_say(r, out, ROLLOUT_SAY_LEFT_CORDONED, host, row->goal == ROLLOUT_GOAL_FORWARD, 0);
        life_end(r, host,
                 row->goal == ROLLOUT_GOAL_FORWARD ? ROLLOUT_HOST_VERIFIED_NEW
                                                   : ROLLOUT_HOST_VERIFIED_OLD);
        return;
    }
    if (r->spec->hosts[host].cordoned) { /* At weight 0 before we came. */
        row->weight_zero = false;
        life_give_back(r, out, host);
        return;
    }
    ledger_phase(r, host, ROLLOUT_HOST_RESTORING);
    orders_action(r, out, ROLLOUT_SET_WEIGHT, host, r->row.now_ms + r->spec->weight_timeout_ms);
}

void serving_restored(struct rollout *r, struct rollout_actions *out, uint32_t host,
                      const struct rollout_result *result)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    char reason[ROLLOUT_TEXT_MAX];
    if (result->code != ROLLOUT_OK) {
        orders_reason(reason, "its weight could not be restored", result->text);
        back_lose(r, out, host, reason);
        return;
    }
    row->weight_zero = false;
    row->acked_ms = r->row.now_ms;
    if (row->goal == ROLLOUT_GOAL_LEAVE) {
        life_give_back(r, out, host);
        return;
    }
    ledger_window_begin(r, host);
    if (row->drain_wanted) {
        row->deadline_ms = r->row.now_ms + r->spec->progress_deadline_ms;
        return;
    }
    row->deadline_ms = r->row.now_ms + r->spec->slow_start_ms + r->spec->healthy_deadline_ms;
    orders_say(r, out, ROLLOUT_SAY_RESTORED, host, r->row.now_ms - row->healthy_since_ms,
               r->spec->slow_start_ms);
}

/* It serves a version that failed on another host: drained as soon as the floor allows. */
static void drain_wanted_look(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    if (guard_drain_back(r, host) == ROLLOUT_SAY_NOTHING)
        life_drain(r, out, host);
    else if (r->row.now_ms >= r->arrays.hosts[host].deadline_ms)
        back_quarantine(r, out, host,
                        "it runs the rejected version, and the floor did not let it be drained");
}

/*
 * Sums for the judge. Hosts not yet updated are the comparison; where too few requests went there
 * (the last batch), verified hosts and the host's own earlier record join in.
 */
static struct rollout_counts compared(const struct rollout_host *row, bool *alone)
{
    struct rollout_counts others = row->compare;
    *alone = others.requests < JUDGE_COMPARE_MIN;
    if (*alone) {
        others.requests += row->peers.requests + row->before.requests;
        others.failures += row->peers.failures + row->before.failures;
    }
    return others;
}

static bool judged_bad(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    if (row->window.failures == row->failures_looked)
        return false;
    row->failures_looked = row->window.failures;
    row->looks++;
    ledger_dirty(r, host);
    bool alone;
    const struct rollout_counts others = compared(row, &alone);
    const double margin = (double)r->spec->error_ratio_max_ppm / ROLLOUT_PPM;
    const struct judge_verdict verdict = judge_host(&row->window, &others, margin, row->looks);
    if (!verdict.bad)
        return false;
    char reason[ROLLOUT_TEXT_MAX];
    const int size = snprintf(reason, sizeof reason, "%llu of its %llu requests failed, ",
                              (unsigned long long)row->window.failures,
                              (unsigned long long)row->window.requests);
    ASSERT(size > 0 && (size_t)size < sizeof reason);
    char *rest = reason + size;
    const size_t room = sizeof reason - (size_t)size;
    if (others.requests == 0)
        (void)snprintf(rest, room, "and there is nothing to compare them with");
    else
        (void)snprintf(rest, room, "where %s had %llu failures in %llu",
                       alone ? "verified hosts and its own record" : "hosts not yet updated",
                       (unsigned long long)others.failures, (unsigned long long)others.requests);
    back_fail(r, out, host, reason);
    return true;
}

/* Ill or judged bad while it serves: true when it is dealt with. */
static bool serving_failed(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    if (!r->arrays.links[host].seen)
        return false; /* After a restart: nothing is known yet. */
    ledger_compare(r, host);
    if (!r->arrays.links[host].healthy) {
        if (row->goal == ROLLOUT_GOAL_FORWARD)
            back_fail(r, out, host, "it fell ill under traffic");
        else
            back_quarantine(r, out, host, "it fell ill under traffic with the old version");
        return true;
    }
    return row->goal == ROLLOUT_GOAL_FORWARD && judged_bad(r, out, host);
}

void serving_look_restoring(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    if (row->open.id != 0)
        return;
    if (row->drain_wanted) {
        drain_wanted_look(r, out, host);
        return;
    }
    if (ledger_observed_since(r, host, row->acked_ms)) {
        if (serving_failed(r, out, host))
            return;
        if (r->arrays.links[host].weight_milli == r->spec->hosts[host].weight * ROLLOUT_MILLI) {
            if (row->goal == ROLLOUT_GOAL_BACK) {
                orders_text(orders_say(r, out, ROLLOUT_SAY_VERIFIED_OLD, host, 0, 0)->version,
                            ROLLOUT_VERSION_MAX, row->version_after);
                life_end(r, host, ROLLOUT_HOST_VERIFIED_OLD);
                return;
            }
            ledger_phase(r, host, ROLLOUT_HOST_SOAKING);
            row->deadline_ms = r->row.now_ms + r->spec->soak_ms + r->spec->healthy_deadline_ms;
            orders_say(r, out, ROLLOUT_SAY_SOAKING, host, r->spec->soak_ms, 0);
            ledger_ready(r, host); /* A soak of 0 is over. */
            return;
        }
    }
    if (r->row.now_ms >= row->deadline_ms)
        serving_overdue(r, out, host, "its weight did not become full in time");
}

/* ---- SOAKING: judged under real traffic. ---- */

static void verified(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    bool alone;
    const struct rollout_counts others = compared(row, &alone);
    const enum rollout_code code = row->window.requests == 0 ? ROLLOUT_SAY_VERIFIED_NO_DATA
                                   : alone                   ? ROLLOUT_SAY_VERIFIED_ALONE
                                                             : ROLLOUT_SAY_VERIFIED;
    struct rollout_decision *said =
        orders_say(r, out, code, host, row->window.requests, row->window.failures);
    said->numbers[2] = others.requests;
    said->numbers[3] = others.failures;
    orders_text(said->version, sizeof said->version, row->version_after);
    if (!row->was_ill)
        r->row.proven = true;
    life_end(r, host, ROLLOUT_HOST_VERIFIED_NEW);
}

void serving_look_soaking(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    const struct rollout_host *row = &r->arrays.hosts[host];
    if (row->drain_wanted) {
        drain_wanted_look(r, out, host);
        return;
    }
    if (serving_failed(r, out, host))
        return;
    if (r->arrays.links[host].seen_ms >= row->since_ms + r->spec->soak_ms)
        verified(r, out, host);
    else if (r->row.now_ms >= row->deadline_ms)
        serving_overdue(r, out, host, "its soak did not come to an end");
}
