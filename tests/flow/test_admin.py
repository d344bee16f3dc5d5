"""The balancer's admin interface, its health checks, its metrics and its memory for weights."""

import http.client
import json
import os
import pwd
import signal
import time

import pytest

from admin_tools import Admin, CountingHost, Events
from proxy_tools import Client, Proxy, free_port, wait_until

pytestmark = pytest.mark.sanitize

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def settings(hosts, **more):
    return {"hosts": [host.port for host in hosts], "balance": "round_robin", "slow_start": "0s",
            "health": {"path": "/health", "interval": "100ms", "timeout": "100ms"}, **more}


@pytest.fixture
def hosts():
    made = [CountingHost() for _ in range(3)]
    yield made
    for host in made:
        host.stop()


@pytest.fixture
def proxy(hosts):
    made = Proxy({"web": settings(hosts), "api": settings(hosts[:1], health="off")}, threads=2)
    yield made
    assert made.stop() == 0


def test_what_it_shows(proxy, hosts):
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        for _ in range(30):
            assert client.ask(GET).status == 200
        # The last answer is counted just after it was sent.
        wait_until(lambda: admin.get("/v1/tiers")["tiers"][0]["requests"] >= 30, 5, "30 requests")
        tiers = admin.get("/v1/tiers")
        assert [tier["name"] for tier in tiers["tiers"]] == ["web", "api"]
        web = tiers["tiers"][0]
        assert (web["requests"], web["failed"], web["serving_capacity"]) == (30, 0, 1)
        assert 0 < web["latency_p50_us"] <= web["latency_p99_us"] < 1000000
        assert web["requests_per_second"] > 0
        listed = admin.get("/v1/tiers/web/hosts")["hosts"]
        assert [host["name"] for host in listed] == ["h0", "h1", "h2"]
        assert [host["requests"] for host in listed] == [10, 10, 10]
        assert [host["responses"]["2xx"] for host in listed] == [10, 10, 10]
        assert all(host["state"] == "up" and host["healthy"] for host in listed)
        wait_until(lambda: "status 200" in (admin.host("h0")["check"] or ""), 5, "a check")
        process = admin.get("/v1/process")
        assert process["threads"] == 2 and process["pid"] in proxy.pids()
        assert process["generation"] == process["acknowledged"]


@pytest.mark.parametrize("body, status, said", [
    ("", 400, "not a JSON object"),
    ("[1]", 400, "not a JSON object"),
    ('{"weight": 1001}', 400, "from 0 to 1000"),
    ('{"weight": -1}', 400, "from 0 to 1000"),
    ('{"weight": 1.5}', 400, "from 0 to 1000"),
    ('{"weight": "0"}', 400, "from 0 to 1000"),
    ('{"weight": 0, "weight": 1}', 400, "duplicate"),
    ('{"weight": 0, "wait": true}', 400, "unknown member 'wait'"),
    ('{"token": 5}', 400, "nothing to change"),
    ('{"weight": 0, "token": 0}', 400, "over 0"),
    ('{"close_long_lived": true}', 409, "does not drain"),
    ('{"close_long_lived": false}', 400, "only be true"),
])
def test_a_bad_change_is_refused_and_changes_nothing(proxy, body, status, said):
    with Admin(proxy) as admin:
        answer = admin.put("h0", body)
        assert answer[0] == status and said in answer[1]["error"]
        assert admin.host("h0")["override"] is None


def test_paths_and_methods(proxy):
    with Admin(proxy) as admin:
        assert admin.call("GET", "/v1/tiers/nope")[0] == 404
        assert admin.call("GET", "/v1/tiers/web/hosts/nope")[0] == 404
        assert admin.call("PUT", "/v1/tiers/web/hosts/nope", {"weight": 0})[0] == 404
        assert admin.call("GET", "/")[0] == 404
        assert admin.call("GET", "/v1/tiers/web/hosts/h0/x")[0] == 404
        assert admin.call("GET", "/v1/tiers/web/guests")[0] == 404
        assert admin.call("DELETE", "/v1/tiers/web/hosts/h0")[0] == 405
        assert admin.call("PUT", "/v1/tiers", {"weight": 0})[0] == 405
        assert admin.call("POST", "/v1/process", "{}")[0] == 405


def test_an_older_token_is_fenced_off(proxy):
    with Admin(proxy) as admin:
        assert admin.put("h0", {"weight": 0, "token": 8})[0] == 200
        status, answer = admin.put("h1", {"weight": 0, "token": 7})
        assert status == 409 and "older than 8" in answer["error"]
        assert admin.host("h1")["override"] is None
        assert admin.put("h1", {"weight": 50, "token": 8})[0] == 200
        assert admin.put("h1", {"weight": None, "token": 9})[0] == 200
        assert admin.put("h0", {"weight": None, "token": 8})[0] == 409
        assert admin.put("h0", {"weight": None})[0] == 200  # An operator has none.
        assert admin.put("h0", {"weight": 5, "token": 1}, tier="api")[0] == 200


