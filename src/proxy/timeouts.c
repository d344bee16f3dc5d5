#include "proxy/timeouts.h"

#include "base/check.h"

#include <string.h>

void timeouts_init(struct timeouts *wheel, uint64_t now_ns)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = now_ns / TIMEOUTS_TICK_NS;
    for (uint32_t i = 0; i < TIMEOUTS_SLOTS; i++)
        list_init(&wheel->slots[i]);
}

void timeouts_insert(struct timeouts *wheel, struct timeout *timeout, uint64_t tick)
{
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick >= wheel->tick + TIMEOUTS_SLOTS)
        tick = wheel->tick + TIMEOUTS_SLOTS - 1;
    const uint32_t slot = (uint32_t)(tick % TIMEOUTS_SLOTS);
    timeout->tick = tick;
    list_push_back(&wheel->slots[slot], &timeout->link);
    wheel->used[slot / 64] |= (uint64_t)1 << (slot % 64);
}

void timeouts_remove(struct timeout *timeout)
{
    /* The slot's bit may stay set without nodes: the sweep clears it. */
    if (list_linked(&timeout->link))
        list_remove(&timeout->link);
}

static void sweep_slot(struct timeouts *wheel, uint32_t slot, timeouts_look *look, void *context)
{
    const uint64_t bit = (uint64_t)1 << (slot % 64);
    if ((wheel->used[slot / 64] & bit) == 0)
        return;
    wheel->used[slot / 64] &= ~bit;
    /* What look() watches again lands in a later slot: a node is due at the earliest one tick from
     * now, at the latest one short of a whole turn. */
    struct list *node;
    while ((node = list_pop_front(&wheel->slots[slot])) != NULL)
        look(CONTAINER_OF(node, struct timeout, link), context);
}

void timeouts_sweep(struct timeouts *wheel, uint64_t now_ns, timeouts_look *look, void *context)
{
    const uint64_t now = now_ns / TIMEOUTS_TICK_NS;
    uint32_t swept = 0;
    while (wheel->tick < now && swept++ < TIMEOUTS_SLOTS) {
        wheel->tick++;
        sweep_slot(wheel, (uint32_t)(wheel->tick % TIMEOUTS_SLOTS), look, context);
    }
    if (wheel->tick < now) /* The thread slept for more than a turn: every slot was looked at. */
        wheel->tick = now;
}

int timeouts_wait_ms(const struct timeouts *wheel, uint64_t now_ns)
{
    for (uint32_t ahead = 1; ahead < TIMEOUTS_SLOTS;) {
        const uint32_t slot = (uint32_t)((wheel->tick + ahead) % TIMEOUTS_SLOTS);
        const uint64_t word = wheel->used[slot / 64] >> (slot % 64);
        if (word == 0) {
            ahead += 64 - slot % 64;
            continue;
        }
        ahead += (uint32_t)__builtin_ctzll(word);
        const uint64_t due_ns = (wheel->tick + ahead) * TIMEOUTS_TICK_NS;
        return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / 1000000 + 1);
    }
    return -1;
}
