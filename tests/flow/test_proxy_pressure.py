"""Holding, limits and memory: what the proxy does when there is too much, or nobody to take it."""

import os
import pathlib
import resource
import threading
import time

import pytest
from proxy_tools import OK, Host, Proxy, free_port, wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHECKED = {"path": "/", "interval": "100ms", "timeout": "100ms", "rise": 1, "fall": 1}


def slow_reader(proxy, tier, size):
    client = proxy.client(tier, receive_buffer=16384)
    client.send(GET)
    return client


def endless(host, connection, _number):
    host.take(connection)
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(15000):
        connection.send(b"x" * 65536)


def test_slow_readers_bound_memory():
    host = Host(serve=endless)
    proxy = Proxy({"web": {"hosts": [host.port]}})
    try:
        before = proxy.resident_bytes()
        clients = [slow_reader(proxy, "web", 0) for _ in range(50)]
        time.sleep(1.0)
        grown = proxy.resident_bytes() - before
        assert grown < 50 * 128 * 1024, f"{grown} bytes for 50 clients that do not read"
        for client in clients:
            client.close()
        wait_until(lambda: not host.connections, what="the host's connections closed")
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


def kernel_buffers():
    """Bytes that the buffers of one connection may grow to on this machine."""
    limits = [pathlib.Path(f"/proc/sys/net/ipv4/tcp_{kind}").read_text() for kind in ("rmem", "wmem")]
    return sum(int(limit.split()[2]) for limit in limits)


def test_slow_host_bounds_memory():
    def script(host, connection, _number):
        host.take(connection)
        time.sleep(1.2)

    host = Host(serve=script)
    proxy = Proxy({"web": {"hosts": [host.port]}})
    sent = [0] * 20

    def upload(number):
        with proxy.client("web", timeout=1.0) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
            try:
                for _ in range(2000):
                    client.send(b"x" * 65536)
                    sent[number] += 65536
            except OSError:
                pass

    try:
        before = proxy.resident_bytes()
        threads = [threading.Thread(target=upload, args=(n,)) for n in range(len(sent))]
        for thread in threads:
            thread.start()
        time.sleep(0.8)
        grown = proxy.resident_bytes() - before
        most = max(sent)
        for thread in threads:
            thread.join()
        # One read each waits to be sent; 2 MiB for buffers made at the first use.
        assert grown < len(sent) * 96 * 1024 + 2 * 1024 * 1024, f"{grown} bytes for {len(sent)} uploads"
        # Two connections, each with a buffer at both ends.
        assert most < 2 * kernel_buffers() + 1024 * 1024, "the kernel's buffers alone cannot hold that"
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


def test_idle_connections_own_next_to_nothing():
    host = Host()
    proxy = Proxy({"web": {"hosts": [host.port]}})
    try:
        with proxy.client("web") as client:
            client.ask(GET)
        before = proxy.resident_bytes()
        clients = [proxy.client("web") for _ in range(400)]
        time.sleep(0.2)
        grown = proxy.resident_bytes() - before
        assert grown < 400 * 1024, f"{grown} bytes for 400 idle connections"
        for client in clients:
            client.close()
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


@pytest.mark.sanitize
def test_too_many_connections_sheds_new_and_keeps_old():
    host = Host()
    proxy = Proxy({"web": {"hosts": [host.port]}}, limits={"connections": 20})
    try:
        wait_until(lambda: True)
        old = [proxy.client("web") for _ in range(20)]
        for client in old:
            assert client.ask(GET).status == 200
        for _ in range(5):
            with proxy.client("web") as client:
                assert client.ended()
        for client in old:
            assert client.ask(GET).status == 200
        for client in old[:10]:
            client.close()

        def room():
            with proxy.client("web") as client:
                try:
                    return client.ask(GET).status == 200
                except (OSError, EOFError):
                    return False

        wait_until(room, what="room for new clients")
        for client in old[10:]:
            client.close()
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


@pytest.mark.sanitize
def test_out_of_descriptors():
    host = Host()
    proxy = Proxy({"web": {"hosts": [host.port]}})
    try:
        with proxy.client("web") as first:
            assert first.ask(GET).status == 200
            carrier = proxy.pids()[-1]
            used = len(os.listdir(f"/proc/{carrier}/fd"))
            resource.prlimit(carrier, resource.RLIMIT_NOFILE, (used + 10, used + 10))
            flood = []
            for _ in range(60):
                flood.append(proxy.client("web"))
            time.sleep(0.1)
            ticks = cpu_ticks(carrier)
            time.sleep(0.5)
            assert cpu_ticks(carrier) - ticks < 20, "it spins"
            assert first.ask(GET).status == 200, "an old client was harmed"
            for client in flood:
                client.close()

            def serves():
                with proxy.client("web") as client:
                    try:
                        return client.ask(GET).status == 200
                    except (OSError, EOFError):
                        return False

            wait_until(serves, what="serving again")
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


