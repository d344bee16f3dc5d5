"""An update of a live fleet: real hosts, real packages, real reboots, and users who keep count."""

import json
import re

import pytest

import conftest
import update_tools
from update_tools import census, configure, follow, users

CLOCK = r"\d\d:\d\d:\d\d  "


def narration(nines, *arguments):
    """The sentences of `nines log`, without their times."""
    done = nines.command("log", *arguments)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    times = [line.split("  ", 1)[0] for line in lines]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times)
    return [line.split("  ", 1)[1] for line in lines]


def assert_life_of_host(sentences, name):
    """What is told of one host, in its order: from the drain to the proof."""
    life = [sentence.removeprefix(f"{name}: ") for sentence in sentences
            if sentence.startswith(f"{name}: ")]
    expected = [
        r"draining, \d+ requests? in flight; 75 % of the capacity goes on serving",
        r"0 requests in flight after [\d.]+ s, installing 1\.0-2",
        r"1\.0-2 installed in [\d.]+ s, rebooting",
        r"back after [\d.]+ s with a new boot_id",
        r"runs 1\.0-2 now, waiting until it is healthy",
        r"healthy for [\d.]+ s, weight restored over 0\.3 s",
        r"full weight, soaking for 1 s",
        r"verified: \d+ requests, 0 failed; (hosts not yet updated|verified hosts and its own "
        r"record): \d+ requests, 0 failed",
    ]
    assert len(life) == len(expected), life
    for said, pattern in zip(life, expected):
        assert re.fullmatch(pattern, said), f"{name}: {said}"


