#include "os/clock.h"

#include "base/check.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;
    const int result = clock_gettime(id, &now);
    ASSERT(result == 0);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

uint64_t clock_coarse_ns(void)
{
    return read_ns(CLOCK_MONOTONIC_COARSE);
}

/* strftime() would follow the locale for names; these formats are English whatever it is. */
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static struct tm broken_down(uint64_t wall_ms)
{
    const time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = {0};
    const struct tm *filled = gmtime_r(&seconds, &tm);
    ASSERT(filled != NULL);
    ASSERT(tm.tm_wday >= 0 && tm.tm_wday < 7 && tm.tm_mon >= 0 && tm.tm_mon < 12);
    return tm;
}

void clock_format_rfc3339(uint64_t wall_ms, char *out, size_t size)
{
    const struct tm tm = broken_down(wall_ms);
    (void)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (unsigned)(wall_ms % 1000));
}

void clock_format_http(uint64_t wall_ms, char *out, size_t size)
{
    const struct tm tm = broken_down(wall_ms);
    (void)snprintf(out, size, "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday],
                   tm.tm_mday, month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                   tm.tm_sec);
}

void clock_format_log(uint64_t wall_ms, char *out, size_t size)
{
    const struct tm tm = broken_down(wall_ms);
    (void)snprintf(out, size, "%02d/%s/%04d:%02d:%02d:%02d +0000", tm.tm_mday,
                   month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