# --- Holding ---

@pytest.mark.sanitize
def test_requests_are_held_while_the_host_restarts():
    host = Host()
    proxy = Proxy({"web": {"hosts": [host.port], "health": CHECKED,
                           "hold": {"time": "5s", "requests": 100}}})
    try:
        with proxy.client("web") as client:
            assert client.ask(GET).status == 200
        host.stop()
        statuses = []

        def ask(method):
            with proxy.client("web", timeout=10) as client:
                statuses.append(client.ask(method).status)

        threads = [threading.Thread(target=ask, args=(text,)) for text in
                   [GET] * 10 + [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"] * 10]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        assert statuses == []
        host.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 20
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


@pytest.mark.sanitize
def test_holding_ends():
    proxy = Proxy({"web": {"hosts": [free_port()], "health": CHECKED,
                           "hold": {"time": "300ms", "requests": 5}}})
    try:
        time.sleep(0.3)
        started = time.monotonic()
        clients = [proxy.client("web") for _ in range(8)]
        for client in clients:
            client.send(GET)
        answers_seen = [client.read_answer() for client in clients]
        assert {answer.status for answer in answers_seen} <= {502, 503}
        assert all(answer.field("retry-after") for answer in answers_seen if answer.status == 503)
        assert 0.2 < time.monotonic() - started < 2
        # The connections survive.
        assert clients[0].ask(GET).status in (502, 503)
        for client in clients:
            client.close()
    finally:
        assert proxy.stop() == 0, proxy.said()


@pytest.mark.sanitize
def test_held_client_that_leaves_is_forgotten():
    host = Host()
    proxy = Proxy({"web": {"hosts": [host.port], "health": CHECKED,
                           "hold": {"time": "5s", "requests": 3}}})
    try:
        with proxy.client("web") as client:
            assert client.ask(GET).status == 200
        host.stop()
        for _ in range(5):  # More than may be held at once, one after the other.
            client = proxy.client("web")
            client.send(GET)
            time.sleep(0.05)
            client.reset()
        with proxy.client("web") as client:
            client.send(GET)
            time.sleep(0.2)
            host.start()
            assert client.read_answer().status == 200
    finally:
        host.stop()
        assert proxy.stop() == 0, proxy.said()


# --- Stopping ---

@pytest.mark.sanitize
def test_stopping_finishes_what_is_under_way():
    def script(host, connection, _number):
        while True:
            host.take(connection)
            time.sleep(0.5)
            connection.send(OK)

    host = Host(serve=script)
    proxy = Proxy({"web": {"hosts": [host.port]}})
    busy = proxy.client("web")
    idle = proxy.client("web")
    late = proxy.client("web")
    busy.send(GET)
    time.sleep(0.1)
    stopping = threading.Thread(target=proxy.stop)
    stopping.start()
    time.sleep(0.1)
    answer = late.ask(GET)  # Connected before the end began: still served.
    assert answer.status == 200 and answer.field("connection") == "close"
    answer = busy.read_answer()
    assert answer.body == b"ok" and answer.field("connection") == "close"
    assert busy.ended() and idle.ended()
    stopping.join(10)
    assert not stopping.is_alive()
    host.stop()


@pytest.mark.sanitize
def test_kill_of_a_host_under_load():
    """One of four hosts is reset and refuses: GETs do not fail."""
    hosts = [Host() for _ in range(4)]
    proxy = Proxy({"web": {"hosts": [host.port for host in hosts], "health": CHECKED}}, threads=2)
    failures = []
    total = [0]
    end = threading.Event()

    def load():
        with proxy.client("web") as client:
            while not end.is_set():
                try:
                    status = client.ask(GET).status
                except (OSError, EOFError) as error:
                    failures.append(error)
                    return
                total[0] += 1
                if status != 200:
                    failures.append(status)

    try:
        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        for host in hosts[:2]:
            host.stop()
            time.sleep(0.4)
            host.start()
            time.sleep(0.4)
        end.set()
        for thread in threads:
            thread.join()
        assert not failures, failures[:5]
        assert total[0] > 100
    finally:
        end.set()
        for host in hosts:
            host.stop()
        assert proxy.stop() == 0, proxy.said()
