#include "drive/host_run.h"

#include "base/check.h"
#include "drive/host_answer.h"
#include "drive/host_request.h"

#include <stdio.h>

static const struct host_facts no_facts = {
    .boot_id = "", .kernel = "", .versions = "", .candidates = ""};

static uint32_t patience_ms(const struct host_job *job)
{
    return job->timeout_ms < UINT32_MAX - HOST_GRACE_MS ? job->timeout_ms + HOST_GRACE_MS
                                                        : UINT32_MAX;
}

/* Idle before the call, for on_done may start the next job. */
static void deliver(struct host_run *run, const struct host_result *result)
{
    ASSERT(run->job != NULL);
    run->job = NULL;
    run->on_done(run->context, result);
}

static void deliver_bare(struct host_run *run, enum host_outcome outcome, const char *sentence)
{
    const struct host_result result = {.outcome = outcome,
                                       .before = no_facts,
                                       .after = no_facts,
                                       .output = "",
                                       .sentence = sentence};
    deliver(run, &result);
}

static void on_refusal(struct loop_timer *timer)
{
    struct host_run *run = CONTAINER_OF(timer, struct host_run, refusal);
    const bool usage = run->error.kind == ERROR_USAGE || run->error.kind == ERROR_LIMIT;
    char sentence[ERROR_TEXT_MAX];
    (void)snprintf(sentence, sizeof sentence, "%s", run->error.text);
    deliver_bare(run, usage ? HOST_REFUSED : HOST_UNREACHABLE, sentence);
}

/* The last line that says something: ssh puts its reason there. */
static struct slice last_line(struct slice text)
{
    if (text.size == 0)
        return SLICE("");
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ')
        text.size--;
    size_t start = text.size;
    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    text.data += start;
    text.size -= start;
    return text;
}

static void tell_silence(const struct host_run *run, const struct process_result *process,
                         char *out, size_t size)
{
    char how[64];
    const struct slice reason = last_line(process->errors);
    process_describe(process->wait_status, how, sizeof how);
    if (process->timed_out)
        (void)snprintf(out, size, "no answer within %u s", patience_ms(run->job) / 1000);
    else if (reason.size > 0)
        (void)snprintf(out, size, "%.*s", reason.size < 512 ? (int)reason.size : 512, reason.data);
    else
        (void)snprintf(out, size, "the connection ended without an answer (%s)", how);
    for (char *byte = out; *byte != '\0'; byte++) {
        if ((unsigned char)*byte < ' ' || *byte == 0x7f)
            *byte = ' ';
    }
}

static void on_process_done(void *context, const struct process_result *process)
{
    struct host_run *run = context;
    struct host_answer answer;
    run->process = NULL;
    /* A whole answer counts, whatever became of the connection after it. */
    if (host_answer_read(&answer, run->job->id, process->output)) {
        deliver(run, &answer.result);
    } else {
        char sentence[ERROR_TEXT_MAX];
        tell_silence(run, process, sentence, sizeof sentence);
        deliver_bare(run, HOST_UNREACHABLE, sentence);
    }
    host_answer_done(&answer);
}

void host_run_init(struct host_run *run, struct loop *loop)
{
    *run = (struct host_run){.loop = loop, .refusal.on_time = on_refusal};
}

static void take(struct host_run *run, const struct host_job *job, host_done *on_done,
                 void *context)
{
    ASSERT(run->job == NULL && on_done != NULL);
    run->job = job;
    run->on_done = on_done;
    run->context = context;
}

void host_run_start(struct host_run *run, const char *const *argv, const struct host_job *job,
                    host_done *on_done, void *context)
{
    take(run, job, on_done, context);
    struct text request;
    text_init(&request, HOST_REQUEST_BYTES_MAX);
    if (host_request_write(job, &request, &run->error))
        run->process = process_run(run->loop, argv, text_slice(&request), patience_ms(job), NULL,
                                   on_process_done, run, &run->error);
    text_done(&request);
    if (run->process == NULL)
        loop_timer_set_in(run->loop, &run->refusal, 0);
}

void host_run_refuse(struct host_run *run, const struct host_job *job, host_done *on_done,
                     void *context, const char *sentence)
{
    take(run, job, on_done, context);
    error_set(&run->error, ERROR_USAGE, "%s", sentence);
    loop_timer_set_in(run->loop, &run->refusal, 0);
}

void host_run_cancel(struct host_run *run)
{
    if (run->job == NULL)
        return;
    process_cancel(run->process);
    run->process = NULL;
    loop_timer_clear(run->loop, &run->refusal);
    run->job = NULL;
}
