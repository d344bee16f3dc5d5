/*
 * orders: what a step gives back: actions for the controller, decisions for the reader.
 *
 * A host has at most one open action; orders_action() gives it its id and books it in the row.
 */
#pragma once

#include "rollout/rollout.h"

/* Room that the work on one host needs at most. */
enum { ORDERS_ROOM_ACTIONS = 2, ORDERS_ROOM_DECISIONS = 6 };

bool orders_room(const struct rollout_actions *);

/* Copies, cuts at size, and turns control characters into spaces. NULL is "". */
void orders_text(char *to, size_t size, const char *from);

/* "what: text", or "what" where a driver said nothing. Returns `reason`. */
const char *orders_reason(char reason[ROLLOUT_TEXT_MAX], const char *what, const char *text);

/* One decision about a host (or ROLLOUT_NO_HOST); the pointer is for further arguments. */
struct rollout_decision *orders_say(struct rollout *, struct rollout_actions *, enum rollout_code,
                                    uint32_t host, uint64_t number_0, uint64_t number_1);

/* Orders an action on a host; its arguments follow from the row, which is booked and dirty. */
void orders_action(struct rollout *, struct rollout_actions *, enum rollout_action_kind,
                   uint32_t host, uint64_t deadline_ms);

/* Orders the host's open action again, under its id. */
void orders_again(struct rollout *, struct rollout_actions *, uint32_t host);
