#include "drive/host.h"

#include "base/check.h"

const struct host_driver *host_driver_find(enum config_driver driver)
{
    switch (driver) {
    case CONFIG_DRIVER_SSH: return &host_ssh;
    case CONFIG_DRIVER_LOCAL: return &host_local;
    case CONFIG_DRIVER_NONE:
    case CONFIG_DRIVER_COMMAND: return NULL;
    }
    UNREACHABLE();
}

const char *host_verb_name(enum host_verb verb)
{
    switch (verb) {
    case HOST_FACTS: return "facts";
    case HOST_INSTALL: return "install";
    case HOST_PUT_BACK: return "put-back";
    case HOST_COMMAND: return "command";
    case HOST_RESTART: return "restart";
    case HOST_REBOOT: return "reboot";
    }
    UNREACHABLE();
}

const char *host_outcome_name(enum host_outcome outcome)
{
    switch (outcome) {
    case HOST_OK: return "ok";
    case HOST_FAILED: return "failed";
    case HOST_UNREACHABLE: return "unreachable";
    case HOST_TIMEOUT: return "timeout";
    case HOST_REFUSED: return "refused";
    }
    UNREACHABLE();
}
