/*
 * nines: the table of commands, help, and the way into each.
 */
#include "base/check.h"
#include "main/args.h"
#include "main/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void tell_failure(const struct check_failure *failure)
{
    char line[512];
    const int size = snprintf(line, sizeof line, "nines: %s:%d: broken promise: %s\n",
                              failure->file, failure->line, failure->text);
    if (size > 0) {
        /* stderr may be what is broken: nothing can be done about a failed write here. */
        const ssize_t written = write(STDERR_FILENO, line, strnlen(line, sizeof line));
        (void)written;
    }
}

static void print_help(FILE *out)
{
    (void)fprintf(out, "nines keeps a service up while its machines are patched: the load balancer "
                       "and the\ncontroller of updates in one program.\n\nUsage: nines COMMAND "
                       "[OPTIONS] [OPERANDS]\n\n");
    for (const struct cmd_type *type = commands; type->name != NULL; type++) {
        char call[64];
        if (type->hidden)
            continue;
        (void)snprintf(call, sizeof call, "%s %s", type->name, type->operands);
        (void)fprintf(out, "  %-24s %s\n", call, type->help);
    }
    (void)fprintf(
        out, "\nEvery command takes -c FILE (default /etc/nines/nines.yaml, or NINES_CONFIG), "
             "--json\nand --help.\nExit codes: 0 done; 1 the rollout failed or was reverted; 2 "
             "usage or config; 3 the\ndaemon cannot be reached; 4 refused, with the reason; 5 "
             "paused or inconclusive.\n");
}

static void print_command_help(const struct cmd_type *type, FILE *out)
{
    (void)fprintf(out, "%s\n\nUsage: nines %s [OPTIONS]%s%s\n\n", type->help, type->name,
                  type->operands[0] != '\0' ? " " : "", type->operands);
    for (const struct cmd_option *option = type->options; option != NULL && option->name != NULL;
         option++) {
        char call[64];
        (void)snprintf(call, sizeof call, "--%s%s%s", option->name,
                       option->value != NULL ? " " : "",
                       option->value != NULL ? option->value : "");
        (void)fprintf(out, "  %-24s %s\n", call, option->help);
    }
    (void)fprintf(out, "  %-24s %s\n  %-24s %s\n  %-24s %s\n", "-c, --config FILE",
                  "the config file", "--json", "output for programs, also of failures",
                  "-h, --help", "this text");
}

/* A reader of our output that went away must not end us without a word: writes fail instead. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

int main(int argc, char **argv)
{
    struct cmd cmd;
    struct error error;
    check_set_hook(tell_failure);
    ignore_broken_pipes();
    switch (args_parse(argc, argv, commands, &cmd, &error)) {
    case ARGS_RUN: break;
    case ARGS_HELP:
        if (cmd.type != NULL)
            print_command_help(cmd.type, stdout);
        else
            print_help(argc > 1 ? stdout : stderr);
        return argc > 1 ? EXIT_DONE : EXIT_USAGE;
    case ARGS_VERSION: (void)printf("nines %s\n", NINES_VERSION); return EXIT_DONE;
    case ARGS_BAD: return cmd_fail(&cmd, &error);
    default: UNREACHABLE();
    }
    const int code = cmd.type->run(&cmd);
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        return EXIT_FAILED;
    return code;
}
