#!/bin/sh
# Each tool of lint finds a planted violation, at its place, and is silent about what is right.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# finds TOOL FILE TEXT: the tool fails on the file and says TEXT.
finds() {
    if output=$(tools/"$1" "$scratch/$2" 2>&1); then
        echo "tools/$1 accepts $2, which it must refuse"
        failed=1
    elif ! printf '%s\n' "$output" | grep -qF -- "$3"; then
        echo "tools/$1 on $2 does not say '$3' but: $output"
        failed=1
    fi
}

# accepts TOOL FILE
accepts() {
    if ! output=$(tools/"$1" "$scratch/$2" 2>&1) || [ -n "$output" ]; then
        echo "tools/$1 refuses $2: $output"
        failed=1
    fi
}

lines() {
    i=0
    while [ $i -lt "$1" ]; do
        echo "    x++;"
        i=$((i + 1))
    done
}

# A function of 70 lines and one of 71, its name on line 3 in both.
{ printf 'int x;\n\nstatic int f(int a,\n             int b)\n{\n' && lines 66 && echo '}'; } >"$scratch/70.c"
accepts length 70.c
{ printf 'int x;\n\nstatic int f(int a,\n             int b)\n{\n' && lines 67 && echo '}'; } >"$scratch/71.c"
finds length 71.c "71.c:3: 71 lines in one function"
{ echo 'START_TEST(test_x)' && echo '{' && lines 90 && printf '}\nEND_TEST\n'; } >"$scratch/test.c"
finds length test.c "test.c:1: 93 lines"
{ echo 'static const struct row rows[] = {' && lines 100 && echo '};'; } >"$scratch/table.c"
accepts length table.c
{ echo 'struct long_one {' && lines 100 && printf '};\n\nvoid f(void)\n{\n}\n'; } >"$scratch/struct.h"
accepts length struct.h
lines 800 >"$scratch/800.c"
accepts length 800.c
lines 801 >"$scratch/801.c"
finds length 801.c "801 lines, 800 are allowed"

for call in strcpy strcat sprintf strtok gets atoi atol system popen alloca signal gmtime localtime \
    ctime rand; do
    printf 'int f(void)\n{\n    return %s(x);\n}\n' "$call" >"$scratch/$call.c"
    finds banned "$call.c" "$call.c:3: $call() is banned"
done
cat >"$scratch/fine.c" <<'END'
/* strcpy() is what we do not
 * want: system("x") neither. */
void f(void)
{
    driver->system(x); /* atoi(x) */
    say("rand(1) \" gets(2)");
    my_signal(1);
    gmtime_r(a, b);
    snprintf(a, 1, "x");
}
END
accepts banned fine.c
printf '/* a */ int a = atoi(x); /* b */\n' >"$scratch/between.c"
finds banned between.c 'atoi() is banned'

printf '/*\n * x: says what it is.\n */\n#pragma once\n' >"$scratch/good.h"
accepts prose good.h
printf '/* x: says what it is. */\n#ifndef X\n#endif\n' >"$scratch/guard.h"
finds prose guard.h 'no #pragma once'
printf '#pragma once\nint x;\n' >"$scratch/bare.h"
finds prose bare.h 'opens with prose'
printf 'int\tx;\n' >"$scratch/tab.c"
finds prose tab.c 'tab.c:1: a tab'
printf 'int x; \n' >"$scratch/blank.c"
finds prose blank.c 'blanks at the end'
printf 'typedef struct x x;\n' >"$scratch/typedef.c"
finds prose typedef.c 'typedef'
printf 'int x; /* TO''DO later */\n' >"$scratch/note.c"
finds prose note.c 'note to self'
printf 'int x;' >"$scratch/end.c"
finds prose end.c 'no newline'

exit $failed
