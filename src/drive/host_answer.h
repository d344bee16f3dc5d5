/*
 * host_answer: reads what the helper printed.
 *
 * An answer stands between two lines with the job's id. Without both there is none: the connection
 * was cut, or something else spoke. What a login prints before it is passed over.
 */
#pragma once

#include "base/text.h"
#include "drive/host.h"

struct host_answer {
    struct host_result result; /* Its texts are in the two below. */
    struct text lines;
    struct text output;
    struct text sentence;
};

/* False when `printed` holds no whole answer to that job. Done with host_answer_done() either way.
 */
bool host_answer_read(struct host_answer *, const char *id, struct slice printed);
void host_answer_done(struct host_answer *);
