"""Drained is a fact: after the admin interface has said it, nothing arrives at the host."""

import random
import threading
import time

import pytest

from admin_tools import Admin, CountingHost, Events
from proxy_tools import Client, Proxy, wait_until

pytestmark = pytest.mark.sanitize

FLIPS = 100


def settings(hosts, **more):
    return {"hosts": [host.port for host in hosts], "balance": "least_requests",
            "slow_start": "0s", "health": {"path": "/health", "interval": "200ms"}, **more}


class Users:
    """Threads that send requests one after the other over kept connections, and keep count."""

    def __init__(self, port, count, seed):
        self.stopping = threading.Event()
        self.outcomes = []
        self.threads = [threading.Thread(target=self._run, args=(port, seed + i), daemon=True)
                        for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, port, seed):
        chance = random.Random(seed)
        client = None
        while not self.stopping.is_set():
            try:
                if client is None:
                    client = Client(port)
                kind = chance.random()
                if kind < 0.2:
                    body = b"x" * chance.randrange(1, 5000)
                    answer = client.ask(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                                        % len(body) + body)
                elif kind < 0.5:
                    answer = client.ask(b"GET /wait/%d HTTP/1.1\r\nHost: a\r\n\r\n"
                                        % chance.randrange(1, 15))
                else:
                    answer = client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.outcomes.append(answer.status)
                if chance.random() < 0.02:
                    client.close()
                    client = None
            except (OSError, EOFError) as error:
                self.outcomes.append(repr(error))
                client = None

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(10)
        return self.outcomes


def test_nothing_arrives_after_drained():
    """Two threads, a hundred weight flips under load."""
    hosts = [CountingHost() for _ in range(4)]
    proxy = Proxy({"web": settings(hosts)}, threads=2)
    users = Users(proxy.ports["web"], 8, 1)
    chance = random.Random(4)
    quiet = []  # (host, from, to): nothing may arrive in between.
    with Admin(proxy) as admin:
        for _ in range(FLIPS):
            at = chance.randrange(4)
            admin.set_weight(f"h{at}", 0)
            since = admin.wait_drained(f"h{at}")
            assert hosts[at].active == 0
            time.sleep(chance.random() / 100)
            quiet.append((at, since, time.monotonic()))
            admin.set_weight(f"h{at}", None)
            before = len(hosts[at].arrivals)
            wait_until(lambda: len(hosts[at].arrivals) > before, 5, "traffic at the restored host")
        outcomes = users.stop()
        total = admin.tier()
    assert proxy.stop() == 0
    late = [(at, arrival - since) for at, since, until in quiet
            for arrival in hosts[at].arrivals if since < arrival < until]
    assert late == []
    assert set(outcomes) == {200}, {o: outcomes.count(o) for o in set(outcomes)}
    assert len(outcomes) > 1000
    assert total["failed"] == 0 and total["requests"] == len(outcomes)
    for host in hosts:
        host.stop()


def test_a_long_request_holds_the_drain_and_is_finished():
    host, other = CountingHost(), CountingHost()
    proxy = Proxy({"web": settings([host, other])}, threads=2)
    events = Events(proxy)
    clients = [Client(proxy.ports["web"]) for _ in range(2)]
    for client in clients:
        client.send(b"GET /wait/1000 HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: host.active + other.active == 2, 5, "both requests at hosts")
    with Admin(proxy) as admin:
        for name in ("h0", "h1"):
            answer = admin.set_weight(name, 0)
            assert answer["override"] == 0 and answer["effective_weight"] == 0
        assert admin.host("h0")["state"] in ("draining", "drained")
        busy = [name for name in ("h0", "h1") if admin.host(name)["in_flight"] > 0]
        assert busy
        assert not admin.host(busy[0])["drained"]
        assert [client.read_answer().status for client in clients] == [200, 200]
        for name in ("h0", "h1"):
            admin.wait_drained(name)
            wait_until(lambda n=name: events.seen("drained", n), 5, "the event")
        assert admin.tier()["serving_capacity"] == 0
        # Nobody can take a request: it is held, and goes on when a host is back.
        held = Client(proxy.ports["web"])
        held.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: admin.tier()["holding"] == 1, 5, "the request to be held")
        admin.set_weight("h1", None)
        assert held.read_answer().status == 200
        assert len(other.arrivals) >= 1
    events.close()
    assert proxy.stop() == 0


def test_slow_start_lets_traffic_rise():
    hosts = [CountingHost() for _ in range(2)]
    proxy = Proxy({"web": settings(hosts, slow_start="2s", balance="round_robin")}, threads=2)
    with Admin(proxy) as admin, Client(proxy.ports["web"]) as client:
        assert admin.tier()["serving_capacity"] == 1
        admin.set_weight("h0", 0)
        admin.wait_drained("h0")
        admin.set_weight("h0", None)
        first = admin.host("h0")
        assert first["slow_start"] and first["effective_weight"] <= 20
        assert admin.tier()["serving_capacity"] < 0.7
        before = len(hosts[0].arrivals)
        for _ in range(100):
            assert client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
        early = len(hosts[0].arrivals) - before
        assert early < 40
        wait_until(lambda: not admin.host("h0")["slow_start"], 5, "the end of slow start")
        assert admin.tier()["serving_capacity"] == 1
        before = len(hosts[0].arrivals)
        for _ in range(100):
            client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert abs(len(hosts[0].arrivals) - before - 50) <= 1
    assert proxy.stop() == 0
