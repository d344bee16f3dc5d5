#!/bin/sh
# nines(1) and `nines --help` name the same commands, and each command's page the same options; the
# page names what the program reads, leaves and takes: variables, files, signals, exit codes;
# scdoc takes both pages. NINES_BIN is the program.
set -eu
nines=${NINES_BIN:-build/nines}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
page=man/nines.1.scd

"$nines" --help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' | sort >"$scratch/help"
if [ "$(wc -l <"$scratch/help")" -lt 10 ]; then
    echo "$nines --help names fewer than 10 commands: the test sees nothing"
    failed=1
fi
sed -n '/^# COMMANDS/,/^# OPTIONS/p' "$page" | grep '^\*nines ' |
    grep -o '\*nines [a-z]*\*' | sed 's/\*nines \(.*\)\*/\1/' | sort -u >"$scratch/page"
if ! diff "$scratch/help" "$scratch/page" >"$scratch/diff"; then
    echo "nines --help (<) and $page (>) differ:"
    cat "$scratch/diff"
    failed=1
fi
while read -r command; do
    "$nines" "$command" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | grep -v '^json$' |
        sort >"$scratch/help-options"
    # The paragraph that opens with the command.
    awk -v head="*nines $command*" 'index($0, head) == 1 { on = 1 } /^$/ { on = 0 } on' "$page" |
        grep -o '\*--[a-z-]*\*' | tr -d '*' | sed 's/^--//' | sort -u >"$scratch/page-options"
    if ! diff "$scratch/help-options" "$scratch/page-options" >"$scratch/diff"; then
        echo "options of $command, --help (<) and $page (>), differ:"
        cat "$scratch/diff"
        failed=1
    fi
done <"$scratch/help"

# Every variable that is read, every file of the admin folder, every signal that the parent takes,
# every exit code of the help.
{
    grep -rhoE 'getenv\("[A-Z_]+"\)' src | sed 's/.*"\(.*\)".*/\1/'
    grep -hoE '"(nines\.pid|[a-z]+\.(sock|pid)|weights)"' src/main/parent.c | tr -d '"'
    grep -hoE 'case SIG[A-Z0-9]+' src/main/parent.c | sed 's/case //'
    "$nines" --help | tr '\n' ' ' | sed 's/.*Exit codes://' | grep -oE '(^|; ) ?[0-9]' | grep -oE '[0-9]'
} | sort -u >"$scratch/facts"
if [ "$(wc -l <"$scratch/facts")" -lt 18 ]; then
    echo "fewer than 18 variables, files, signals and exit codes: the test sees nothing"
    cat "$scratch/facts"
    failed=1
fi
while read -r fact; do
    if ! grep -qF "*$fact*" "$page"; then
        echo "$page does not name $fact"
        failed=1
    fi
done <"$scratch/facts"

if command -v scdoc >/dev/null; then
    for source in man/*.scd; do
        scdoc <"$source" >"$scratch/out" || {
            echo "scdoc refuses $source"
            failed=1
        }
    done
fi
exit $failed