def test_weights_share_the_traffic(proxy, hosts):
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        admin.set_weight("h0", 300)
        assert admin.tier()["serving_capacity"] == pytest.approx(500 / 300)
        wait_until(lambda: admin.get("/v1/process")["acknowledged"] ==
                   admin.get("/v1/process")["generation"], 5, "all threads to obey")
        before = [len(host.arrivals) for host in hosts]
        for _ in range(100):
            assert client.ask(GET).status == 200
        got = [len(host.arrivals) - was for host, was in zip(hosts, before)]
        assert got == [60, 20, 20]


def test_checks_take_a_host_out_and_back(proxy, hosts):
    events = Events(proxy)
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        assert events.lines[0]["event"] == "begin"
        hosts[1].healthy = False
        wait_until(lambda: events.seen("down", "h1"), 5, "h1 to go down")
        host = admin.host("h1")
        assert host["state"] == "down" and "status 503" in host["check"]
        assert admin.tier()["serving_capacity"] == pytest.approx(2 / 3, abs=1e-5)
        before = len(hosts[1].arrivals)
        for _ in range(20):
            assert client.ask(GET).status == 200
        assert len(hosts[1].arrivals) == before
        hosts[1].healthy = True
        wait_until(lambda: events.seen("up", "h1"), 5, "h1 to come up")
        for _ in range(20):
            assert client.ask(GET).status == 200
        assert len(hosts[1].arrivals) > before
    events.close()


def test_a_dead_host_costs_no_request(hosts):
    """Checks are far apart here: the traffic itself must notice."""
    proxy = Proxy({"web": settings(hosts, health={"path": "/health", "interval": "60s"},
                                   hold={"time": "100ms"})}, threads=2)
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        wait_until(lambda: all(h["check"] for h in admin.get("/v1/tiers/web/hosts")["hosts"]), 5,
                   "the first round of checks")
        for _ in range(9):
            assert client.ask(GET).status == 200
        hosts[2].stop()
        for _ in range(60):
            assert client.ask(GET).status == 200
        host = admin.host("h2")
        assert host["state"] == "down" and "in a row failed" in host["check"]
        assert host["connect_failed"] + host["reset"] >= 3
        # All the others die, too: the last one is never taken out by traffic.
        hosts[1].stop()
        hosts[0].stop()
        wait_until(lambda: client.ask(GET).status != 200, 5, "open connections to hosts to end")
        statuses = {client.ask(GET).status for _ in range(12)}
        assert statuses <= {502, 503}
        assert len([h for h in admin.get("/v1/tiers/web/hosts")["hosts"] if h["healthy"]]) == 1
    assert proxy.stop() == 0


def test_a_tcp_check_and_a_silent_host(hosts):
    silent = CountingHost()
    silent.serve = lambda host, connection, number: time.sleep(30)
    proxy = Proxy({"web": settings([hosts[0], silent]),
                   "tcp": settings([silent], health={"kind": "tcp", "interval": "100ms"})})
    with Admin(proxy) as admin:
        wait_until(lambda: admin.host("h1")["state"] == "down", 5, "the silent host to be found")
        assert admin.host("h1")["check"] == "no answer within 100 ms"
        wait_until(lambda: admin.host("h0", "tcp")["check"] == "connected", 5, "a TCP check")
    assert proxy.stop() == 0


def test_metrics(hosts):
    port = free_port()
    proxy = Proxy({"web": settings(hosts)}, metrics={"address": f"127.0.0.1:{port}"})
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        for _ in range(6):
            assert client.ask(GET).status == 200
        # The last answer is counted just after it was sent.
        wait_until(lambda: admin.get("/v1/tiers")["tiers"][0]["requests"] >= 6, 5, "6 requests")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/plain")
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert values['nines_requests_total{tier="web"}'] == "6"
        assert values['nines_host_responses_total{tier="web",host="h1",class="2xx"}'] == "2"
        assert values['nines_host_weight{tier="web",host="h0"}'] == "100.000"
        assert float(values['nines_serving_capacity{tier="web"}']) == 1
        assert int(values["nines_connections_total"]) >= 1
        assert admin.call("GET", "/metrics")[0] == 200
        # Every sample belongs to a metric that was announced.
        announced = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        for name in values:
            base = name.split("{")[0]
            assert base in announced or base.rsplit("_", 1)[0] in announced
        # The port shows numbers and changes nothing.
        connection.request("PUT", "/v1/tiers/web/hosts/h0", '{"weight": 0}')
        assert connection.getresponse().read() and admin.host("h0")["override"] is None
        connection.close()
    assert proxy.stop() == 0


