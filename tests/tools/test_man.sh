#!/bin/sh
# nines(1) and `nines --help` name the same commands, and each command's page the same options;
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

if command -v scdoc >/dev/null; then
    for source in man/*.scd; do
        scdoc <"$source" >"$scratch/out" || {
            echo "scdoc refuses $source"
            failed=1
        }
    done
fi
exit $failed
