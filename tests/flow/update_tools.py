"""What the flow tests of updates share: a config made quick, an update that is followed line by
line, the children of `nines serve`, and a census that asks the hosts what became of them.
"""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import threading
import time

import pytest

import conftest

# A step of a host takes a few seconds on a machine that is busy with other tests, too.
STEP_SECONDS = 45
UPDATE_SECONDS = 90

# So that a test waits for what it tests, and little else.
QUICK = [("slow_start: 1s", "slow_start: 300ms"), ("min_ready: 1s", "min_ready: 200ms"),
         ("soak: 2s", "soak: 1s")]


def hosts(count, **settings):
    """The lab of a test: @update_tools.hosts(3) above a test that takes `fresh_lab`."""
    return pytest.mark.parametrize(
        "fresh_lab", [{"hosts": count, "boot": 1, **settings}], indirect=True, ids=[""])


def configure(lab, *changes):
    """Writes the lab's config anew: as the lab made it, quick, with these (old, new) pieces."""
    original = lab.directory / "nines.yaml.original"
    if not original.exists():
        original.write_text(lab.config.read_text())
    text = original.read_text()
    for old, new in [*QUICK, *changes]:
        assert text.count(old) == 1, f"'{old}' is not there once: {text}"
        text = text.replace(old, new)
    lab.config.write_text(text)
    return lab.config


class Follow:
    """`nines update` at work; what it prints can be waited for, line by line."""

    def __init__(self, nines, *arguments):
        self.process = nines.spawn("update", *arguments)
        self.lines = []
        self.more = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line.rstrip("\n"))
                self.more.notify_all()

    @property
    def text(self):
        with self.more:
            return "\n".join(self.lines)

    def wait_line(self, pattern, seconds=STEP_SECONDS):
        """The first line that has the pattern, also one that came before."""
        end = time.monotonic() + seconds
        while True:
            with self.more:
                for line in self.lines:
                    if re.search(pattern, line):
                        return line
                self.more.wait(0.05)
            if self.process.poll() is not None and not self.reader.is_alive():
                pytest.fail(f"the update ended without '{pattern}':\n{self.text}")
            if time.monotonic() > end:
                pytest.fail(f"waited {seconds} s for '{pattern}':\n{self.text}")

    def end(self, seconds=UPDATE_SECONDS):
        """The exit code, once it has ended by itself."""
        self.reader.join(seconds)
        if self.reader.is_alive():
            pytest.fail(f"nines update did not end within {seconds} s:\n{self.text}")
        self.process.wait(5)
        return self.process.returncode


@contextlib.contextmanager
def follow(nines, *arguments):
    """A Follow that does not outlive its block."""
    following = Follow(nines, *arguments)
    try:
        yield following
    finally:
        if following.process.poll() is None:
            following.process.kill()
        following.process.wait()
        following.reader.join(5)
        following.process.stdout.close()


# ---- The processes of nines ----


def children(pid):
    """By the name of what they are: {"controller": pid, "balancer": pid}."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                for word in words:
                    if word.startswith(b"child-"):
                        found[word.decode().removeprefix("child-")] = int(child)
    return found


def kill_child(nines, name):
    """kill -9 of one child; waits until the parent has started another."""
    victim = children(nines.process.pid)[name]
    os.kill(victim, signal.SIGKILL)
    conftest.wait_for(f"another {name}", 10,
                      lambda: children(nines.process.pid).get(name, victim) != victim)
    return victim


def kill_all(nines):
    """kill -9 of the parent; waits until its children are gone, too."""
    orphans = children(nines.process.pid)
    assert set(orphans) == {"controller", "balancer"}
    nines.process.kill()
    nines.process.wait()
    conftest.wait_for("the children to end with their parent", 5, lambda: all(
        has_ended(child) for child in orphans.values()))


def has_ended(pid):
    try:
        return "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


# ---- The admin interfaces ----


def ask(nines, daemon, path, method="GET", body=None):
    """(status, JSON) of a call on BALANCER.sock or CONTROLLER.sock."""
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.settimeout(5)
        connection.sock.connect(str(nines.admin / f"{daemon}.sock"))
        connection.request(method, path, body=None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def rollout(nines, number="latest"):
    status, answer = ask(nines, "controller", f"/v1/rollouts/{number}")
    assert status == 200, answer
    return answer


def rollout_hosts(nines, number="latest"):
    return {host["name"]: host for host in rollout(nines, number)["hosts"]}


def balancer_host(nines, host):
    """What the balancer itself says of a host of tier web."""
    status, answer = ask(nines, "balancer", f"/v1/tiers/web/hosts/{host}")
    assert status == 200, answer
    return answer


def wait_ready(nines, seconds=20):
    """Until a nines that was started over an older one's folder answers, all hosts healthy."""
    def ready():
        done = nines.command("status", "--json")
        return done.returncode == 0 and all(
            host["healthy"] for host in json.loads(done.stdout)["tiers"][0]["hosts"])
    conftest.wait_for("all hosts to be healthy", seconds, ready)


# ---- What became of the hosts ----


@dataclasses.dataclass
class Host:
    """As the host itself says, over ssh; `boots` as its keeper outside has seen them."""
    boot_id: str
    version: str
    changes: list  # Of dpkg.log: what was done to lab-web, in order.
    boots: int


CENSUS = r"""
cat ${NINES_LAB_BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}
dpkg-query -W -f '${Version} ${db:Status-Abbrev}\n' lab-web
sed -n 's/^[^ ]* [^ ]* \(install\|upgrade\|remove\|purge\) lab-web:[^ ]* /\1 /p' \
    ${NINES_LAB_ROOT:-}/var/log/dpkg.log
"""


def census_of(lab, name):
    boot_id, version, *changes = lab.run(name, CENSUS).splitlines()
    assert version.endswith(" ii "), f"{name}: lab-web is not well installed: {version}"
    ends = re.findall(rf"{name} ended \((\d+)\)", (lab.directory / "fleet.log").read_text())
    return Host(boot_id, version.split()[0], changes, len(ends))


def census(lab, names=None):
    """{name: Host} of these hosts (default: all), asked at once."""
    names = names or lab.names
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: census_of(lab, name), names)))


def assert_untouched(before, after, names):
    for name in names:
        assert after[name] == before[name], name


def assert_updated_once(before, after, names, version="1.0-2"):
    """Each of them was upgraded exactly once and rebooted exactly once."""
    for name in names:
        was, now = before[name], after[name]
        assert now.version == version, name
        assert now.changes[len(was.changes):] == [f"upgrade {was.version} {version}"], name
        assert now.boot_id != was.boot_id, name
        assert now.boots == was.boots + 1, name


# ---- What users saw ----


@contextlib.contextmanager
def users(load, lab, rate=200, options=()):
    """Users at a steady rate while the block runs, of WebSockets that do not hold up drains; their
    account is then in .summary, with the rows of those that failed in .failed."""
    running = load(lab.listener(), rate=rate, seconds=300,
                   options=["--websocket-ms", 500, *options])
    running.wait_until_s(0.5)
    yield running
    running.summary = running.stop()
    running.failed = [row for row in running.rows() if row["outcome"] != "ok"]
    assert running.summary["requests"] > 0
