/*
 * commands: every subcommand's entry. The table, in the order of the help, is in commands.c.
 */
#pragma once

#include "main/cmd.h"

/* Ends with a NULL name. */
extern const struct cmd_type commands[];

int cmd_serve(const struct cmd *);
int cmd_balancer(const struct cmd *);
int cmd_controller(const struct cmd *);
int cmd_check(const struct cmd *);
int cmd_plan(const struct cmd *);
int cmd_update(const struct cmd *);
int cmd_status(const struct cmd *);
int cmd_log(const struct cmd *);
int cmd_pause(const struct cmd *);
int cmd_resume(const struct cmd *);
int cmd_abort(const struct cmd *);
int cmd_drain(const struct cmd *);
int cmd_restore(const struct cmd *);
int cmd_completion(const struct cmd *);
int cmd_complete(const struct cmd *);
int cmd_child_balancer(const struct cmd *);
int cmd_child_controller(const struct cmd *);