@update_tools.hosts(4)
def test_an_update_rolls_over_the_fleet_and_no_request_fails(fresh_lab, nines, load):
    lab = fresh_lab
    serve = nines(configure(lab))
    before = census(lab)
    capacities = []
    with users(load, lab) as seen, follow(serve, "web", "--to", "1.0-2") as update:
        while update.process.poll() is None:
            capacities.append(serve.status()["tiers"][0]["serving_capacity"])
        code = update.end()
    after = census(lab)

    assert code == 0, update.text
    assert seen.summary["failed"] == 0, (seen.summary, seen.failed[:5])
    assert seen.summary["kinds"]["post"]["requests"] > 0
    assert seen.summary["kinds"]["websocket"]["requests"] > 0
    update_tools.assert_updated_once(before, after, lab.names)
    # Users were on every host, and met both versions; nobody met another host's answer.
    met = {(row["host"], row["version"]) for row in seen.rows() if row["kind"] != "websocket"}
    assert {host for host, _ in met} == set(lab.names)
    assert met == {(name, version) for name in lab.names for version in ("1.0-1", "1.0-2")}

    # One host of four at a time: never less than three quarters.
    assert min(capacities) == pytest.approx(0.75)
    assert update.lines[-1].startswith("rollout 1 done: 4 of 4 hosts updated, ")
    assert update.lines[-1].endswith(", 0 failed")
    assert re.search(CLOCK + r"traffic: \d+ requests/s, 0 failed of \d+, p99 ", update.text)

    status = serve.status()
    rollout, = status["rollouts"]
    assert (rollout["id"], rollout["tier"], rollout["strategy"], rollout["phase"]) == (
        1, "web", "rolling", "done")
    assert (rollout["hosts_done"], rollout["hosts_total"], rollout["failed_requests"]) == (4, 4, 0)
    assert rollout["lowest_capacity"] == pytest.approx(0.75)
    assert rollout["sentence"].startswith("done: 4 of 4 hosts updated; lowest capacity 75 %; ")
    tier, = status["tiers"]
    assert tier["serving_capacity"] == 1
    assert [host["name"] for host in tier["hosts"]] == lab.names
    for host in tier["hosts"]:
        assert (host["state"], host["version"], host["healthy"]) == ("serving", "1.0-2", True)
    assert [host["zone"] for host in tier["hosts"]] == ["a", "a", "b", "b"]

    sentences = narration(serve)
    assert sentences[0] == "update of web to 1.0-2: 4 of 4 hosts, at most 1 at once, floor 75 %"
    assert sentences[-1] == rollout["sentence"]
    for name in lab.names:
        assert_life_of_host(sentences, name)
    # One after the other: the next is drained when the one before is verified.
    ends = [i for i, sentence in enumerate(sentences) if ": verified: " in sentence]
    begins = [i for i, sentence in enumerate(sentences) if ": draining, " in sentence]
    assert all(end < begin for end, begin in zip(ends, begins[1:]))
    assert narration(serve, 1) == sentences
    for host in update_tools.rollout_hosts(serve).values():
        name = host["name"]
        assert host["phase"] == "verified"
        assert (host["boot_id_before"], host["boot_id_after"]) == (
            before[name].boot_id, after[name].boot_id)
        assert (host["version_before"], host["version_after"]) == ("1.0-1", "1.0-2")

    # Again: there is nothing to do, and nobody is disturbed.
    again = serve.command("update", "web", "--to", "1.0-2", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["phase"] == "done"
    assert [sentence for sentence in narration(serve) if sentence.startswith("web-")] == [
        f"{name}: has 1.0-2 already, nothing to do" for name in lab.names]
    update_tools.assert_untouched(after, census(lab), lab.names)


@update_tools.hosts(4)
def test_a_bad_update_is_rejected_on_the_first_host(fresh_lab, nines, load):
    """1.0-3 is healthy on its check and fails users: only real traffic can tell."""
    lab = fresh_lab
    serve = nines(configure(lab, ("soak: 1s", "soak: 20s")))
    before = census(lab)
    with users(load, lab) as seen, follow(serve, "web", "--to", "1.0-3") as update:
        code = update.end()
        conftest.wait_for("web-1 to serve as before", 10,
                          lambda: serve.hosts()["web-1"]["state"] == "serving")
        seen.wait_until_s(max(20, seen.now_s() + 1))
    after = census(lab)

    assert code == 1, update.text
    failed = [line for line in update.lines if "web-1: failed: " in line]
    assert len(failed) == 1, update.text
    # The judgement comes with its numbers.
    assert re.search(r"web-1: failed: \d+ of its \d+ requests failed, where hosts not yet updated "
                     r"had \d+ failures? in \d+; nobody else is taken$", failed[0]), failed
    assert update.lines[-1].startswith("rollout 1 failed: 0 of 4 hosts updated, ")
    rollout, = serve.status()["rollouts"]
    assert rollout["phase"] == "failed" and rollout["reason"].startswith("web-1: ")
    assert rollout["sentence"].startswith("failed: web-1: ")
    assert "1 put back" in rollout["sentence"]

    # The old version again, and nobody else ever had the new one.
    assert after["web-1"].version == "1.0-1"
    assert after["web-1"].changes[len(before["web-1"].changes):] == [
        "upgrade 1.0-1 1.0-3", "upgrade 1.0-3 1.0-1"]
    assert lab.get("web-1")[0] == 200
    update_tools.assert_untouched(before, after, lab.names[1:])
    assert serve.hosts()["web-1"]["version"] == "1.0-1"

    # What users saw of it is one host's share of two seconds at most, in 500s of that host alone.
    assert {row["outcome"] for row in seen.failed} == {"non_200"}
    assert {(row["host"], row["version"]) for row in seen.failed} == {("web-1", "1.0-3")}
    assert 0 < len(seen.failed) < 0.005 * seen.summary["requests"], seen.summary
    times = [int(row["intended_us"]) for row in seen.failed]
    last_failure = max(times)
    assert last_failure - min(times) < 2_000_000
    assert any(row["host"] == "web-1" and row["outcome"] == "ok"
               and int(row["intended_us"]) > last_failure for row in seen.rows())


@update_tools.hosts(3, mode="processes")
def test_hosts_without_namespaces_are_updated_too(fresh_lab, nines, load):
    lab = fresh_lab
    serve = nines(configure(lab, ("max_unavailable: 25%", "max_unavailable: 1")))
    before = census(lab)
    with users(load, lab) as seen, follow(serve, "web", "--to", "1.0-2") as update:
        code = update.end()
    assert code == 0, update.text
    assert seen.summary["failed"] == 0, (seen.summary, seen.failed[:5])
    update_tools.assert_updated_once(before, census(lab), lab.names)
