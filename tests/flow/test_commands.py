"""The command line beside an update: failures for programs, status, completion, the parent."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from conftest import NINES, free_port, stop, wait_for

CONFIG = """\
listen: [{{ address: 127.0.0.1:{port}, tier: web }}]
admin: {folder}/run
state: sqlite:{folder}/state.db
tiers:
  web:
    health: off
    hosts:
      - {{ name: web-1, zone: a, address: 127.0.0.1:1 }}
      - {{ name: web-2, zone: b, address: 127.0.0.1:2 }}
"""


class Site:
    """One config, and nines on it."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "nines.yaml"
        self.config.write_text(CONFIG.format(folder=folder, port=free_port()))

    def run(self, *arguments):
        return subprocess.run([str(NINES), *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=30, check=False,
                              env=dict(os.environ, NINES_CONFIG=str(self.config)))

    def json(self, *arguments, exit_code=0):
        done = self.run(*arguments, "--json")
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def serving(self, command, *sockets):
        with open(self.folder / "stderr", "w", encoding="utf-8") as errors:
            process = subprocess.Popen([str(NINES), command, "-c", str(self.config)],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=errors)
        try:
            for name in sockets:
                wait_for(name, 20, (self.folder / "run" / f"{name}.sock").exists)
            yield process
        finally:
            stop(process, 60)

    def said(self):
        return (self.folder / "stderr").read_text()


@pytest.fixture(name="site")
def make_site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    yield Site(folder)
    shutil.rmtree(folder, ignore_errors=True)


def children(pid):
    """Name of each child (balancer, controller) and its pid."""
    found = {}
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            words = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if len(words) > 1 and words[1].startswith(b"child-"):
                found[words[1].decode().removeprefix("child-")] = int(child)
    return found


@pytest.mark.parametrize("arguments, exit_code, error", [
    (["updte"], 2, "unknown command 'updte'; did you mean 'update'?"),
    (["plan"], 2, "nines plan needs TIER; see nines plan --help"),
    (["plan", "wbe"], 2, "there is no tier 'wbe' in "),
    (["status"], 3, "the controller cannot be reached "),
    (["log", "../x"], 2, "'../x' is no rollout: name one by its number, see nines status"),
    (["pause", "0"], 2, "'0' is no rollout: name one by its number, see nines status"),
    (["drain", "web-9"], 2, "there is no host 'web-9' in "),
    (["completion", "tcsh"], 2, "no completion for 'tcsh': bash, zsh or fish"),
    (["-c", "/nowhere/x.yaml", "check"], 2, "cannot open /nowhere/x.yaml: "),
    (["-c", "/nowhere/x.yaml", "status"], 2, "cannot open /nowhere/x.yaml: "),
])
def test_programs_are_told_of_failures(site, arguments, exit_code, error):
    told = site.json(*arguments, exit_code=exit_code)
    assert told["exit"] == exit_code
    assert told["error"].startswith(error)
    plain = site.run(*arguments)
    assert plain.returncode == exit_code
    assert plain.stdout == ""
    assert plain.stderr.startswith("nines: " + error)


def test_a_config_that_is_wrong_is_a_failure_with_its_place(site):
    site.config.write_text("tiers: { web: { hosts: [] } }\nlisten: x\n")
    told = site.json("status", exit_code=2)
    assert told["exit"] == 2
    assert told["error"].startswith(f"{site.config}:")


def test_status_of_a_balancer_alone(site):
    with site.serving("balancer", "balancer"):
        status = wait_for("the balancer", 10, lambda: site.run("status").returncode == 0)
        status = site.json("status")
        assert status["controller"] is False and status["rollouts"] == []
        tier = status["tiers"][0]
        assert tier["name"] == "web" and tier["serving_capacity"] == 1
        assert tier["traffic"]["balancer_reachable"] is True
        assert [(host["name"], host["zone"], host["state"], host["healthy"], host["in_flight"])
                for host in tier["hosts"]] == [("web-1", "a", "serving", True, 0),
                                               ("web-2", "b", "serving", True, 0)]
        assert site.run("drain", "web-1", "--wait").returncode == 0
        host = site.json("status")["tiers"][0]["hosts"][0]
        assert host["state"] == "drained" and host["cordoned"] is True
        assert "no controller runs here" in site.run("status").stdout


def test_status_has_the_same_members_with_a_controller(site):
    def members(value):
        if isinstance(value, dict):
            return {name: members(one) for name, one in value.items()}
        return [members(one) for one in value[:1]] if isinstance(value, list) else None

    with site.serving("balancer", "balancer"):
        wait_for("the balancer", 10, lambda: site.run("status").returncode == 0)
        alone = members(site.json("status"))
    with site.serving("serve", "balancer", "controller"):
        wait_for("the controller", 10, lambda: site.run("status").returncode == 0)
        both = members(site.json("status"))
    assert alone.pop("controller", "missing") is None
    assert alone == both


def test_head_changes_nothing_and_unknown_members_are_refused(site):
    with site.serving("serve", "balancer", "controller"):
        wait_for("the controller", 10, lambda: site.run("status").returncode == 0)
        curl = ["curl", "-s", "--max-time", "5", "--unix-socket",
                str(site.folder / "run" / "controller.sock")]
        head = subprocess.run([*curl, "-I", "http://x/v1/rollouts/latest/pause"],
                              capture_output=True, text=True, timeout=20, check=True)
        assert " 405 " in head.stdout or " 404 " in head.stdout
        order = subprocess.run(
            [*curl, "-d", '{"tier":"web","emergency":true}', "http://x/v1/updates"],
            capture_output=True, text=True, timeout=20, check=True)
        assert json.loads(order.stdout)["error"] == \
            "this version does not know 'emergency' in an order"


@pytest.mark.parametrize("name", ["balancer", "controller"])
def test_a_young_child_that_is_killed_is_started_again(site, name):
    with site.serving("serve") as parent:
        first = wait_for(f"the {name}", 10, lambda: children(parent.pid).get(name), 0.005)
        os.kill(first, signal.SIGKILL)
        wait_for(f"another {name}", 20,
                 lambda: children(parent.pid).get(name, first) != first, 0.02)
        wait_for("an answer", 20, lambda: site.run("status").returncode == 0)
        assert parent.poll() is None
        assert f"the {name} ended (killed by signal 9); starting it again" in site.said()


def test_a_first_start_that_fails_ends_the_parent(site):
    (site.folder / "state.db").write_text("this is no database, and long enough to be judged\n" * 40)
    done = subprocess.run([str(NINES), "serve", "-c", str(site.config)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode not in (0, None)
    assert "the controller could not start" in done.stderr


def test_a_second_one_is_refused_and_the_first_stays(site):
    with site.serving("serve", "balancer", "controller") as parent:
        wait_for("the controller", 10, lambda: site.run("status").returncode == 0)
        second = subprocess.run([str(NINES), "serve", "-c", str(site.config)], timeout=30,
                                capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                check=False)
        assert second.returncode == 4
        assert f"pid {parent.pid}" in second.stderr
        assert (site.folder / "run" / "nines.pid").read_text() == f"{parent.pid}\n"
        assert site.run("status").returncode == 0
    assert (site.folder / "run" / "nines.pid").read_text() == ""


def complete(site, *words):
    done = site.run("__complete", "--", *words)
    assert done.returncode == 0, done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_completion(site):
    assert complete(site, "up") == ["update"]
    assert "serve" in complete(site, "") and "child-balancer" not in complete(site, "")
    assert complete(site, "plan", "") == ["web"]
    assert complete(site, "drain", "web-") == ["web-1", "web-2"]
    assert complete(site, "drain", "web/") == ["web/web-1", "web/web-2"]
    assert complete(site, "update", "web", "--only", "") == ["web-1", "web-2"]
    assert complete(site, "update", "web", "--d") == ["--detach"]
    assert complete(site, "-c", "/nowhere", "plan", "") == []
    assert complete(site, "completion", "z") == ["zsh"]
    assert complete(site, "plan", "web", "") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_takes_its_completion(site):
    script = site.run("completion", "bash").stdout
    done = subprocess.run(
        ["bash", "-c", script + 'COMP_WORDS=(nines drain web-); COMP_CWORD=2; _nines\n'
         'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True, text=True, timeout=20, check=True,
        env=dict(os.environ, NINES_CONFIG=str(site.config),
                 PATH=f"{NINES.parent}:{os.environ['PATH']}"))
    assert done.stdout.split() == ["web-1", "web-2"]
    for shell in ("zsh", "fish"):
        assert "nines __complete -- " in site.run("completion", shell).stdout
