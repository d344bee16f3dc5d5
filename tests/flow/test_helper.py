"""The helper that nines runs on hosts (src/drive/helper.sh), with the real apt and dpkg.

Each test has a root of its own: a dpkg database, apt's folders and two package archives that the
test fills, so that nothing of this machine is installed or removed. The job is sent as the host
drivers send it: the helper's text and the job as the input of `sh -s`.
"""

import fcntl
import hashlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
HELPER = (TOP / "src" / "drive" / "helper.sh").read_text()
ARCH = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                      check=True).stdout.strip()
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/:=+,@%^.-"


def words(*values):
    """As src/drive/host_request.c writes the words of a list."""
    return " ".join("." + "".join(c if c in PLAIN else "".join(f"\\0{b:03o}" for b in c.encode())
                                  for c in value) for value in values)


def text_of(**fields):
    job = {"token": 1, "timeout_s": 60, "packages": "", **fields}
    lines = "".join(f"{name}={value}\n" for name, value in job.items())
    return (f"nines_text() {{\ncat <<'NINES_TEXT_ENDS_HERE'\n{HELPER}NINES_TEXT_ENDS_HERE\n}}\n"
            f"nines_request='{lines}'\neval \"$(nines_text)\"\n")


class Answer:
    """What stands between the two lines that mark an answer."""

    def __init__(self, job, done):
        lines = done.stdout.split("\n")
        assert f"nines-answer {job}" in lines and f"nines-end {job}" in lines, done
        inside = lines[lines.index(f"nines-answer {job}") + 1:lines.index(f"nines-end {job}")]
        self.output = "\n".join(line[1:] for line in inside if line.startswith("|"))
        self.fields = dict(line.split("=", 1) for line in inside if not line.startswith("|"))

    def __getattr__(self, name):
        return self.fields[name]

    def versions(self, when):
        return self.fields[f"{when}.versions"]


