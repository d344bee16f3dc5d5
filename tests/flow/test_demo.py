"""The demo keeps its word: what its last line says agrees with the evidence it leaves."""

import csv
import os
import pty
import re
import select
import subprocess
import time

import conftest
import pytest

DEMO = conftest.TOP / "lab" / "demo"


def run_demo(evidence, *arguments):
    environment = dict(os.environ, NINES_BIN=str(conftest.NINES),
                       NINES_LAB_BUILD=str(conftest.LAB_BUILD))
    return subprocess.run(
        [str(DEMO), "--evidence", str(evidence), *map(str, arguments)], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False)


def facts(evidence, when, host):
    """(boot_id, version of lab-web) as the host told them."""
    return tuple((evidence / when / host).read_text().splitlines()[:2])


def outcomes(evidence):
    with open(evidence / "requests.csv", encoding="utf-8") as rows:
        return [row["outcome"] for row in csv.DictReader(rows)]


@pytest.mark.parametrize("mode", ["namespaces", "processes"])
def test_update(mode, tmp_path):
    conftest.need_mode(mode)
    done = run_demo(tmp_path, "--mode", mode, "--hosts", 2, "--rate", 100)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    how = "2 rebooted" if mode == "namespaces" else r"2 restarted \(no namespaces\)"
    told = re.fullmatch(rf"demo: (\d+) requests, 0 failed; 2 of 2 hosts updated, {how}; "
                        r"lowest capacity 50 %; \d+\.\d s", last)
    assert told, last
    assert outcomes(tmp_path) == ["ok"] * int(told.group(1))
    for host in ("web-1", "web-2"):
        (old_boot, old), (new_boot, new) = (facts(tmp_path, when, host)
                                            for when in ("before", "after"))
        assert (old, new) == ("1.0-1", "1.0-2") and old_boot != new_boot
    assert not os.path.exists(re.search(r"^lab: .* in (\S+)$", done.stdout, re.M).group(1))


def test_bad_update(tmp_path):
    done = run_demo(tmp_path, "--mode", "processes", "--hosts", 6, "--rate", 500, "--bad-update")
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    told = re.fullmatch(r"demo: (\d+) requests, (\d+) failed; update rejected on web-1, reverted; "
                        r"5 hosts untouched; \d+\.\d s", last)
    assert told, last
    seen = outcomes(tmp_path)
    assert len(seen) == int(told.group(1))
    assert len(seen) - seen.count("ok") == int(told.group(2)) > 0  # Users are who finds it.
    assert facts(tmp_path, "after", "web-1")[1] == "1.0-1"
    for host in ("web-2", "web-3", "web-4", "web-5", "web-6"):
        assert facts(tmp_path, "after", host) == facts(tmp_path, "before", host)


def read_until(terminal, wanted, seconds):
    """What the terminal was sent, until the pattern is in it or the other side has hung up."""
    out, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and not (wanted and re.search(wanted, out)):
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                out += os.read(terminal, 65536)
            except OSError:  # The last process has closed it.
                break
    return out


def test_interrupt_on_a_terminal(tmp_path):
    """Frames on the alternate screen; Ctrl-C mid-update gives the terminal back and cleans up."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm", LANG="C.UTF-8", NINES_BIN=str(conftest.NINES),
                          NINES_LAB_BUILD=str(conftest.LAB_BUILD))
        os.execv(str(DEMO), [str(DEMO), "--mode", "processes", "--hosts", "2", "--rate", "100",
                             "--evidence", str(tmp_path)])
    out = read_until(terminal, rb"updating", 60)
    assert b"\x1b[?1049h" in out and "web-2".encode() in out and "▅".encode() in out
    os.write(terminal, b"\x03")
    out += read_until(terminal, None, 30)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    os.close(terminal)
    assert out.rfind(b"\x1b[?1049l") > out.rfind(b"\x1b[?1049h")
    assert out.rfind(b"\x1b[?25h") > out.rfind(b"\x1b[?25l")
    folder = re.search(rb"lab: .* in (\S+)", out).group(1).decode()
    assert not os.path.exists(folder)
    left = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True)
    assert folder not in left.stdout
