/*
 * commands: the table of subcommands, in the order of the help.
 */
#pragma once

#include "main/cmd.h"

int cmd_serve(const struct cmd *);
int cmd_balancer(const struct cmd *);
int cmd_controller(const struct cmd *);
int cmd_child_balancer(const struct cmd *);
int cmd_child_controller(const struct cmd *);

/* clang-format off */
#define COMMANDS                                                                                    \
    {.name = "serve", .operands = "", .run = cmd_serve,                                             \
     .help = "balancer and controller on this machine"},                                            \
    {.name = "balancer", .operands = "", .run = cmd_balancer, .help = "the balancer alone"},        \
    {.name = "controller", .operands = "", .run = cmd_controller, .help = "the controller alone"},  \
    {.name = "child-balancer", .operands = "FDS", .run = cmd_child_balancer, .hidden = true,        \
     .operands_max = CMD_OPERANDS_MAX, .help = "started by the parent"},                            \
    {.name = "child-controller", .operands = "FDS", .run = cmd_child_controller, .hidden = true,    \
     .operands_max = CMD_OPERANDS_MAX, .help = "started by the parent"}
/* clang-format on */
