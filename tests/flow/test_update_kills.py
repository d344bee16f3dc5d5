"""kill -9 of any process of nines in the middle of an update: each host is still upgraded exactly
once and rebooted exactly once, and a host that is being rebooted gets no traffic.
"""

import concurrent.futures
import threading
import time

import conftest
import update_tools
from update_tools import census, configure, follow, users

ONE_AT_ONCE = ("max_unavailable: 25%", "max_unavailable: 1")


def wait_phase(serve, name, *phases):
    """Until the rollout has this host in one of these phases; the phase."""
    def phase():
        try:
            status, rollout = update_tools.ask(serve, "controller", "/v1/rollouts/latest")
        except OSError:
            return None
        if status != 200:
            return None  # Not begun yet.
        found, = [host["phase"] for host in rollout["hosts"] if host["name"] == name]
        return found if found in phases else None
    return conftest.wait_for(f"{name} to be {' or '.join(phases)}", update_tools.STEP_SECONDS,
                             phase, every=0.01)


def answers(serve, daemon):
    try:
        return update_tools.ask(serve, daemon, "/v1/tiers/web/hosts")[0] == 200
    except OSError:
        return False


def slow_requests(pool, lab, count, milliseconds):
    """Requests that take their time, spread over all hosts; futures of their statuses."""
    return [pool.submit(conftest.get, lab.listener(), f"/slow/{milliseconds}", 20)
            for _ in range(count)]


@update_tools.hosts(3)
def test_kill_9_of_the_controller_in_every_phase(fresh_lab, nines, load):
    lab = fresh_lab
    serve = nines(configure(lab, ONE_AT_ONCE))
    before = census(lab)
    moments = [("web-1", "draining"), ("web-1", "installing"), ("web-1", "returning"),
               ("web-1", "soaking"), ("web-2", "installing"), ("web-2", "settling")]
    killed = set()
    with users(load, lab) as seen, concurrent.futures.ThreadPoolExecutor(9) as pool:
        slow = slow_requests(pool, lab, 9, 2500)
        with follow(serve, "web", "--to", "1.0-2", "--only", "web-1,web-2") as update:
            for name, phase in moments:
                wait_phase(serve, name, phase)
                killed.add(update_tools.kill_child(serve, "controller"))
            code = update.end()
        # The drain waited for them; nobody cut them.
        assert [future.result()[0] for future in slow] == [200] * 9
    after = census(lab)

    assert code == 0, update.text
    assert len(killed) == len(moments)
    assert seen.summary["failed"] == 0, (seen.summary, seen.failed[:5])
    update_tools.assert_updated_once(before, after, ["web-1", "web-2"])
    update_tools.assert_untouched(before, after, ["web-3"])
    assert update.text.count("the controller is back after ") == len(moments), update.text
    # What was decided is said once, however often it was read back.
    sentences = [line.split("  ", 1)[1] for line in update.lines if ": verified: " in line
                 or ", installing 1.0-2" in line or "boot_id" in line]
    assert len(sentences) == len(set(sentences)) == 6, sentences
    rollout, = serve.status()["rollouts"]
    assert (rollout["phase"], rollout["hosts_done"], rollout["hosts_total"]) == ("done", 2, 2)
    assert rollout["failed_requests"] == 0
    # The traffic never noticed: it is still the first balancer.
    assert "the balancer ended" not in serve.log_text()


class Weights(threading.Thread):
    """Looks again and again at what the balancer gives one host, across its restarts."""

    def __init__(self, serve, name):
        super().__init__(daemon=True)
        self.serve, self.name_of_host = serve, name
        self.looks, self.stopping = [], threading.Event()

    def run(self):
        while not self.stopping.wait(0.005):
            try:
                host = update_tools.balancer_host(self.serve, self.name_of_host)
            except (OSError, ValueError):
                continue  # Between two balancers.
            self.looks.append((host["effective_weight"], host["requests"], host["in_flight"]))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join(10)


@update_tools.hosts(3)
def test_kill_9_of_the_balancer_keeps_the_weights(fresh_lab, nines, load):
    lab = fresh_lab
    serve = nines(configure(lab, ONE_AT_ONCE))
    before = census(lab)
    lab.break_host("web-1", "slow-boot", 4)
    with users(load, lab) as seen:
        with follow(serve, "web", "--to", "1.0-2", "--only", "web-1,web-2") as update:
            wait_phase(serve, "web-1", "returning")
            killed_us = 1e6 * seen.now_s()
            update_tools.kill_child(serve, "balancer")
            with Weights(serve, "web-1") as weights:
                time.sleep(1.5)
                # While it is down, or just up and not yet proved: nothing from the new balancer.
                assert update_tools.rollout_hosts(serve)["web-1"]["phase"] == "returning"
            code = update.end()
    after = census(lab)

    assert code == 0, update.text
    assert len(weights.looks) >= 20
    assert set(weights.looks) == {(0, 0, 0)}
    update_tools.assert_updated_once(before, after, ["web-1", "web-2"])
    update_tools.assert_untouched(before, after, ["web-3"])
    # Whoever was being served at that instant was cut off, and nobody else: the parent kept the
    # listening sockets, new connections waited in them.
    assert len(seen.failed) <= 20, seen.summary
    for row in seen.failed:
        assert row["outcome"] in ("reset", "truncated", "cut"), row
        assert abs(int(row["intended_us"]) - killed_us) < 1_500_000, (row, killed_us)


@update_tools.hosts(3)
def test_kill_9_of_everything_and_a_new_start_goes_on(fresh_lab, nines):
    lab = fresh_lab
    serve = nines(configure(lab, ONE_AT_ONCE))
    before = census(lab)
    with follow(serve, "web", "--to", "1.0-2", "--only", "web-1,web-2") as update:
        wait_phase(serve, "web-1", "installing")
        update_tools.kill_all(serve)
        time.sleep(0.5)
        serve.start()
        wait_phase(serve, "web-1", "returning")
        update_tools.kill_all(serve)
        serve.start()
        # The weight of a host that is down has survived both.
        conftest.wait_for("the balancer to answer", 10, lambda: answers(serve, "balancer"))
        assert update_tools.balancer_host(serve, "web-1")["override"] == 0
        code = update.end()
    after = census(lab)
    assert code == 0, update.text
    assert "the controller does not answer; traffic goes on, waiting for it" in update.text
    update_tools.assert_updated_once(before, after, ["web-1", "web-2"])
    update_tools.assert_untouched(before, after, ["web-3"])
    rollout, = serve.status()["rollouts"]
    assert (rollout["id"], rollout["phase"], rollout["hosts_done"]) == (1, "done", 2)
