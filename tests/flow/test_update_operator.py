"""What an operator can do beside an update, and what is refused, with which exit code."""

import json
import re

import pytest

import conftest
import update_tools
from update_tools import census, configure, follow

ONE_AT_ONCE = ("max_unavailable: 25%", "max_unavailable: 1")
BARE_TIERS = """\
  bare:
    hosts: [{ name: bare-1, address: "127.0.0.1:9" }, { name: bare-2, address: "127.0.0.1:9" }]
    update: { install: { method: apt, packages: [lab-web] } }
  single:
    hosts: [{ name: single-1, address: "127.0.0.1:9", driver: ssh, ssh: root@web-1 }]
    update: { install: { method: apt, packages: [lab-web] } }
  strict:
    hosts:
      - { name: strict-1, address: "127.0.0.1:9", driver: ssh, ssh: root@web-1 }
      - { name: strict-2, address: "127.0.0.1:9", driver: ssh, ssh: root@web-2 }
    update: { floor: 75%, install: { method: apt, packages: [lab-web] } }
  idle:
    hosts: [{ name: idle-1, address: "127.0.0.1:9" }, { name: web-1, address: "127.0.0.1:9" }]
state:"""

pytestmark = [
    pytest.mark.parametrize("lab", [{"hosts": 3, "boot": 1}], indirect=True, ids=[""]),
    pytest.mark.xdist_group("update_operator"),
]


def other_version(hosts):
    """One that the hosts, all at the same, can be updated to."""
    version, = {host.version for host in hosts.values()}
    return {"1.0-1": "1.0-2", "1.0-2": "1.0-1"}[version]