class Archive:
    """A package archive in a folder; `origin` is the label and suite of its Release file."""

    def __init__(self, folder, label, suite):
        self.folder, self.label, self.suite = folder, label, suite
        folder.mkdir()
        self.index()

    def add(self, name, version, conffile=None, postinst=None, depends=None):
        tree = self.folder.parent / f"tree-{name}-{version.replace(':', '%')}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / f"usr/share/{name}").mkdir(parents=True)
        (tree / f"usr/share/{name}/version").write_text(version)
        control = (f"Package: {name}\nVersion: {version}\nArchitecture: {ARCH}\n"
                   "Maintainer: nines <nines@localhost>\nDescription: for a test\n")
        if depends:
            control += f"Depends: {depends}\n"
        (tree / "DEBIAN/control").write_text(control)
        if conffile:
            (tree / "etc").mkdir()
            (tree / f"etc/{name}.conf").write_text(conffile)
            (tree / "DEBIAN/conffiles").write_text(f"/etc/{name}.conf\n")
        if postinst:
            (tree / "DEBIAN/postinst").write_text("#!/bin/sh\nset -e\n" + postinst)
            (tree / "DEBIAN/postinst").chmod(0o755)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, self.folder],
                       check=True, stdout=subprocess.DEVNULL)
        self.index()

    def remove(self, name, version):
        (self.folder / f"{name}_{version}_{ARCH}.deb").unlink()
        self.index()

    def index(self):
        packages = ""
        for file in sorted(self.folder.glob("*.deb")):
            control = subprocess.run(["dpkg-deb", "-f", file], capture_output=True, text=True,
                                     check=True).stdout
            content = file.read_bytes()
            packages += (f"{control}Filename: ./{file.name}\nSize: {len(content)}\n"
                         f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n")
        (self.folder / "Packages").write_text(packages)
        digest = hashlib.sha256(packages.encode()).hexdigest()
        (self.folder / "Release").write_text(
            f"Label: {self.label}\nOrigin: {self.label}\nSuite: {self.suite}\n"
            f"SHA256:\n {digest} {len(packages)} Packages\n")


class Machine:
    """A root with its own packages, and the helper on it."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "root"
        for name in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/apt/lists/partial",
                     "var/cache/apt/archives/partial", "etc/apt/apt.conf.d", "var/log/apt", "run",
                     "etc/apt/preferences.d", "etc/apt/sources.list.d"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").write_text("")
        self.main = Archive(folder / "main", "Test", "stable")
        self.security = Archive(folder / "security", "Test-Security", "stable-security")
        (self.root / "etc/apt/sources.list").write_text(
            f"deb [trusted=yes] file:{self.main.folder} ./\n"
            f"deb [trusted=yes] file:{self.security.folder} ./\n")
        options = "".join(f'DPkg::Options {{"{option}";}};\n' for option in (
            f"--root={self.root}", "--force-not-root", "--force-script-chrootless",
            "--force-bad-path", "--log=/dev/null"))
        (folder / "apt.conf").write_text(
            f'Dir "{self.root}";\nDir::State::status "{self.root}/var/lib/dpkg/status";\n'
            f'Dir::Log "{self.root}/var/log/apt";\nDir::Bin::Methods "/usr/lib/apt/methods";\n'
            f'APT::Architecture "{ARCH}";\nAPT::Sandbox::User "";\n'
            f'Dir::Etc "{self.root}/etc/apt";\n{options}')
        self.environment = dict(
            os.environ, NINES_LAB_ROOT=str(self.root), APT_CONFIG=str(folder / "apt.conf"),
            DPKG_ROOT=str(self.root), DPKG_FORCE="downgrade,not-root,script-chrootless,bad-path")

    @property
    def state(self):
        return self.root / "var/lib/nines"

    def start(self, **fields):
        process = subprocess.Popen(["sh", "-s"], env=self.environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        process.stdin.write(text_of(**fields))
        process.stdin.close()
        process.stdin = None
        return process

    def ask(self, **fields):
        done = subprocess.run(["sh", "-s"], input=text_of(**fields), env=self.environment,
                              text=True, capture_output=True, timeout=60, check=False)
        return Answer(fields["id"], done)

    def facts(self, *packages, **fields):
        return self.ask(id="facts", verb="facts", packages=words(*packages), **fields)

    def install(self, job, *packages, version="", **fields):
        return self.ask(id=job, verb="install", packages=words(*packages), security="no",
                        version=version, **fields)

    def process_of(self, job):
        return int((self.state / "actions" / job / "process").read_text().split()[0])


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    made.main.add("web", "1.0-1", conffile="color=blue\n")
    made.main.add("other", "1.0-1")
    subprocess.run(["apt-get", "-qq", "update"], env=made.environment, check=True)
    done = subprocess.run(["apt-get", "-qq", "-y", "install", "web", "other"],
                          env=made.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def wait_for(seconds, probe):
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_facts_tell_what_would_come(machine):
    answer = machine.facts("web", "nothing")
    assert answer.versions("after") == answer.fields["after.candidates"] == "web=1.0-1 nothing="
    machine.main.add("web", "1.0-2")
    answer = machine.facts("web", "nothing")
    assert answer.versions("after") == "web=1.0-1 nothing="
    assert answer.fields["after.candidates"] == "web=1.0-2 nothing="
    assert answer.fields["after.reboot_required"] == "no"
    (machine.root / "run/reboot-required").write_text("")
    (machine.main.folder / "Packages").write_text("broken")
    answer = machine.facts("web")
    assert "after.candidates" not in answer.fields
    assert answer.fields["after.reboot_required"] == "yes"
    assert not list(pathlib.Path(machine.folder).glob("tmp.*"))


def test_install_the_newest_and_put_it_back(machine):
    (machine.root / "etc/web.conf").write_text("color=red\n")
    machine.main.add("web", "1.0-2", conffile="color=green\n", depends="library (>= 2)")
    machine.main.add("library", "2.0")
    answer = machine.install("roll.1", "web")
    assert answer.outcome == "ok", answer.output
    assert answer.versions("before") == "web=1.0-1 library="
    assert answer.versions("after") == "web=1.0-2"
    assert answer.put_back_possible == "yes"
    assert (machine.root / "etc/web.conf").read_text() == "color=red\n"
    again = machine.install("roll.1", "web")
    assert again.recorded == "yes" and again.versions("before") == answer.versions("before")
    # The archive has forgotten it: what was kept serves.
    machine.main.remove("web", "1.0-1")
    back = machine.ask(id="roll.1.back", verb="put-back", versions=answer.versions("before"))
    assert back.outcome == "ok", back.output
    assert back.versions("before") == "web=1.0-2" and back.versions("after") == "web=1.0-1"
    assert (machine.root / "usr/share/web/version").read_text() == "1.0-1"
    assert (machine.root / "etc/web.conf").read_text() == "color=red\n"
    assert machine.facts("web").fields["after.candidates"] == "web=1.0-2"


def test_nothing_newer_is_no_failure(machine):
    answer = machine.install("roll.1", "web")
    assert answer.outcome == "ok" and answer.versions("after") == "web=1.0-1"


def test_an_update_installs_nothing_that_is_not_there(machine):
    machine.main.add("third", "1.0-1")
    answer = machine.install("roll.1", "third")
    assert answer.outcome == "failed"
    assert answer.sentence == "none of the packages is installed: third"
    answer = machine.install("roll.2", "third", "web")
    assert answer.outcome == "ok" and answer.versions("after") == "third= web=1.0-1"


def test_a_wanted_version(machine):
    machine.main.add("web", "1.0-2")
    machine.main.add("web", "1.0-3")
    assert machine.install("a", "web", version="1.0-2").versions("after") == "web=1.0-2"
    assert machine.install("b", "web", version="1.0-1").versions("after") == "web=1.0-1"
    missing = machine.install("c", "web", version="7")
    assert missing.outcome == "failed"
    assert missing.sentence == ("apt-get install failed (exit status 100): "
                                "E: Version '7' for 'web' was not found")
    unknown = machine.install("d", "web", "wbe")
    assert unknown.outcome == "failed"
    assert unknown.sentence.endswith("E: Unable to locate package wbe")
    assert unknown.versions("after") == "web=1.0-1 wbe="


def test_the_old_version_cannot_be_had(machine):
    machine.main.remove("web", "1.0-1")
    machine.main.add("web", "1.0-2")
    for kept in (machine.root / "var/cache/apt/archives").glob("web_*.deb"):
        kept.unlink()
    answer = machine.install("roll.1", "web")
    assert answer.outcome == "ok" and answer.put_back_possible == "no"
    back = machine.ask(id="back", verb="put-back", versions="web=1.0-1")
    assert back.outcome == "failed"
    assert "Version '1.0-1' for 'web' was not found" in back.sentence
    assert back.versions("after") == "web=1.0-2"


def test_security_takes_only_what_a_security_archive_has(machine):
    machine.main.add("web", "1.0-5")
    machine.security.add("web", "1.0-1+deb12u1")
    machine.main.add("other", "1.0-2")
    seen = machine.facts(security="yes")
    assert seen.versions("after") == "web=1.0-1"
    assert seen.fields["after.candidates"] == "web=1.0-1+deb12u1"
    answer = machine.ask(id="roll.1", verb="install", security="yes", version="")
    assert answer.outcome == "ok", answer.output
    assert answer.versions("before") == "web=1.0-1"
    assert answer.versions("after") == "web=1.0-1+deb12u1"
    assert machine.facts("other").versions("after") == "other=1.0-1"
    seen = machine.facts(security="yes")
    assert seen.versions("after") == "" and seen.fields["after.candidates"] == ""
    again = machine.ask(id="roll.2", verb="install", security="yes", version="")
    assert again.outcome == "ok" and again.versions("after") == ""
    # What cannot be known is no "nothing".
    (machine.security.folder / "Packages").write_text("broken")
    assert machine.facts(security="yes").outcome == "failed"


def test_a_package_that_fails_to_configure_is_put_back(machine):
    machine.main.add("web", "1.0-2", postinst="echo cannot migrate >&2; exit 3\n")
    answer = machine.install("roll.1", "web")
    assert answer.outcome == "failed" and answer.exit_status == "100"
    assert "dpkg: error processing package web (--configure)" in answer.sentence
    assert "subprocess returned error exit status 3" in answer.sentence
    assert "cannot migrate" in answer.output
    assert answer.versions("after") == "web="
    back = machine.ask(id="roll.1.back", verb="put-back", versions=answer.versions("before"))
    assert back.outcome == "ok", back.output
    assert back.versions("after") == "web=1.0-1"


def test_a_lock_is_waited_for(machine):
    machine.main.add("web", "1.0-2")
    with (machine.root / "var/lib/dpkg/lock-frontend").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        process = machine.start(id="roll.1", verb="install", packages=words("web"), security="no",
                                version="")
        time.sleep(2.5)
        assert process.poll() is None
        assert machine.facts("web").versions("after") == "web=1.0-1"
    output, errors = process.communicate(timeout=30)
    answer = Answer("roll.1", subprocess.CompletedProcess([], 0, output, errors))
    assert answer.outcome == "ok" and answer.versions("after") == "web=1.0-2"


def test_dpkg_killed_amidst_is_mended_and_brought_to_its_end(machine):
    flag = machine.folder / "slow"
    flag.write_text("")
    machine.main.add("web", "1.0-2", postinst=f"[ ! -e {flag} ] || {{ touch {flag}.began; sleep 30; }}\n")
    process = machine.start(id="roll.1", verb="install", packages=words("web"), security="no",
                            version="")
    wait_for(30, (machine.folder / "slow.began").exists)
    # As if the power had failed: the front and all of the job go at once.
    os.killpg(process.pid, signal.SIGKILL)
    session = str(machine.process_of("roll.1"))
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[3] == session:
            os.kill(int(entry.parent.name), signal.SIGKILL)
    process.communicate()
    flag.unlink()
    assert machine.facts("web").versions("after") == "web="
    answer = machine.install("roll.1", "web")
    assert answer.outcome == "ok", answer.output
    assert answer.versions("before") == "web=1.0-1" and answer.versions("after") == "web=1.0-2"


def test_dpkg_goes_on_when_the_front_is_killed(machine):
    machine.main.add("web", "1.0-2", postinst=f"sleep 2; echo ran >>{machine.folder}/ran\n")
    process = machine.start(id="roll.1", verb="install", packages=words("web"), security="no",
                            version="")
    wait_for(30, (machine.state / "actions/roll.1/before").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    answer = machine.install("roll.1", "web")
    assert answer.outcome == "ok" and answer.recorded == "yes", answer.output
    assert answer.versions("after") == "web=1.0-2"
    assert (machine.folder / "ran").read_text() == "ran\n"


def test_a_text_that_was_cut_does_nothing(machine):
    marker = machine.folder / "marker"
    text = text_of(id="cut", verb="command", command=words("touch", str(marker)))
    for size in [*range(0, len(text) - 1, 611), *range(len(text) - 80, len(text) - 1)]:
        subprocess.run(["sh", "-s"], input=text[:size], env=machine.environment, text=True,
                       capture_output=True, timeout=20, check=False)
        assert not (machine.state / "actions/cut").exists() and not marker.exists(), size
    assert machine.ask(id="cut", verb="command", command=words("touch", str(marker))).outcome == "ok"
    assert marker.exists()


def test_records_are_bounded(machine):
    actions = machine.state / "actions"
    for number in range(230):
        (actions / f"old.{number}").mkdir(parents=True)
        (actions / f"old.{number}" / "end").write_text("outcome=ok\n")
    (actions / "unended").mkdir()
    os.utime(actions / "unended", (1, 1))
    assert machine.ask(id="new", verb="command", command=words("true")).outcome == "ok"
    left = [entry.name for entry in actions.iterdir()]
    assert "unended" in left and "new" in left and len(left) <= 202


def test_a_full_disk_of_records_stops_before_the_work(machine):
    marker = machine.folder / "marker"
    assert machine.ask(id="a", verb="command", command=words("true")).outcome == "ok"
    fake = machine.folder / "bin"
    fake.mkdir()
    (fake / "sync").write_text("#!/bin/sh\nexit 1\n")
    (fake / "sync").chmod(0o755)
    machine.environment["PATH"] = f"{fake}:{machine.environment['PATH']}"
    answer = machine.ask(id="b", verb="command", command=words("touch", str(marker)))
    assert answer.outcome == "failed" and "cannot keep its records" in answer.sentence
    assert not marker.exists()
