"""The lab itself: what it promises to the tests and to the demo that stand on it."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys

import conftest
import pytest

MODES = [{"mode": "namespaces", "hosts": 2, "boot": 1}, {"mode": "processes", "hosts": 2, "boot": 1}]
UPGRADE = ("apt-get -qq update && DEBIAN_FRONTEND=noninteractive "
           "apt-get -qq -y --allow-downgrades install lab-web=")


def mode_of(settings):
    return settings["mode"]


def processes_of(lab):
    """Processes of the machine that carry the lab's mark, or its paths."""
    mark = (lab.directory / ".nines-lab").read_text().strip().encode()
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"NINES_LAB=" + mark in environment:
            found.append(int(entry.name))
    return found


def ancestors(pid):
    while pid > 1:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        pid = int(re.search(r"^PPid:\t(\d+)$", status, re.M).group(1))
        yield pid


def sessions(lab):
    """The processes that serve ssh connections to the lab's hosts."""
    fleet = int((lab.directory / "fleet.pid").read_text())
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            title = (entry / "cmdline").read_bytes()
            if (title.startswith(b"sshd: ") and b"[listener]" not in title
                    and fleet in ancestors(int(entry.name))):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def has_ended(pid):
    """Gone, or waiting for its parent to ask about it."""
    try:
        return "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def interfaces(lab):
    """Those of the lab's network in this machine's namespace."""
    network = re.search(r"^NET=(\d*)$", (lab.directory / "lab.env").read_text(), re.M).group(1)
    return {name for name in os.listdir("/sys/class/net")
            if network and re.match(rf"nl{network}[hp]\d+", name)}


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_status_names_every_host(lab):
    status = lab.command("status").stdout
    for host in lab.names:
        line = re.search(rf"^{host} .*$", status, re.M).group(0)
        assert " up " in line and "lab-web 1.0-1" in line
        assert lab.boot_id(host) in line
    assert lab.boot_id("web-1") != lab.boot_id("web-2")


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_install_runs_the_new_version_and_asks_for_a_reboot(lab):
    assert lab.get("web-1")[1]["X-Lab-Version"] == "1.0-1"
    lab.run("web-1", UPGRADE + "1.0-2")
    status, headers, _ = lab.get("web-1")
    assert (status, headers["X-Lab-Version"], headers["X-Lab-Host"]) == (200, "1.0-2", "web-1")
    root = "${NINES_LAB_ROOT:-}"
    assert "System restart required" in lab.run("web-1", f"cat {root}/run/reboot-required")
    assert lab.run("web-1", f"cat {root}/run/reboot-required.pkgs").split() == ["lab-web"]
    assert (lab.version("web-1"), lab.version("web-2")) == ("1.0-2", "1.0-1")


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_bad_version_is_healthy_and_fails_users(lab):
    lab.run("web-2", UPGRADE + "1.0-3")
    assert lab.get("web-2", "/healthz")[0] == 200
    assert lab.get("web-2", "/")[0] == 500
    lab.run("web-2", UPGRADE + "1.0-1")
    assert lab.get("web-2", "/")[0] == 200


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_reboot_ends_every_process_and_changes_the_boot_id(lab):
    lab.run("web-1", UPGRADE + "1.0-2")
    before, neighbour = lab.boot_id("web-1"), lab.boot_id("web-2")
    # A process that has left its session and its parent, and one that ignores polite signals.
    lab.run("web-1", "setsid sh -c 'trap \"\" TERM HUP; exec sleep 987' </dev/null >/dev/null 2>&1 &")
    sleepers = [pid for pid in processes_of(lab)
                if b"987" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(sleepers) == 1
    lab.run("web-1", "reboot", check=False)
    conftest.wait_for("web-1 to go off", 5, lambda: lab.state("web-1") == "off")
    conftest.wait_for("the process to end", 1, lambda: has_ended(sleepers[0]))
    with pytest.raises(OSError):
        lab.get("web-1", timeout=0.5)
    lab.wait_up("web-1")
    assert lab.boot_id("web-1") not in (before, neighbour)
    assert lab.boot_id("web-2") == neighbour
    assert lab.version("web-1") == "1.0-2"  # The disk stayed,
    assert "reboot-required" not in lab.run("web-1", "ls ${NINES_LAB_ROOT:-}/run")  # /run did not.
    assert lab.get("web-1")[1]["X-Lab-Version"] == "1.0-2"


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_killed_service_comes_back(lab):
    lab.kill("web-2")
    with pytest.raises(OSError):
        lab.get("web-2", timeout=0.5)

    def answers():
        try:
            return lab.get("web-2")[0] == 200
        except OSError:
            return False

    conftest.wait_for("the service of web-2", 5, answers)


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_faults(lab):
    lab.break_host("web-1", "apt-fails")
    assert "Hash Sum mismatch" in lab.command("run", "web-1", UPGRADE + "1.0-3", check=False).stderr
    lab.heal("web-1")
    lab.break_host("web-1", "postinst-fails")
    assert lab.command("run", "web-1", UPGRADE + "1.0-3", check=False).returncode != 0
    lab.heal("web-1")
    lab.run("web-1", "dpkg --configure -a")
    lab.break_host("web-1", "ssh-hangs")
    with pytest.raises(subprocess.TimeoutExpired):
        lab.run("web-1", "true", timeout=1.5)
    lab.heal("web-1")
    assert lab.run("web-1", "echo well") == "well\n"
    lab.break_host("web-1", "never-returns")
    lab.run("web-1", "shutdown -r now", check=False)
    conftest.wait_for("web-1 to go off", 5, lambda: lab.state("web-1") == "off")
    with pytest.raises(OSError):
        lab.get("web-1", timeout=2)
    assert lab.state("web-1") == "off"
    lab.heal("web-1")
    lab.wait_up("web-1")


@pytest.mark.parametrize("lab", MODES, indirect=True, ids=mode_of)
def test_power_off_is_silent_and_power_on_boots(lab):
    before = lab.boot_id("web-2")
    lab.power_off("web-2")
    assert lab.state("web-2") == "off"
    lab.power_on("web-2")
    lab.wait_up("web-2")
    assert lab.boot_id("web-2") != before


@pytest.mark.parametrize("mode", ["namespaces", "processes"])
def test_down_leaves_nothing(mode, tmp_path):
    conftest.need_mode(mode)
    directory = tmp_path / "lab"
    lab = conftest.Lab(directory, mode, hosts=3)
    lab.up()
    running, links = processes_of(lab), interfaces(lab)
    assert len(running) >= 3 * 4
    assert len(links) == (3 if mode == "namespaces" else 0)
    lab.down()
    assert not directory.exists()
    assert not [pid for pid in running if not has_ended(pid)]
    assert not links & set(os.listdir("/sys/class/net"))
    assert str(directory) not in pathlib.Path("/proc/mounts").read_text()
    assert lab.command("status", check=False).returncode == 3


@pytest.mark.parametrize("mode", ["namespaces", "processes"])
def test_next_up_removes_what_a_killed_lab_left(mode, tmp_path):
    conftest.need_mode(mode)
    lab = conftest.Lab(tmp_path / "lab", mode, hosts=2)
    lab.up()
    orphans = processes_of(lab)
    # The worst that can happen to a lab: the ends of its chains of parents, all at once.
    for name in ("fleet.pid", "hosts/web-1/keeper.pid", "hosts/web-1/machine.pid", "guard.pid"):
        with contextlib.suppress(ProcessLookupError):  # Gone already with the one before.
            os.kill(int((lab.directory / name).read_text()), signal.SIGKILL)
    assert "up (" in lab.up().stdout
    assert not set(orphans) & set(processes_of(lab))
    assert lab.get("web-1")[0] == 200
    lab.down()
    assert not lab.directory.exists()


@pytest.mark.parametrize("mode", ["namespaces", "processes"])
def test_down_ends_sessions_and_masters(mode, tmp_path):
    """Both overwrite their environment; those of a host whose sshd hangs are stopped, too."""
    conftest.need_mode(mode)
    lab = conftest.Lab(tmp_path / "lab", mode, hosts=1)
    lab.up()
    master = subprocess.Popen(
        ["ssh", "-F", str(lab.directory / "ssh_config"), "-N", "-o", "ControlMaster=yes",
         "-o", f"ControlPath={lab.directory}/master", "web-1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        conftest.wait_for("the master", 5, (lab.directory / "master").exists)
        serving = sessions(lab)
        assert serving
        lab.break_host("web-1", "ssh-hangs")
        lab.down()
        assert all(has_ended(pid) for pid in serving)
        assert master.wait(5) != 0
    finally:
        master.kill()
        master.wait()


def test_lab_ends_with_its_owner(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lab = conftest.Lab(tmp_path / "lab", "processes", hosts=1)
    lab.up(owner=owner.pid)
    owner.kill()
    owner.wait()
    conftest.wait_for("the lab to go down", 10, lambda: not lab.directory.exists())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_up_cleans_up(number, tmp_path):
    lab = conftest.Lab(tmp_path / "lab", "processes", hosts=2)
    starting = subprocess.Popen(
        [str(conftest.NINES_LAB), "up", "--mode", "processes", "--dir", str(lab.directory)],
        env=dict(os.environ, NINES_LAB_BUILD=str(conftest.LAB_BUILD)), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    conftest.wait_for("the fleet", 10, lambda: (lab.directory / "fleet.pid").exists())
    os.killpg(starting.pid, number)
    assert starting.wait(10) != 0
    assert not lab.directory.exists()


def test_refusals_name_the_cause(tmp_path):
    lab = conftest.Lab(tmp_path, "processes", hosts=1)
    (tmp_path / "letter.txt").write_text("dear")
    refused = lab.command("up", check=False)
    assert refused.returncode == 1 and "is neither empty nor a lab" in refused.stderr
    assert (tmp_path / "letter.txt").exists()
    assert "not a lab" in lab.command("down", check=False).stdout or (tmp_path / "letter.txt").exists()
    assert "--hosts is 1 to 60" in lab.command("up", "--hosts", "0", check=False).stderr
    assert "no lab in" in lab.command("kill", "web-1", check=False).stderr
