#include "main/remote.h"

#include "api/client.h"
#include "base/check.h"
#include "base/slice.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *remote_call(const struct config *config, const char *daemon, const char *method,
                    const char *path, const char *body, struct text *out, struct error *error)
{
    char socket_path[PATH_MAX];
    struct text own = {0};
    struct text *text = out != NULL ? out : &own;
    const int length =
        snprintf(socket_path, sizeof socket_path, "%s/%s.sock", config->admin, daemon);
    ASSERT(length > 0);
    if (out == NULL)
        text_init(&own, REMOTE_BODY_MAX);
    text_clear(text);
    const struct client_request request = {
        .address = socket_path,
        .method = method,
        .path = path,
        .body = body != NULL ? slice_of(body) : SLICE(""),
        .timeout_ms = REMOTE_TIMEOUT_MS,
    };
    json_t *root = NULL;
    if (client_fetch(&request, text, NULL, error)) {
        root = json_loadb(text->data != NULL ? text->data : "", text->size, JSON_REJECT_DUPLICATES,
                          NULL);
        if (root == NULL)
            error_set(error, ERROR_PROTOCOL, "the %s answered something that is not JSON", daemon);
    } else if (text->size == 0 && error->kind == ERROR_UNREACHABLE) {
        char cause[ERROR_TEXT_MAX];
        memcpy(cause, error->text, sizeof cause);
        error_set(error, ERROR_UNREACHABLE,
                  "the %s cannot be reached (%.300s); start it with nines serve -c %.200s", daemon,
                  cause, config->file);
    }
    if (out == NULL)
        text_done(&own);
    return root;
}

bool remote_is_there(const struct config *config, const char *daemon)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s.sock", config->admin, daemon);
    return access(path, F_OK) == 0;
}

const char *remote_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

double remote_number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

const char *remote_who(void)
{
    static char name[64];
    static char memory[16 * 1024];
    struct passwd entry;
    struct passwd *found = NULL;
    const char *sudo = getenv("SUDO_USER");
    if (sudo != NULL && sudo[0] != '\0')
        (void)snprintf(name, sizeof name, "%s", sudo);
    else if (getpwuid_r(getuid(), &entry, memory, sizeof memory, &found) == 0 && found != NULL)
        (void)snprintf(name, sizeof name, "%s", entry.pw_name);
    else
        (void)snprintf(name, sizeof name, "uid %u", (unsigned)getuid());
    return name;
}

const char *remote_rollout(const struct cmd *cmd, struct error *error)
{
    const char *name = cmd->operand_count > 0 ? cmd->operands[0] : "latest";
    uint64_t id = 0;
    if (strcmp(name, "latest") == 0 || (slice_to_u64(slice_of(name), &id) && id != 0))
        return name;
    error_set(error, ERROR_USAGE, "'%.40s' is no rollout: name one by its number, see nines status",
              name);
    return NULL;
}
