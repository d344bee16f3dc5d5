"""Upgrade: after 101 the bytes belong to the two ends, both ways and to the end."""

import os
import threading
import time

import pytest
from proxy_tools import OK, Host, Proxy, answers, field_of, wait_until

pytestmark = pytest.mark.sanitize

ASK = (b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


@pytest.fixture(scope="module")
def host():
    host = Host()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def proxy(host):
    proxy = Proxy({
        "web": {"hosts": [host.port]},
        "short": {"hosts": [host.port], "timeouts": {"tunnel_idle": "300ms"}},
    })
    yield proxy
    assert proxy.stop() == 0, proxy.said()


@pytest.fixture
def serve(host):
    def set_serve(script):
        host.reset(script)
        return host
    yield set_serve
    assert not host.errors, host.errors


def echo(host, connection, _number):
    host.take(connection)
    connection.send(SWITCH)
    while connection.fill():
        data, connection.buffer = connection.buffer, b""
        connection.send(data)


def test_echo(proxy, serve):
    host = serve(echo)
    with proxy.client("web") as client:
        client.send(ASK)
        head = client.read_head()
        assert head.startswith(b"HTTP/1.1 101 ") and field_of(head, "upgrade") == "websocket"
        assert field_of(head, "connection").lower() == "upgrade"
        for size in (1, 10, 1000, 100000):
            data = os.urandom(size)
            sender = threading.Thread(target=client.send, args=(data,))
            sender.start()
            assert client.read(size) == data
            sender.join()
        client.shut()
        assert client.ended()
    head = host.heads[-1]
    assert field_of(head, "upgrade") == "websocket"
    assert field_of(head, "connection").lower() == "upgrade"


def test_first_bytes_come_with_the_101(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH + b"hello")
        assert connection.read(2) == b"hi"
        connection.send(b"bye")

    serve(script)
    with proxy.client("web") as client:
        client.send(ASK + b"hi")  # Before it was asked to; it must not get lost either.
        client.read_head()
        assert client.read(8) == b"hellobye" and client.ended()


def test_half_close_both_ways(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH)
        connection.shut()
        assert connection.read(4) == b"late"
        assert connection.ended()

    serve(script)
    with proxy.client("web") as client:
        client.send(ASK)
        client.read_head()
        assert client.ended()
        time.sleep(0.05)
        client.send(b"late")


def test_upgrade_declined(proxy, serve):
    serve(answers(OK))
    with proxy.client("web") as client:
        assert client.ask(ASK).body == b"ok"
        assert client.ask(ASK).body == b"ok"


def test_h2c_is_not_passed_on(proxy, serve):
    host = serve(answers(OK))
    with proxy.client("web") as client:
        assert client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                          b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
                          ).body == b"ok"
    assert field_of(host.heads[-1], "upgrade") is None


def test_idle_tunnel_ends(proxy, serve):
    serve(echo)
    with proxy.client("short") as client:
        client.send(ASK)
        client.read_head()
        for _ in range(3):  # Traffic keeps it open.
            time.sleep(0.2)
            client.send(b"x")
            assert client.read(1) == b"x"
        started = time.monotonic()
        assert client.ended()
        assert 0.2 < time.monotonic() - started < 1.5


def test_reset_of_one_end_reaches_the_other(proxy, serve):
    gone = threading.Event()

    def script(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH)
        connection.read_all()
        gone.set()

    serve(script)
    client = proxy.client("web")
    client.send(ASK)
    client.read_head()
    client.reset()
    assert gone.wait(5)

    def resets(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH)
        time.sleep(0.05)
        connection.reset()

    serve(resets)
    with proxy.client("web") as client:
        client.send(ASK)
        client.read_head()
        assert client.ended()


def test_slow_reader_of_a_tunnel(proxy, serve):
    """What one end does not read, the other cannot send: memory stays bounded."""
    sent = [0]

    def script(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH)
        connection.sock.settimeout(1.0)
        try:
            for _ in range(2000):
                connection.send(b"x" * 65536)
                sent[0] += 65536
        except OSError:
            pass

    serve(script)
    before = proxy.resident_bytes()
    with proxy.client("web", receive_buffer=65536) as client:
        client.send(ASK)
        client.read_head()
        time.sleep(1.3)
        assert sent[0] < 32 * 1024 * 1024
        assert proxy.resident_bytes() - before < 8 * 1024 * 1024


def test_tunnels_of_a_drained_host(proxy, serve):
    """Draining leaves tunnels alone and counts them, until they are to be closed: politely, at the
    end of a frame."""
    cut = threading.Event()
    frames = []

    def script(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH + b"\x81\x05hel")  # Two bytes of this frame are still to come.
        cut.wait(5)
        connection.send(b"lo\x81\x02no")
        frames.append(connection.read_all())

    serve(script)
    client = proxy.client("web")
    client.send(ASK)
    client.read_head()
    assert client.read(5) == b"\x81\x05hel"
    proxy.admin("PUT", "/v1/tiers/web/hosts/h0", {"weight": 0})
    time.sleep(0.2)
    shown = proxy.hosts("web")["h0"]
    assert shown["in_flight"] == 1 and shown["drained"] is False
    proxy.admin("PUT", "/v1/tiers/web/hosts/h0", {"close_long_lived": True})
    time.sleep(0.2)
    cut.set()
    got = client.read_all()
    assert got.endswith(b"\x88\x02\x03\xe9"), got
    assert got.startswith(b"lo") and len(got) in (6, 10), got
    client.close()
    wait_until(lambda: proxy.hosts("web")["h0"]["drained"], what="drained")
    proxy.admin("PUT", "/v1/tiers/web/hosts/h0", {"weight": None})
    wait_until(lambda: frames)
    assert frames[0][:2] == b"\x88\x82", frames


def test_end_of_the_balancer_ends_websockets_politely():
    frames = []

    def script(host, connection, _number):
        host.take(connection)
        connection.send(SWITCH + b"\x81\x02hi")
        frames.append(connection.read_all())

    host = Host(serve=script)
    proxy = Proxy({"web": {"hosts": [host.port]}})
    client = proxy.client("web", timeout=40)
    client.send(ASK)
    client.read_head()
    assert client.read(4) == b"\x81\x02hi"
    stopping = threading.Thread(target=proxy.stop)
    started = time.monotonic()
    stopping.start()
    got = client.read_all()
    assert got == b"\x88\x02\x03\xe9", got  # Close, 1001.
    client.close()
    stopping.join()
    assert time.monotonic() - started < 35
    host.stop()
    frame = frames[0]
    assert frame[:2] == b"\x88\x82", frame
    assert bytes(b ^ frame[2 + i] for i, b in enumerate(frame[6:])) == b"\x03\xe9"
