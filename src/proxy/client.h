/*
 * client: a client's connection, from accept to close.
 *
 * Reads heads and makes requests of them, one at a time and in order: while a request is under way
 * nothing is read but its body, which is all the back pressure a pipelining client needs. Between
 * requests it idles; after the last one it flushes, lingers when unread bytes could turn our close
 * into a reset (RFC 9112 9.6), and closes.
 */
#pragma once

#include "os/socket.h"

#include <stdbool.h>

struct connection;
struct listener;
struct worker;

/* Takes the fd over. False: memory, or the loop refuses; the fd is then still the caller's. */
bool client_open(struct listener *, int fd, const struct socket_address *);

/* Goes on after an event, or when its turn has come again. */
void client_go(struct connection *);
/* Its request may have ended in somebody else's event: goes on with what it sent meanwhile. */
void client_next(struct connection *);

/* Its request is over and detached. `close`: it was the last one. Does not serve the next one. */
void client_after(struct connection *, bool close);
/* Answers a head that never became a request (400, 408, 431, ...) and ends the connection. */
void client_refuse(struct connection *, int status);
/* No whole head will come: refused like that if it had begun, else closed without a word. */
void client_give_up(struct connection *, int status);
/* Ends it at once. */
void client_close(struct connection *);
/* The same with a reset: the answer it got is not whole. */
void client_reset(struct connection *);
