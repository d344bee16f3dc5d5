#!/bin/sh
# stages reads the summaries of the tools right: a failure it overlooks would be a test that cannot fail.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# says "PASSED FAILED" <log
says() {
    cat >"$log"
    counted=$(tools/stages --counts "$log")
    if [ "$counted" != "$1" ]; then
        echo "counted '$counted' and not '$1' in:"
        cat "$log"
        failed=1
    fi
}

says '5 1' <<'END'
83% tests passed, 1 tests failed out of 6
END
says '40 0' <<'END'
100% tests passed, 0 tests failed out of 40
END
says '3 1' <<'END'
FAILED tests/flow/test_x.py::test_y - assert 3 == 4
1 failed, 3 passed in 0.12s
END
says '12 2' <<'END'
=== 1 failed, 12 passed, 2 skipped, 1 warning, 1 error in 63.10s (0:01:03) ===
END
says '7 0' <<'END'
7 passed in 3.02s
END
says '0 1' <<'END'
1 error in 0.50s
END
says '0 0' <<'END'
no tests ran in 0.26s
the log says 3 passed, or 4 failed, somewhere
END
says '6 1' <<'END'
lint: tidy      FAILED  18 s
6 passed, 1 failed
END
says '47 2' <<'END'
95% tests passed, 2 tests failed out of 40
9 passed in 3.02s
END
exit $failed
