#!/bin/sh
# clang-format, clang-tidy and cppcheck, with the settings of this tree, find a planted mistake. A typo
# in .clang-tidy or .clang-format would otherwise switch them off without a word.
set -eu
for program in clang-format-14 clang-tidy-14 cppcheck; do
    command -v "$program" >/dev/null || exit 77 # Skipped: ./dev test installs them.
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp .clang-tidy .clang-format "$scratch"
mkdir "$scratch/src"
failed=0

plant() {
    cat >"$scratch/src/planted.c"
}

# finds TEXT COMMAND...: the command fails and says TEXT.
finds() {
    text=$1
    shift
    if output=$("$@" 2>&1) || ! printf '%s\n' "$output" | grep -qF -- "$text"; then
        echo "$1 does not find '$text': $output"
        failed=1
    fi
}

cat >"$scratch/src/right.c" <<'END'
int f(int a)
{
    return a + 1;
}
END
clang-format-14 --dry-run -Werror "$scratch/src/right.c"
clang-tidy-14 --quiet "$scratch/src/right.c" -- 2>/dev/null

plant <<'END'
int f(int a) { return a+1; }
END
finds 'clang-format-violations' clang-format-14 --dry-run -Werror "$scratch/src/planted.c"

plant <<'END'
#include <stdlib.h>
int f(int a);
int f(int a)
{
    int *p = malloc(sizeof *p);
    if (a > 3)
        return 0;
    free(p);
    return *p;
}
END
finds 'clang-analyzer-unix.Malloc' clang-tidy-14 --quiet "$scratch/src/planted.c" --
finds 'memleak' cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability \
    --template='{id} {file}:{line}' "$scratch/src/planted.c"

plant <<'END'
#include <string.h>
int f(const char *a, const char *b);
int f(const char *a, const char *b)
{
    return strcmp(a, b) == -1;
}
END
finds 'bugprone-suspicious-string-compare' clang-tidy-14 --quiet "$scratch/src/planted.c" --
exit $failed
