"""Configs that nines serve and nines update refuse, with the exact words; check only warns."""

import pathlib
import re
import subprocess
import tempfile

import pytest

import conftest

CONFIG = """\
listen: [{{ address: "127.0.0.1:{port}", tier: web }}]
tiers:
  web:
    hosts:
      - {{ name: web-1, address: "127.0.0.1:9", driver: ssh, ssh: root@web-1 }}
      - {{ name: web-2, address: "127.0.0.2:9", driver: ssh, ssh: root@web-2 }}
    update:
      {update}
      install: {{ method: apt, packages: [lab-web] }}
state: sqlite:{folder}/state.db
admin: {folder}/run
"""

# What is written, where it stands, and what is said of it.
UNBUILT = {
    "strategy: canary": (
        "8:7", "'update.strategy' in tier 'web' is 'canary', which is not built in this version: "
        "serve and update refuse it"),
    "max_surge: 1": (
        "8:7", "'update.max_surge' in tier 'web' is not built in this version: serve and update "
        "refuse it"),
    "verify: { shadow: on }": (
        "8:17", "'update.verify.shadow' in tier 'web' is not built in this version: serve and "
        "update refuse it"),
}


def run(*words):
    return subprocess.run([str(conftest.NINES), *map(str, words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20, check=False)


def write(folder, update="reboot: when_required"):
    path = folder / "nines.yaml"
    path.write_text(CONFIG.format(port=conftest.free_port(), update=update, folder=folder))
    return path


@pytest.mark.parametrize("setting", UNBUILT)
def test_what_is_not_built_is_refused_by_name(setting, tmp_path):
    place, text = UNBUILT[setting]
    path = write(tmp_path, setting)
    said = f"{path}:{place}: warning: {text}\n"

    check = run("check", "-c", path)
    assert (check.returncode, check.stderr) == (0, said)
    serve = run("serve", "-c", path)
    assert (serve.returncode, serve.stderr) == (
        2, said + "nines: not serving: remove the settings that this version does not have\n")
    update = run("update", "web", "-c", path)
    assert (update.returncode, update.stderr) == (4, said)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["nines.yaml"]


def test_an_update_minds_its_own_tier(tmp_path):
    """What another tier has is not this one's matter; here it gets as far as to find no daemon."""
    path = write(tmp_path)
    path.write_text(path.read_text().replace("state:", """\
  api:
    hosts: [{ name: api-1, address: "127.0.0.1:9" }]
    update: { strategy: canary }
state:""", 1))
    assert run("serve", "-c", path).returncode == 2
    assert run("update", "api", "-c", path).returncode == 4
    update = run("update", "web", "-c", path)
    assert update.returncode == 3 and "start it with nines serve" in update.stderr


BAD = {
    "fraction: 3": "8:7: unknown setting 'fraction' in tier 'web'; known here: strategy, "
                   "max_unavailable, max_surge, failure_domain, drain, floor, install, reboot, "
                   "reboot_deadline, verify, on_failure",
    "max_unavailable: 0.5": "8:24: 'update.max_unavailable' in tier 'web' is '0.5'; it must be a "
                            "share, such as 20%, or a number of hosts",
    "reboot_deadline: 10": "8:24: 'update.reboot_deadline' in tier 'web' is '10', which has no "
                           "unit; did you mean '10s'?",
    "strategy: roling": "8:17: 'update.strategy' in tier 'web' is 'roling', not one of rolling, "
                        "canary, blue_green, red_black, recreate; did you mean 'rolling'?",
}


@pytest.mark.parametrize("setting", BAD)
@pytest.mark.parametrize("words", [["serve"], ["update", "web"], ["status"], ["drain", "web-1"]],
                         ids=" ".join)
def test_no_command_works_with_a_bad_config(setting, words, tmp_path):
    path = write(tmp_path, setting)
    done = run(*words, "-c", path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{path}:{BAD[setting]}\n")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["nines.yaml"]


@pytest.mark.parametrize("words", [["serve"], ["balancer"], ["controller"], ["update", "web"]],
                         ids=" ".join)
def test_a_config_that_is_not_there(words, tmp_path):
    done = run(*words, "-c", tmp_path / "none.yaml")
    assert done.returncode == 2
    assert re.fullmatch(f"nines: .*cannot open {tmp_path}/none.yaml: No such file or directory.*\n",
                        done.stderr), done.stderr


@pytest.fixture
def folder():
    """A folder with a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="nines-", dir="/tmp") as made:
        yield pathlib.Path(made)


def test_serve_names_the_address_that_is_taken(folder, nines):
    running = nines(write(folder))
    other = folder / "other"
    other.mkdir()
    path = other / "nines.yaml"
    path.write_text(running.config.read_text().replace(f"{folder}/", f"{other}/"))
    done = run("serve", "-c", path)
    assert done.returncode == 1
    address = running.config.read_text().split('"')[1]
    assert re.fullmatch(f"nines: .*{address}.*: Address already in use\n", done.stderr), done.stderr


def test_a_second_serve_on_the_same_folder_is_refused(folder, nines):
    running = nines(write(folder))
    done = run("serve", "-c", running.config)
    assert done.returncode == 4
    assert done.stderr == ("nines: nines runs already with this admin folder "
                           f"({folder}/run/nines.pid, pid {running.process.pid})\n")
    # And the first goes on undisturbed.
    assert running.process.poll() is None
    assert running.command("status").returncode == 0
