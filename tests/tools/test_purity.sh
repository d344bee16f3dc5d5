#!/bin/sh
# purity refuses an archive that reads the clock, opens a file or asks the environment, and names the
# call; it accepts memory, text and arithmetic.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

archive() {
    cat >"$scratch/$1.c"
    "${CC:-cc}" -O0 -c "$scratch/$1.c" -o "$scratch/$1.o"
    ar rc "$scratch/$1.a" "$scratch/$1.o"
}

refuses() {
    if output=$(tools/purity "$scratch/$1.a" 2>&1) || ! echo "$output" | grep -q "calls $2,"; then
        echo "purity does not refuse $2: $output"
        failed=1
    fi
}

archive pure <<'END'
#include <stdlib.h>
#include <string.h>
static int twice(int x) { return 2 * x; }
int f(const char *text) { char *copy = strdup(text); int n = twice((int)strlen(copy)); free(copy); return n; }
int g(const char *text) { return f(text); }
END
if ! tools/purity "$scratch/pure.a"; then
    echo 'purity refuses memory and text'
    failed=1
fi
for call in clock_gettime open getenv time write pthread_create gettimeofday socket; do
    printf 'extern long %s(void);\nlong f(void) { return %s(); }\n' "$call" "$call" |
        sed 's/extern long/extern long __attribute__((nothrow))/' | archive "$call"
    refuses "$call" "$call"
done
exit $failed