def refused(done, code, text):
    """It printed nothing but one sentence on stderr that says why."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert re.fullmatch(f"nines: {text}\n", done.stderr), done.stderr


def test_refusals_say_why_and_touch_nobody(lab, nines):
    config = configure(lab, ONE_AT_ONCE)
    config.write_text(config.read_text().replace("state:", BARE_TIERS, 1))
    file = re.escape(str(config))
    serve = nines(config)
    update_tools.wait_ready(serve)
    before = census(lab)

    refused(serve.command("update", "wbe"), 2, f"there is no tier 'wbe' in {file}")
    refused(serve.command("update", "web", "--only", "web-1,web-9"), 2,
            "tier 'web' has no host 'web-9'")
    refused(serve.command("update", "bare"), 4,
            "bare-1 has no driver, so nothing can act on it: give it `driver:` in tier bare")
    refused(serve.command("update", "single"), 4,
            "single-1 is the only host of tier single: updating it would be an outage; give the "
            "tier a second host or a standby")
    refused(serve.command("update", "strict"), 4,
            "the floor of 75 % cannot be kept: without strict-1 50 % of the capacity would be left")
    refused(serve.command("update", "idle"), 4,
            "tier 'idle' has no update.install: say what an update is, e.g. install: "
            r"\{ method: apt, packages: security \}")
    refused(serve.command("update", "web", "--strategy", "canary"), 4,
            "this version has the strategy rolling only, not 'canary'")
    refused(serve.command("drain", "web-9"), 2, f"there is no host 'web-9' in {file}")
    refused(serve.command("drain", "web-1"), 2,
            "tiers 'web' and 'idle' both have a host 'web-1': name it as TIER/HOST")
    refused(serve.command("drain", "api/web-1"), 2, f"there is no host 'api/web-1' in {file}")
    for verb in ("pause", "resume", "abort", "log"):
        refused(serve.command(verb), 2, "there is no rollout yet")
    refused(serve.command("abort", "7"), 2, "there is no rollout 7")
    refused(serve.command("abort", "seven"), 2,
            "'seven' is no rollout: name one by its number, see nines status")
    update = serve.command("update")
    assert update.returncode == 2 and "TIER" in update.stderr

    assert serve.status()["rollouts"] == []
    serve.stop()
    for words in (["update", "web"], ["status"], ["log"], ["pause"], ["drain", "web/web-1"],
                  ["restore", "web/web-1"]):
        refused(serve.command(*words), 3,
                r"the (controller|balancer) cannot be reached \(.*\); start it with nines serve "
                f"-c {file}")
    update_tools.assert_untouched(before, census(lab), lab.names)


def test_drain_and_restore(lab, nines, load):
    serve = nines(configure(lab, ONE_AT_ONCE))
    with update_tools.users(load, lab) as seen:
        done = serve.command("drain", "web-2", "--wait")
        assert done.returncode == 0, done.stderr
        assert done.stdout == ("web/web-2 is drained: nothing is in flight; put it back with nines "
                               "restore web/web-2\n")
        # Drained is a fact: nothing arrives any more.
        host = update_tools.balancer_host(serve, "web-2")
        assert (host["drained"], host["effective_weight"], host["in_flight"]) == (True, 0, 0)
        seen.wait_until_s(seen.now_s() + 1)
        assert update_tools.balancer_host(serve, "web-2")["requests"] == host["requests"]
        shown = conftest.wait_for("status to show it", 5, lambda: [
            shown for shown in [serve.hosts()["web-2"]] if shown["state"] == "drained"])
        assert shown[0]["cordoned"] is True
        assert serve.status()["tiers"][0]["serving_capacity"] == pytest.approx(2 / 3, abs=1e-3)
        assert "web-2                a        drained" in serve.command("status").stdout

        # An operator's drain survives every process of nines.
        update_tools.kill_child(serve, "balancer")
        update_tools.kill_child(serve, "controller")
        update_tools.wait_ready(serve)
        assert serve.hosts()["web-2"]["cordoned"] is True
        assert update_tools.balancer_host(serve, "web-2")["requests"] == 0

        done = serve.command("restore", "web/web-2")
        assert done.returncode == 0 and done.stdout.startswith("web/web-2 takes traffic again")
        conftest.wait_for("web-2 to serve", 5, lambda: serve.hosts()["web-2"]["state"] == "serving")
        conftest.wait_for("users on web-2", 5,
                          lambda: update_tools.balancer_host(serve, "web-2")["requests"] > 0)
    assert len(seen.failed) <= 20, seen.summary  # In flight when the balancer was killed.


def test_an_update_held_by_its_operator(lab, nines):
    """Pause, resume and abort; and what others may not do meanwhile."""
    serve = nines(configure(lab, ONE_AT_ONCE, ("soak: 1s", "soak: 3s")))
    before = census(lab)
    version = other_version(before)
    started = serve.command("update", "web", "--to", version, "--detach")
    assert started.returncode == 0, started.stderr
    number = int(re.fullmatch(r"rollout (\d+) started; nines status shows it\n",
                              started.stdout).group(1))

    def host(name):
        return update_tools.rollout_hosts(serve, number)[name]

    conftest.wait_for("web-1 to be installed", update_tools.STEP_SECONDS,
                      lambda: host("web-1")["phase"] == "installing")
    refused(serve.command("update", "web", "--to", version), 4,
            f"rollout {number} of tier 'web' is under way; follow it with nines status, or end it "
            "with nines abort")
    refused(serve.command("drain", "web-1"), 4,
            rf"rollout {number} is at work on web-1 \(\w+\); wait for its end, or end it first "
            f"with nines abort {number}")
    refused(serve.command("restore", "web-1"), 4,
            rf"rollout {number} is at work on web-1 \(\w+\); wait for its end, or end it first "
            f"with nines abort {number}")
    refused(serve.command("drain", "web-3"), 4,
            f"rollout {number} has yet to come to web-3; wait for its end, or end it first with "
            f"nines abort {number}")
    refused(serve.command("resume"), 4, ".*the rollout is not paused")

    # What has begun is finished; nobody else is taken.
    done = serve.command("pause")
    assert done.returncode == 0 and f"rollout {number} is to pause: " in done.stdout, done.stderr
    refused(serve.command("pause"), 4, ".*the rollout is paused already")
    conftest.wait_for("web-1 to be verified", update_tools.STEP_SECONDS,
                      lambda: host("web-1")["phase"] == "verified")
    assert update_tools.rollout(serve, number)["phase"] == "paused"
    assert host("web-2")["phase"] == host("web-3")["phase"] == "pending"
    assert all(shown["state"] == "serving" for shown in serve.hosts().values())

    # On; and from the next host on, no further.
    done = serve.command("resume", number)
    assert done.returncode == 0 and f"rollout {number} goes on: " in done.stdout, done.stderr
    conftest.wait_for("web-2 to be installed", update_tools.STEP_SECONDS,
                      lambda: host("web-2")["phase"] == "installing")
    done = serve.command("abort", number)
    assert done.returncode == 0 and f"rollout {number} is to end: " in done.stdout, done.stderr
    conftest.wait_for("the rollout to end", update_tools.STEP_SECONDS,
                      lambda: update_tools.rollout(serve, number)["phase"] == "aborted")
    refused(serve.command("abort", number), 4, ".*the rollout has ended")

    after = census(lab)
    assert after["web-1"].version == version
    assert after["web-2"].version == version  # Brought to its safe end: the new version, verified.
    assert host("web-2")["phase"] == "verified" and host("web-3")["phase"] == "untouched"
    update_tools.assert_untouched(before, after, ["web-3"])
    ended = update_tools.rollout(serve, number)
    assert ended["sentence"].startswith("aborted: ") and "2 of 3 hosts updated" in ended["sentence"]
    said = serve.command("log", number).stdout
    assert "paused by the operator" in said and "resumed by the operator" in said
    assert "aborting, hosts in flight are brought to a safe end" in said
    conftest.wait_for("all to serve", 5, lambda: all(
        shown["state"] == "serving" for shown in serve.hosts().values()))

    # The last one is not forgotten.
    with follow(serve, "web", "--to", version) as update:
        assert update.end() == 0, update.text
    assert {now.version for now in census(lab).values()} == {version}
    assert update.text.count(" already, nothing to do") == 2


def test_only_these_hosts_and_one_that_an_operator_drained(lab, nines):
    serve = nines(configure(lab, ONE_AT_ONCE))
    before = census(lab)
    version = other_version(before)
    assert serve.command("drain", "web-3", "--wait").returncode == 0
    with follow(serve, "web", "--to", version, "--only", "web-2,web-3") as update:
        # A host that an operator drained is one that is missing: it is the first to be updated, and
        # as long as it stays away nobody else may go.
        update.wait_line(r"no further host is taken: 1 host down \(web-3\), at most 1 may be "
                         "unavailable")
        assert "web-2: draining" not in update.text
        held = census(lab)
        assert (held["web-3"].version, held["web-2"]) == (version, before["web-2"])
        shown = serve.hosts()["web-3"]
        assert shown["cordoned"] is True and shown["state"] == "drained"
        assert serve.command("restore", "web-3").returncode == 0
        code = update.end()
    after = census(lab)
    assert code == 0, update.text
    assert "web-3: drained by an operator already, costs nothing: taken first" in update.text
    assert "web-3: updated and healthy; stays drained, as an operator had left it" in update.text
    update_tools.assert_untouched(before, after, ["web-1"])
    assert after["web-2"].version == version
    ended = update_tools.rollout(serve)
    assert (ended["phase"], ended["hosts_done"], ended["hosts_total"]) == ("done", 2, 2)
    conftest.wait_for("all to serve", 5, lambda: all(
        shown["state"] == "serving" for shown in serve.hosts().values()))
    done = serve.command("update", "web", "--to", version, "--json", timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["hosts_done"] == 3


def test_an_update_that_pauses_ends_the_command_with_5(lab, nines):
    serve = nines(configure(lab, ONE_AT_ONCE, ("soak: 1s", "soak: 2s")))
    version = other_version(census(lab))
    with follow(serve, "web", "--to", version) as update:
        update.wait_line("web-1: draining")
        assert serve.command("pause").returncode == 0
        code = update.end()
    assert code == 5, update.text
    assert re.search(r"rollout \d+ is paused: .*\nGo on with nines resume (\d+), or end it with "
                     r"nines abort \1\.$", update.text), update.text
    assert serve.command("abort").returncode == 0
    conftest.wait_for("the rollout to end", update_tools.STEP_SECONDS,
                      lambda: update_tools.rollout(serve)["phase"] == "aborted")
    # A host that was only drained goes back into the traffic as it was.
    conftest.wait_for("all to serve", 10, lambda: all(
        shown["state"] == "serving" for shown in serve.hosts().values()))
