"""Fixtures of the flow tests: a lab of real hosts, nines on its config, and users that keep count.

Everything here runs the real programs (build/nines or $NINES_BIN, and lab/), on free ports and in
folders of its own, and is ended by the fixture that started it. A lab also ends by itself when
pytest is gone (nines-lab up --owner).
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
NINES = pathlib.Path(os.environ.get("NINES_BIN", TOP / "build" / "nines")).resolve()
LAB_BUILD = pathlib.Path(os.environ.get("NINES_LAB_BUILD", NINES.parent / "lab"))
NINES_LAB = TOP / "lab" / "nines-lab"


def wait_for(what, seconds, probe, every=0.05):
    """The first true value of probe(); a failure that names what was waited for, if none comes."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(every)


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process, seconds=15):
    """Ends a process we started by SIGTERM; kills it, and says so, if it does not obey."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{process.args[0]} did not end within {seconds} s of SIGTERM")
    return process.returncode


class Lab:
    """One lab: `nines-lab` with its folder, and what a test wants to know of its hosts."""

    def __init__(self, directory, mode=None, hosts=8, boot=2):
        self.directory = pathlib.Path(directory)
        self.mode, self.count, self.boot = mode, hosts, boot
        self.names = [f"web-{i + 1}" for i in range(hosts)]

    def command(self, verb, *arguments, check=True, timeout=90):
        environment = dict(os.environ, NINES_LAB_BUILD=str(LAB_BUILD))
        done = subprocess.run(
            [str(NINES_LAB), verb, "--dir", str(self.directory), *map(str, arguments)],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, check=False)
        if check and done.returncode != 0:
            pytest.fail(f"nines-lab {verb} {arguments}: exit {done.returncode}\n"
                        f"{done.stdout}{done.stderr}")
        return done

    def up(self, owner=None):
        arguments = ["--hosts", self.count, "--boot", self.boot, "--owner", owner or os.getpid()]
        if self.mode:
            arguments += ["--mode", self.mode]
        return self.command("up", *arguments)

    def down(self):
        return self.command("down")

    def run(self, host, command, check=True, timeout=60):
        """A shell command on a host, over ssh; its output."""
        return self.command("run", host, command, check=check, timeout=timeout).stdout

    def break_host(self, host, fault, *arguments):
        self.command("break", host, fault, *arguments)

    def heal(self, host):
        self.command("heal", host)

    def kill(self, host):
        self.command("kill", host)

    def power_off(self, host):
        self.command("power-off", host)

    def power_on(self, host):
        self.command("power-on", host)

    @property
    def config(self):
        return self.directory / "nines.yaml"

    def listener(self):
        """ADDRESS:PORT of the first listener in the config."""
        return re.search(r"listen:\n\s+- address: (\S+)", self.config.read_text()).group(1)

    def address(self, host):
        """ADDRESS:PORT of the host's service."""
        return re.search(rf'name: {host}, address: "([^"]+)"', self.config.read_text()).group(1)

    def file(self, host, name):
        return self.directory / "hosts" / host / name

    def state(self, host):
        return self.file(host, "state").read_text().strip()

    def boot_id(self, host):
        """As the host itself says, over ssh."""
        return self.run(
            host, "cat ${NINES_LAB_BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}").strip()

    def version(self, host):
        """Of the package lab-web, as the host's dpkg says, over ssh."""
        return self.run(host, "dpkg-query -W -f '${Version}' lab-web").strip()

    def wait_up(self, host, seconds=15):
        wait_for(f"{host} to be up", seconds, lambda: self.state(host) == "up")

    def get(self, host, path="/", timeout=5):
        """(status, headers, body) of a GET at the host itself, past nines."""
        return get(self.address(host), path, timeout)


