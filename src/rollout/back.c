#include "rollout/back.h"

#include "base/check.h"
#include "rollout/ledger.h"
#include "rollout/life.h"
#include "rollout/orders.h"

void back_look_at_all(struct rollout *r)
{
    for (uint32_t host = r->in_flight_first; host != ROLLOUT_NO_HOST;
         host = r->arrays.links[host].next)
        ledger_ready(r, host);
}

/* The first reason stands in the rollout's row. */
static void set_reason(struct rollout *r, uint32_t host, const char *reason)
{
    orders_reason(r->row.reason, r->spec->hosts[host].name, reason);
}

/* True when the failed host is to be kept as it is, the rollout having paused. */
static bool stop_or_pause(struct rollout *r, uint32_t host, const char *reason)
{
    if (r->row.stop == ROLLOUT_STOP_NONE && r->spec->on_failure == ROLLOUT_ON_FAILURE_PAUSE) {
        if (r->row.pause != ROLLOUT_PAUSE_OPERATOR)
            r->row.pause = ROLLOUT_PAUSE_FAILURE;
        set_reason(r, host, reason);
        back_look_at_all(r);
        return true;
    }
    if (r->row.stop != ROLLOUT_STOP_FAILED) {
        r->row.stop = ROLLOUT_STOP_FAILED;
        r->row.pause = ROLLOUT_PAUSE_NONE;
        set_reason(r, host, reason);
        back_look_at_all(r);
    }
    return false;
}

static void say_reason(struct rollout *r, struct rollout_actions *out, enum rollout_code code,
                       uint32_t host, const char *reason)
{
    struct rollout_decision *decision = orders_say(r, out, code, host, 0, 0);
    orders_text(decision->text, sizeof decision->text, reason);
}

/* It was down before we came, and has not served since: no evidence against the version. */
static bool proves_nothing(const struct rollout_host *row)
{
    return row->was_ill && row->phase <= ROLLOUT_HOST_SETTLING;
}

void back_quarantine(struct rollout *r, struct rollout_actions *out, uint32_t host,
                     const char *reason)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    say_reason(r, out, ROLLOUT_SAY_QUARANTINED, host, reason);
    out->decisions[out->decision_count - 1].numbers[0] = row->weight_zero;
    if (row->reason[0] == '\0')
        orders_text(row->reason, sizeof row->reason, reason);
    life_end(r, host, ROLLOUT_HOST_QUARANTINED);
}

void back_stop(struct rollout *r, struct rollout_actions *out, uint32_t host, const char *reason)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    orders_text(row->reason, sizeof row->reason, reason);
    say_reason(r, out, ROLLOUT_SAY_FAILED, host, reason);
    out->decisions[out->decision_count - 1].numbers[0] = stop_or_pause(r, host, reason);
    ledger_dirty(r, host);
}

void back_lose(struct rollout *r, struct rollout_actions *out, uint32_t host, const char *reason)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    orders_text(row->reason, sizeof row->reason, reason);
    const bool stops = !proves_nothing(row);
    if (stops)
        (void)stop_or_pause(r, host, reason);
    back_quarantine(r, out, host, reason);
    out->decisions[out->decision_count - 1].numbers[1] = stops;
}

void back_fail(struct rollout *r, struct rollout_actions *out, uint32_t host, const char *reason)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    ASSERT(row->goal == ROLLOUT_GOAL_FORWARD && row->open.id == 0);
    orders_text(row->reason, sizeof row->reason, reason);
    if (proves_nothing(row)) {
        back_quarantine(r, out, host, reason);
        return;
    }
    say_reason(r, out, ROLLOUT_SAY_FAILED, host, reason);
    const bool keep = stop_or_pause(r, host, reason);
    out->decisions[out->decision_count - 1].numbers[0] = keep;
    row->goal = keep ? ROLLOUT_GOAL_KEEP : ROLLOUT_GOAL_BACK;
    ledger_dirty(r, host);
    if (!row->weight_zero)
        life_drain(r, out, host); /* What it serves is worth nothing: no floor stands in the way. */
    else if (keep)
        back_quarantine(r, out, host, reason);
    else
        life_read(r, out, host);
}

void back_turn(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    if (row->goal != ROLLOUT_GOAL_FORWARD)
        return;
    const bool failed = r->row.stop == ROLLOUT_STOP_FAILED;
    const bool leaving = r->row.stop != ROLLOUT_STOP_NONE ||
                         r->row.pause == ROLLOUT_PAUSE_OPERATOR ||
                         r->row.pause == ROLLOUT_PAUSE_FAILURE;
    switch (row->phase) {
    case ROLLOUT_HOST_CHECKING:
        if (leaving || r->row.pause != ROLLOUT_PAUSE_NONE) {
            row->open = (struct rollout_open){0}; /* Reading facts does no harm: not waited for. */
            life_give_back(r, out, host);
        }
        break;
    case ROLLOUT_HOST_DRAINING:
        if (leaving)
            row->goal = ROLLOUT_GOAL_LEAVE;
        break;
    case ROLLOUT_HOST_INSTALLING:
    case ROLLOUT_HOST_REBOOTING:
    case ROLLOUT_HOST_RETURNING:
    case ROLLOUT_HOST_READING:
        if (failed)
            row->goal = ROLLOUT_GOAL_BACK; /* When the open action has ended. */
        break;
    case ROLLOUT_HOST_SETTLING:
        if (failed) {
            row->goal = ROLLOUT_GOAL_BACK;
            life_read(r, out, host);
        }
        break;
    case ROLLOUT_HOST_RESTORING:
    case ROLLOUT_HOST_SOAKING:
        if (failed) {
            row->goal = ROLLOUT_GOAL_BACK;
            row->drain_wanted = true;
            row->deadline_ms = r->row.now_ms + r->spec->progress_deadline_ms;
        }
        break;
    default: UNREACHABLE();
    }
    if (row->goal != ROLLOUT_GOAL_FORWARD)
        ledger_dirty(r, host);
}
