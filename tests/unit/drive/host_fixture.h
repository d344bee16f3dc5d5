/*
 * host_fixture: what the tests of host drivers share: a state folder of their own for the helper, a
 * loop, and jobs run to their end on it.
 */
#pragma once

#include "base/check.h"
#include "drive/host.h"
#include "os/file.h"
#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    struct arena arena;
    struct loop *loop;
    struct config config;
    struct config_tier tier;
    struct config_host host_config;
    struct host *host;
    const struct host_driver *driver;
    char admin[96];
};

/* A result, kept beyond its on_done. */
struct outcome {
    int calls;
    enum host_outcome outcome;
    int exit_status;
    bool recorded;
    bool rebooted;
    char boot_id[64];
    char versions[512];
    char output[512];
    char sentence[512];
};

static inline void fixture_path(const struct fixture *f, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", f->folder, name);
}

/* An apt that knows no archive and no package, so that nobody's lists and locks are touched. */
static inline void fixture_quiet_apt(const struct fixture *f)
{
    char path[160];
    fixture_path(f, "apt.conf", path, sizeof path);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "Dir \"%s/apt\";\nDir::State::status \"%s/apt/status\";\n", f->folder,
                  f->folder);
    (void)fclose(file);
    ck_assert_int_eq(setenv("APT_CONFIG", path, 1), 0);
    static const char *const folders[] = {"apt/var/lib/apt/lists/partial",
                                          "apt/var/cache/apt/archives/partial"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        fixture_path(f, folders[i], path, sizeof path);
        ck_assert(file_make_folder(path, 0700, NULL));
    }
    fixture_path(f, "apt/status", path, sizeof path);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fclose(file);
}

static inline void fixture_open(struct fixture *f)
{
    char state[96];
    *f = (struct fixture){.tier.name = "web"};
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/nines-host-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->folder));
    fixture_path(f, "state", state, sizeof state);
    ck_assert_int_eq(setenv("NINES_STATE_DIR", state, 1), 0);
    fixture_quiet_apt(f);
    fixture_path(f, "admin", f->admin, sizeof f->admin);
    arena_init(&f->arena, 1 << 20);
    f->loop = loop_open(NULL);
    ck_assert_ptr_nonnull(f->loop);
    f->config = (struct config){.file = "nines.yaml", .admin = f->admin};
    f->host_config = (struct config_host){.place = {.line = 9, .column = 7}, .name = "web-1"};
}

static inline int fixture_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void fixture_close(struct fixture *f)
{
    if (f->driver != NULL)
        f->driver->close(f->host);
    loop_close(f->loop);
    arena_done(&f->arena);
    (void)nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_host(struct fixture *f, enum config_driver driver, const char *ssh)
{
    struct error error = {0};
    f->host_config.driver = driver;
    f->host_config.ssh = ssh;
    f->driver = host_driver_find(driver);
    f->host = f->driver->open(&f->arena, f->loop, &f->config, &f->tier, &f->host_config, &error);
    ck_assert_msg(f->host != NULL, "%s", error.text);
}

static inline void fixture_on_done(void *context, const struct host_result *result)
{
    struct outcome *outcome = context;
    outcome->calls++;
    outcome->outcome = result->outcome;
    outcome->exit_status = result->exit_status;
    outcome->recorded = result->recorded;
    outcome->rebooted = strcmp(result->before.boot_id, result->after.boot_id) != 0;
    (void)snprintf(outcome->boot_id, sizeof outcome->boot_id, "%s", result->after.boot_id);
    (void)snprintf(outcome->versions, sizeof outcome->versions, "%s", result->after.versions);
    (void)snprintf(outcome->output, sizeof outcome->output, "%s", result->output);
    (void)snprintf(outcome->sentence, sizeof outcome->sentence, "%s", result->sentence);
}

static inline void fixture_wait(struct fixture *f, const struct outcome *outcome)
{
    while (outcome->calls == 0)
        ck_assert(loop_run_once(f->loop, 1000));
    ck_assert_int_eq(outcome->calls, 1);
}

static inline struct outcome fixture_run(struct fixture *f, const struct host_job *job)
{
    struct outcome outcome = {0};
    f->driver->start(f->host, job, fixture_on_done, &outcome);
    ck_assert_int_eq(outcome.calls, 0); /* Never from within start. */
    fixture_wait(f, &outcome);
    return outcome;
}

#define FIXTURE_ARGV(...)                                                                          \
    {                                                                                              \
        .words = (const char *[]){__VA_ARGS__, NULL},                                              \
        .count = COUNT_OF(((const char *[]){__VA_ARGS__})),                                        \
    }

/* Runs the loop for that long. */
static inline void fixture_pass(struct fixture *f, uint64_t time_ms)
{
    const uint64_t until_ms = loop_now_ms(f->loop) + time_ms;
    while (loop_now_ms(f->loop) < until_ms)
        (void)loop_run_once(f->loop, 20);
}

static inline void fixture_read(const struct fixture *f, const char *name, char *out, size_t size)
{
    char path[160];
    fixture_path(f, name, path, sizeof path);
    FILE *file = fopen(path, "r");
    const size_t used = file == NULL ? 0 : fread(out, 1, size - 1, file);
    out[used] = '\0';
    if (file != NULL)
        (void)fclose(file);
}

/* Runs the loop until the file "runs" of the folder has that content: what a job has done so far.
 */
static inline void fixture_runs(struct fixture *f, const char *expected)
{
    char runs[256];
    for (int tries = 0; tries < 500; tries++) {
        fixture_read(f, "runs", runs, sizeof runs);
        if (strcmp(runs, expected) == 0)
            return;
        fixture_pass(f, 20);
    }
    ck_assert_str_eq(runs, expected);
}