def get(address, path="/", timeout=5):
    connection = http.client.HTTPConnection(address, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


_NAMESPACES = []


def why_no_namespaces():
    """Empty if this machine lets us make hosts with namespaces, else the reason."""
    if not _NAMESPACES:
        directory = tempfile.mkdtemp(prefix="nines-probe-")
        lab = Lab(directory, "namespaces", hosts=1)
        done = lab.command("up", "--mode", "namespaces", "--hosts", 1, check=False)
        lab.down()
        _NAMESPACES.append(done.stderr.strip() if done.returncode else "")
    return _NAMESPACES[0]


def need_mode(mode):
    if mode == "namespaces" and why_no_namespaces():
        pytest.skip(f"namespaces: {why_no_namespaces()}")


@contextlib.contextmanager
def lab_in_folder(**settings):
    """A lab that is up, and down again afterwards."""
    directory = tempfile.mkdtemp(prefix="nines-lab-", dir="/tmp")
    lab = Lab(directory, **settings)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def lab(request):
    """A lab for the tests of one module. Choose it by indirect parameters, for example
    @pytest.mark.parametrize("lab", [{"hosts": 4, "mode": "processes"}], indirect=True)."""
    settings = dict(getattr(request, "param", {}))
    need_mode(settings.get("mode"))
    with lab_in_folder(**settings) as made:
        yield made


@pytest.fixture
def fresh_lab(request):
    """As `lab`, for one test alone: for those that leave hosts broken."""
    settings = dict(getattr(request, "param", {}))
    need_mode(settings.get("mode"))
    with lab_in_folder(**settings) as made:
        yield made


class Nines:
    """`nines serve` on a config, and the commands that talk to it."""

    def __init__(self, config, log):
        self.config = pathlib.Path(config)
        text = self.config.read_text()
        self.admin = pathlib.Path(re.search(r"^admin: (\S+)", text, re.M).group(1))
        self.log = pathlib.Path(log)
        self.process = None

    def start(self, seconds=15):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(NINES), "serve", "-c", str(self.config)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        wait_for("nines to listen", seconds, self.is_listening)
        return self

    def is_listening(self):
        if self.process.poll() is not None:
            pytest.fail(f"nines serve ended with {self.process.returncode}:\n{self.log_text()}")
        return all((self.admin / name).exists() for name in ("balancer.sock", "controller.sock"))

    def stop(self):
        return stop(self.process) if self.process else None

    def log_text(self):
        return self.log.read_text(errors="replace")

    def command(self, *arguments, timeout=60):
        """Runs `nines ARGUMENT...`; the caller looks at returncode, stdout, stderr."""
        return subprocess.run(
            [str(NINES), *map(str, arguments), "-c", str(self.config)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False)

    def spawn(self, *arguments):
        """As command(), without waiting."""
        return subprocess.Popen(
            [str(NINES), *map(str, arguments), "-c", str(self.config)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def status(self):
        done = self.command("status", "--json")
        if done.returncode != 0:
            pytest.fail(f"nines status: {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def hosts(self, tier="web"):
        """The hosts of a tier by name, as `nines status --json` shows them."""
        tiers = {entry["name"]: entry for entry in self.status()["tiers"]}
        return {host["name"]: host for host in tiers[tier]["hosts"]}


@pytest.fixture
def nines():
    """nines(config) starts `nines serve` on a config; all are stopped at the end of the test."""
    if not NINES.exists():
        pytest.fail(f"no {NINES}: build first, or set NINES_BIN")
    started = []

    def start(config):
        instance = Nines(config, str(config) + ".log")
        started.append(instance)
        return instance.start()

    yield start
    for instance in started:
        instance.stop()


class Load:
    """nines-load at work; stop() ends it and returns its summary."""

    def __init__(self, target, directory, rate, seconds, options):
        self.evidence = pathlib.Path(directory) / "requests.csv"
        self.live = pathlib.Path(directory) / "live.jsonl"
        self.process = subprocess.Popen(
            [str(LAB_BUILD / "nines-load"), "--rate", str(rate), "--seconds", str(seconds),
             "--evidence", str(self.evidence), "--live", str(self.live), "--interval", "250",
             *map(str, options), target],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def wait(self, timeout=60):
        out, _ = self.process.communicate(timeout=timeout)
        return json.loads(out)

    def stop(self, timeout=30):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def now_s(self):
        """How long the users have been there, as of the last line on them."""
        lines = self.live.read_text().splitlines(keepends=True) if self.live.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        return json.loads(whole[-1])["t"] if whole else 0

    def wait_until_s(self, seconds):
        wait_for(f"{seconds} s of users", max(0, seconds - self.now_s()) + 10,
                 lambda: self.now_s() >= seconds)

    def rows(self):
        """The evidence, one dict a request; whole once the load has ended."""
        lines = self.evidence.read_text().splitlines()
        names = lines[0].split(",")
        return [dict(zip(names, line.split(","))) for line in lines[1:]]


@pytest.fixture
def load():
    """load("127.0.0.1:8080", rate=500, seconds=30, options=["--post", 50]) starts users."""
    started, directories = [], []

    def start(target, rate=200, seconds=60, options=()):
        directories.append(tempfile.mkdtemp(prefix="nines-load-"))
        started.append(Load(target, directories[-1], rate, seconds, options))
        return started[-1]

    yield start
    for instance in started:
        if instance.process.poll() is None:
            instance.process.kill()
        instance.process.communicate()
    for directory in directories:
        shutil.rmtree(directory)
