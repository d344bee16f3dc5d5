#include "load_record.h"

#include "base/check.h"
#include "base/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EVIDENCE_BUFFER = 1 << 20, SUMMARY_MAX = 4096 };

static const char *const kind_names[KIND_COUNT] = {"get", "post", "websocket"};
static const char *const outcome_names[OUTCOME_COUNT] = {"ok",      "connect_error",  "reset",
                                                         "timeout", "non_200",        "truncated",
                                                         "corrupt", "answered_twice", "cut"};

static bool open_file(FILE **file, const char *path, struct error *error)
{
    *file = path ? fopen(path, "we") : NULL;
    if (path && !*file)
        return error_set_errno(error, errno, "cannot write %s", path);
    return true;
}

bool record_open(struct record *record, const char *evidence_path, const char *live_path,
                 uint64_t interval_us, uint64_t now_us, struct error *error)
{
    ASSERT(interval_us > 0);
    *record = (struct record){
        .begin_us = now_us, .interval_us = interval_us, .next_line_us = now_us + interval_us};
    if (!open_file(&record->evidence, evidence_path, error) ||
        !open_file(&record->live, live_path, error))
        return false;
    if (record->evidence) {
        setvbuf(record->evidence, NULL, _IOFBF, EVIDENCE_BUFFER);
        fputs("id,kind,connection,intended_us,latency_us,lasted_us,outcome,status,host,version\n",
              record->evidence);
    }
    return true;
}

void record_sent(struct record *record)
{
    record->sent++;
    record->in_flight++;
    record->interval.sent++;
}

void record_ended(struct record *record, const struct load_request *request)
{
    bool failed = request->outcome != OUTCOME_OK;
    ASSERT(record->in_flight > 0);
    record->in_flight--;
    record->outcomes[request->outcome]++;
    record->kinds[request->kind]++;
    record->kinds_failed[request->kind] += failed;
    record->interval.done++;
    record->interval.failed += failed;
    histogram_record(&record->latency, request->latency_us);
    histogram_record(&record->interval.latency, request->latency_us);
    if (request->latency_us > record->latency_max_us)
        record->latency_max_us = request->latency_us;
}

void record_spoil(struct record *record, struct load_request *request, enum load_outcome outcome)
{
    ASSERT(request->outcome == OUTCOME_OK && outcome != OUTCOME_OK);
    record->outcomes[OUTCOME_OK]--;
    record->outcomes[outcome]++;
    record->kinds_failed[request->kind]++;
    record->interval.failed++;
    request->outcome = outcome;
}

void record_row(struct record *record, const struct load_request *request)
{
    if (!record->evidence)
        return;
    fprintf(record->evidence,
            "%" PRIu64 ",%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%s,%" PRIu32 ",%s,%s\n",
            request->id, kind_names[request->kind], request->fresh ? "fresh" : "kept",
            request->intended_us - record->begin_us, request->latency_us, request->lasted_us,
            outcome_names[request->outcome], request->status, request->host, request->version);
}

uint64_t record_failed(const struct record *record)
{
    uint64_t failed = 0;
    for (int outcome = OUTCOME_OK + 1; outcome < OUTCOME_COUNT; outcome++)
        failed += record->outcomes[outcome];
    return failed;
}

static void write_line(struct record *record, uint64_t at_us)
{
    struct record_interval *interval = &record->interval;
    double seconds = (double)record->interval_us / 1e6;
    char buffer[512];
    snprintf(buffer, sizeof buffer,
             "{\"t\":%.3f,\"rate\":%.1f,\"sent\":%" PRIu64 ",\"done\":%" PRIu64
             ",\"failed\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"p50_us\":%" PRIu64
             ",\"p99_us\":%" PRIu64 ",\"sent_total\":%" PRIu64 ",\"failed_total\":%" PRIu64 "}\n",
             (double)(at_us - record->begin_us) / 1e6, (double)interval->done / seconds,
             interval->sent, interval->done, interval->failed, record->in_flight,
             histogram_quantile(&interval->latency, 0.5),
             histogram_quantile(&interval->latency, 0.99), record->sent, record_failed(record));
    fputs(buffer, record->live);
    fflush(record->live);
}

void record_tick(struct record *record, uint64_t now_us)
{
    while (now_us >= record->next_line_us) {
        if (record->live)
            write_line(record, record->next_line_us);
        memset(&record->interval, 0, sizeof record->interval);
        record->next_line_us += record->interval_us;
    }
}

static void add_quantiles(struct writer *writer, const struct record *record)
{
    writer_object(writer, "latency_us");
    writer_u64(writer, "p50", histogram_quantile(&record->latency, 0.5));
    writer_u64(writer, "p90", histogram_quantile(&record->latency, 0.9));
    writer_u64(writer, "p99", histogram_quantile(&record->latency, 0.99));
    writer_u64(writer, "p999", histogram_quantile(&record->latency, 0.999));
    writer_u64(writer, "max", record->latency_max_us);
    writer_end(writer);
}

void record_summary(const struct record *record, uint64_t now_us, FILE *out)
{
    struct text text;
    struct writer writer;
    text_init(&text, SUMMARY_MAX);
    writer_init(&writer, &text);
    writer_object(&writer, NULL);
    writer_u64(&writer, "requests", record->sent);
    writer_u64(&writer, "failed", record_failed(record));
    writer_double(&writer, "seconds", (double)(now_us - record->begin_us) / 1e6);
    writer_object(&writer, "outcomes");
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        writer_u64(&writer, outcome_names[outcome], record->outcomes[outcome]);
    writer_end(&writer);
    writer_object(&writer, "kinds");
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        writer_object(&writer, kind_names[kind]);
        writer_u64(&writer, "requests", record->kinds[kind]);
        writer_u64(&writer, "failed", record->kinds_failed[kind]);
        writer_end(&writer);
    }
    writer_end(&writer);
    add_quantiles(&writer, record);
    writer_end(&writer);
    ASSERT(!text.failed);
    fprintf(out, "%s\n", text.data);
    text_done(&text);
}

static bool close_file(FILE *file)
{
    if (!file)
        return true;
    bool good = !ferror(file);
    return fclose(file) == 0 && good;
}

bool record_close(struct record *record)
{
    bool good = close_file(record->evidence);
    return close_file(record->live) && good;
}
