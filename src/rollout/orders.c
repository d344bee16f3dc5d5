#include "rollout/orders.h"

#include "base/check.h"
#include "rollout/ledger.h"

#include <stdio.h>

bool orders_room(const struct rollout_actions *out)
{
    return out->count + ORDERS_ROOM_ACTIONS <= ROLLOUT_ACTIONS_MAX &&
           out->decision_count + ORDERS_ROOM_DECISIONS <= ROLLOUT_DECISIONS_MAX;
}

void orders_text(char *to, size_t size, const char *from)
{
    ASSERT(size > 0);
    size_t length = 0;
    for (; from != NULL && from[length] != '\0' && length + 1 < size; length++) {
        const unsigned char byte = (unsigned char)from[length];
        to[length] = byte < ' ' || byte == 0x7f ? ' ' : (char)byte;
    }
    while (length > 0 && to[length - 1] == ' ')
        length--;
    to[length] = '\0';
}

const char *orders_reason(char reason[ROLLOUT_TEXT_MAX], const char *what, const char *text)
{
    if (text == NULL || text[0] == '\0')
        (void)snprintf(reason, ROLLOUT_TEXT_MAX, "%s", what);
    else
        (void)snprintf(reason, ROLLOUT_TEXT_MAX, "%s: %s", what, text);
    return reason;
}

struct rollout_decision *orders_say(struct rollout *r, struct rollout_actions *out,
                                    enum rollout_code code, uint32_t host, uint64_t number_0,
                                    uint64_t number_1)
{
    ASSERT(out->decision_count < ROLLOUT_DECISIONS_MAX);
    ASSERT(host == ROLLOUT_NO_HOST || host < r->spec->host_count);
    struct rollout_decision *decision = &out->decisions[out->decision_count++];
    *decision = (struct rollout_decision){
        .number = r->row.next_decision++,
        .time_ms = r->row.now_ms,
        .code = code,
        .host = host,
        .numbers = {number_0, number_1},
    };
    return decision;
}

/* The action that a row's open action stands for; everything in it follows from the row. */
static void write_action(const struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    ASSERT(out->count < ROLLOUT_ACTIONS_MAX);
    const struct rollout_host *row = &r->arrays.hosts[host];
    struct rollout_action *action = &out->items[out->count++];
    *action = (struct rollout_action){
        .id = row->open.id,
        .kind = row->open.kind,
        .host = host,
        .again = row->open.sent > 1,
        .deadline_ms = row->open.deadline_ms,
    };
    switch (row->open.kind) {
    case ROLLOUT_SET_WEIGHT: action->restore = row->phase == ROLLOUT_HOST_RESTORING; break;
    case ROLLOUT_INSTALL:
        orders_text(action->version, sizeof action->version, row->version_wanted);
        break;
    case ROLLOUT_PUT_BACK:
        orders_text(action->version, sizeof action->version, row->version_before);
        action->undoes = row->install_id;
        break;
    case ROLLOUT_REBOOT:
    case ROLLOUT_WAIT_BACK:
        orders_text(action->boot_id, sizeof action->boot_id, row->boot_id_after);
        break;
    case ROLLOUT_FACTS:
    case ROLLOUT_CLOSE_LONG_LIVED: break;
    default: UNREACHABLE();
    }
}

void orders_action(struct rollout *r, struct rollout_actions *out, enum rollout_action_kind kind,
                   uint32_t host, uint64_t deadline_ms)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    ASSERT(row->open.id == 0 && ledger_in_flight(row->phase));
    ASSERT(deadline_ms > r->row.now_ms && deadline_ms != ROLLOUT_NEVER_MS);
    row->open = (struct rollout_open){
        .id = r->row.next_action_id++,
        .kind = kind,
        .sent = 1,
        .ordered_ms = r->row.now_ms,
        .deadline_ms = deadline_ms,
        .resend_ms = ROLLOUT_NEVER_MS,
    };
    if (kind == ROLLOUT_INSTALL)
        row->install_id = row->open.id;
    ledger_dirty(r, host);
    write_action(r, out, host);
}

void orders_again(struct rollout *r, struct rollout_actions *out, uint32_t host)
{
    struct rollout_host *row = &r->arrays.hosts[host];
    ASSERT(row->open.id != 0);
    row->open.sent++;
    row->open.resend_ms = ROLLOUT_NEVER_MS;
    ledger_dirty(r, host);
    write_action(r, out, host);
}