def balancer_pid(proxy):
    with Admin(proxy) as admin:
        return admin.get("/v1/process")["pid"]


def test_a_weight_outlives_the_balancer(proxy, hosts):
    """A host at 0 may be rebooting: killing the balancer must not send it traffic."""
    with Admin(proxy) as admin:
        assert admin.put("h0", {"weight": 0, "token": 3})[0] == 200
        admin.set_weight("h1", 50)
        admin.wait_drained("h0")
    arrived = len(hosts[0].arrivals)
    former = balancer_pid(proxy)
    time.sleep(1.2)  # One that dies at once is not started again: it would only die again.
    os.kill(former, signal.SIGKILL)

    def back():
        try:
            return balancer_pid(proxy) != former
        except OSError:
            return False

    wait_until(back, 10, "the balancer to be started again")
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        host = admin.host("h0")
        assert host["override"] == 0 and host["drained"]
        assert admin.host("h1")["override"] == 50
        for _ in range(30):
            assert client.ask(GET).status == 200
        assert len(hosts[0].arrivals) == arrived
        assert admin.put("h0", {"weight": None, "token": 2})[0] == 409
        assert admin.put("h0", {"weight": None, "token": 3})[0] == 200
        wait_until(lambda: client.ask(GET).status == 200 and len(hosts[0].arrivals) > arrived, 5,
                   "traffic at the restored host")


def test_a_weight_that_cannot_be_kept_is_not_set(proxy):
    """The folder of the weights file does not let itself be written: 503, nothing changed."""
    run = proxy.folder / "run"
    with Admin(proxy) as admin:
        assert admin.host("h0")["override"] is None  # Connected from here on.
        os.rename(run, proxy.folder / "away")
        try:
            status, answer = admin.put("h0", {"weight": 0})
            assert status == 503 and "did not keep the weight" in answer["error"]
            assert admin.host("h0")["override"] is None
        finally:
            os.rename(proxy.folder / "away", run)
        assert admin.put("h0", {"weight": 0})[0] == 200


def test_the_access_log_and_its_rotation(hosts, tmp_path):
    path = tmp_path / "access.log"
    proxy = Proxy({"web": settings(hosts)}, log={"access": str(path), "format": "json"})
    with Client(proxy.ports["web"]) as client:
        for i in range(10):
            assert client.ask(b"GET /before/%d HTTP/1.1\r\nHost: a\r\n\r\n" % i).status == 200
        wait_until(lambda: path.read_text().count("\n") == 10, 5, "ten lines")
        first = json.loads(path.read_text().splitlines()[0])
        assert first["target"] == "/before/0" and first["status"] == 200 and first["tier"] == "web"
        assert first["client"] == "127.0.0.1" and first["upstream"] in ("h0", "h1", "h2")
        os.rename(path, tmp_path / "access.log.1")
        proxy.process.send_signal(signal.SIGUSR1)
        wait_until(path.exists, 5, "the new file")
        time.sleep(0.5)
        client.ask(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: "/after" in path.read_text(), 5, "a line in the new file")
    assert (tmp_path / "access.log.1").read_text().count("\n") == 10
    assert proxy.stop() == 0


def test_the_end_finishes_what_is_under_way(hosts):
    proxy = Proxy({"web": settings(hosts)}, threads=2)
    idle, busy = Client(proxy.ports["web"]), Client(proxy.ports["web"])
    assert idle.ask(GET).status == 200
    busy.send(b"GET /wait/700 HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: sum(host.active for host in hosts) == 1, 5, "the request at a host")
    proxy.process.send_signal(signal.SIGTERM)
    answer = busy.read_answer()
    assert answer.status == 200 and answer.body == b"ok"
    assert answer.field("connection") == "close" and busy.ended()
    assert idle.ended()
    assert proxy.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_drops_to_its_user(hosts, tmp_path):
    path = tmp_path / "access.log"
    proxy = Proxy({"web": settings(hosts)}, log={"access": str(path), "format": "combined"},
                  user="nobody")
    pid = balancer_pid(proxy)
    with open(f"/proc/{pid}/status") as status:
        facts = dict(line.rstrip().split(":\t", 1) for line in status if ":\t" in line)
    nobody = pwd.getpwnam("nobody")
    assert facts["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert facts["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert facts["Groups"].split() == [str(nobody.pw_gid)]
    assert facts["NoNewPrivs"] == "1" and int(facts["CapEff"], 16) == 0
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        assert client.ask(GET).status == 200
        admin.set_weight("h0", 0)
        os.rename(path, tmp_path / "access.log.1")
        proxy.process.send_signal(signal.SIGUSR1)
        wait_until(path.exists, 5, "the new file")
        time.sleep(0.5)
        assert client.ask(GET).status == 200
        wait_until(lambda: path.stat().st_size > 0, 5, "a line in a file it could not have opened")
    assert proxy.stop() == 0
