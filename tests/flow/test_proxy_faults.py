"""Hosts and clients that fail or lie: what the other side then sees, and what it never sees."""

import socket
import threading
import time

import pytest
from proxy_tools import OK, Host, Proxy, answers, free_port, plain, wait_until

pytestmark = pytest.mark.sanitize

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture(scope="module")
def hosts():
    hosts = [Host() for _ in range(3)]
    yield hosts
    for host in hosts:
        host.stop()


@pytest.fixture(scope="module")
def proxy(hosts):
    one, two, three = (host.port for host in hosts)
    nobody = free_port()
    fast = {"connect": "200ms", "header": "300ms", "body_idle": "300ms", "client_idle": "400ms",
            "server": "300ms"}
    every = {"attempts": 2, "when": ["connect", "reset", "502", "503"], "budget": "100%"}
    proxy = Proxy({
        "one": {"hosts": [one], "retry": {"attempts": 0}},
        "two": {"hosts": [one, two], "retry": every},
        "three": {"hosts": [one, two, three], "retry": every},
        "half": {"hosts": [nobody, one], "retry": every},
        "gone": {"hosts": [nobody], "retry": every},
        "fast": {"hosts": [one], "timeouts": fast, "retry": every},
    }, limits={"body_bytes": "100000B", "header_bytes": "16KiB", "headers": 100})
    yield proxy
    assert proxy.stop() == 0, proxy.said()


@pytest.fixture
def serve(hosts):
    def set_serve(*scripts):
        for host, script in zip(hosts, scripts):
            host.reset(script)
        return hosts[0] if len(scripts) == 1 else hosts[:len(scripts)]
    yield set_serve
    for host in hosts:
        assert not host.errors, host.errors


def silent(host, connection, _number):
    """Takes what comes and says nothing."""
    host.take(connection)
    connection.read_all()


# --- Clients that lie ---

@pytest.mark.parametrize("request_text, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),  # No Host.
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 17000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
])
def test_refused_heads(proxy, serve, request_text, status):
    host = serve(plain)
    with proxy.client("one") as client:
        answer = client.ask(request_text)
        assert answer.status == status and answer.field("connection") == "close"
        assert answer.body and client.ended()
    assert host.heads == []


def test_refusal_comes_after_the_answers_before_it(proxy, serve):
    serve(plain)
    with proxy.client("one") as client:
        client.send(GET + b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n" + GET)
        assert client.read_answer().status == 200
        assert client.read_answer().status == 400
        assert client.ended()


@pytest.mark.parametrize("body", [b"xyz\r\n", b"5\r\nhelloX\r\n", b"-1\r\n", b"5 \nhello\r\n"])
def test_bad_chunks(proxy, serve, body):
    host = serve(silent)
    with proxy.client("one") as client:
        answer = client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        assert answer.status == 400 and client.ended()
    assert len(host.heads) <= 1


def test_client_that_ends_within_its_body(proxy, serve):
    seen = []

    def script(host, connection, _number):
        host.take(connection)
        seen.append(connection.read_all())

    serve(script)
    with proxy.client("one") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        client.shut()
        assert client.read_answer().status == 400 and client.ended()
    wait_until(lambda: seen == [b"abc"], what="the host seeing the end")


def test_body_over_the_limit(proxy, serve):
    host = serve(plain)
    with proxy.client("one") as client:
        answer = client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n")
        assert answer.status == 413 and client.ended()
    assert host.heads == []
    serve(silent)
    with proxy.client("one") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"2710\r\n" + b"x" * 10000 + b"\r\n"
        client.send(chunk * 12)
        assert client.read_answer().status == 413 and client.ended()


def test_refusal_reaches_a_client_that_goes_on_sending(proxy, serve):
    serve(silent)
    with proxy.client("one") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * 1000000)
        assert client.read_answer().status == 413 and client.ended() is True


def test_client_that_leaves(proxy, serve):
    left = threading.Event()

    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            while True:
                connection.send(b"x" * 65536)
        except OSError:
            left.set()

    serve(script)
    client = proxy.client("one")
    client.send(GET)
    client.read(100000)
    client.reset()
    assert left.wait(5), "the host was not told that the client left"


def test_client_that_leaves_before_the_answer(proxy, serve):
    left = threading.Event()

    def script(host, connection, _number):
        host.take(connection)
        if connection.read_all() == b"":
            left.set()

    serve(script)
    client = proxy.client("one")
    client.send(GET)
    time.sleep(0.1)
    client.reset()
    assert left.wait(5), "the host was not told that the client left"


# --- Hosts that lie ---

@pytest.mark.parametrize("text", [
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40 + OK,
])
def test_bad_answers(proxy, serve, text):
    serve(answers(text, close=True))
    with proxy.client("one") as client:
        answer = client.ask(GET)
        while answer.status == 103:
            answer = client.read_answer()
        assert answer.status == 502 and answer.field("content-length")
        # Its own answer, whole; the client's connection is none the worse for it.
        assert client.ask(GET).status in (103, 502)


def test_garbage_after_an_answer_is_never_an_answer(proxy, serve):
    host = serve(answers(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", close=True))
    with proxy.client("one") as client:
        assert client.ask(GET).body == b"ok"
        assert client.ask(GET).body == b"ok"
    assert len(host.heads) == 2


def test_unasked_answer_on_an_idle_connection(proxy, serve):
    def script(host, connection, number):
        host.take(connection)
        connection.send(OK)
        time.sleep(0.05)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        connection.read_all()

    serve(script)
    with proxy.client("one") as client:
        assert client.ask(GET).body == b"ok"
        time.sleep(0.15)
        assert client.ask(GET).body == b"ok"


@pytest.mark.parametrize("text", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
])
def test_truncated_answer_is_seen_and_never_repaired(proxy, serve, text):
    serve(answers(text, close=True))
    with proxy.client("one") as client:
        client.send(GET)
        got = client.read_all()
    assert got.count(b"HTTP/1.1") <= 1 and not got.endswith(b"0\r\n\r\n")
    assert b"502" not in got


def test_reset_within_an_answer_until_close_is_a_reset(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\n\r\npart of it")
        time.sleep(0.1)
        connection.reset()

    serve(script)
    with proxy.client("one") as client:
        client.send(GET)
        client.read_head()
        client.read(len(b"part of it"))
        assert client.ended() == "reset"


def test_chunks_go_bad_in_the_middle(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        time.sleep(0.1)
        connection.send(b"zzz\r\n")
        connection.read_all()

    serve(script)
    with proxy.client("one") as client:
        client.send(GET)
        got = client.read_all()
        assert got.count(b"HTTP/1.1") == 1 and b"zzz" not in got and not got.endswith(b"0\r\n\r\n")


# --- Retry ---

def gone_after_head(host, connection, _number):
    host.take(connection)
    connection.reset()


def test_refused_connect_goes_to_another_host(proxy, serve):
    serve(plain)
    for _ in range(6):
        with proxy.client("half") as client:
            assert client.ask(POST).body == b"hi"


def test_refused_by_all(proxy):
    with proxy.client("gone") as client:
        started = time.monotonic()
        assert client.ask(GET).status in (502, 503)
        assert time.monotonic() - started < 1
        assert client.ask(POST).status in (502, 503)


def test_get_is_retried_after_a_reset_and_post_is_not(proxy, serve):
    first, second = serve(gone_after_head, plain)
    for _ in range(4):
        with proxy.client("two") as client:
            assert client.ask(GET).status == 200
    assert first.heads, "the first host was never tried"
    first.reset(gone_after_head)
    second.reset(plain)
    seen = []
    for _ in range(4):
        with proxy.client("two") as client:
            seen.append(client.ask(POST).status)
    assert sorted(set(seen)) == [200, 502]
    assert len(first.heads) + len(second.heads) == 4, "a POST was sent twice"


def test_get_with_a_body_is_not_retried(proxy, serve):
    first, second = serve(gone_after_head, gone_after_head)
    with proxy.client("two") as client:
        answer = client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert answer.status == 502
    assert len(first.heads) + len(second.heads) == 1


def test_part_of_an_answer_is_not_retried(proxy, serve):
    part = answers(b"HTTP/1.1 200 OK\r\nContent-", close=True)
    hosts = serve(part, part)
    with proxy.client("two") as client:
        assert client.ask(GET).status == 502
    assert sum(len(host.heads) for host in hosts) == 1


@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Service Unavailable"])
def test_get_is_retried_after_502_and_503(proxy, serve, status):
    sick = answers(b"HTTP/1.1 " + status + b"\r\nContent-Length: 4\r\n\r\nsick")
    first, _ = serve(sick, plain)
    for _ in range(4):
        with proxy.client("two") as client:
            assert client.ask(GET).status == 200
    assert first.heads
    serve(sick, sick)
    with proxy.client("two") as client:
        answer = client.ask(GET)
        assert answer.body == b"sick"  # The last one's own answer is passed on.
    hosts = serve(sick, sick)
    with proxy.client("two") as client:
        assert client.ask(POST).body == b"sick"
    assert sum(len(host.heads) for host in hosts) == 1


def test_never_the_same_host_while_another_is_up(proxy, serve):
    hosts = serve(gone_after_head, gone_after_head, gone_after_head)
    with proxy.client("three") as client:
        assert client.ask(GET).status == 502
    assert [len(host.heads) for host in hosts] == [1, 1, 1]


def test_pooled_connection_closed_meanwhile(proxy, serve):
    """The host closes right after each answer without saying so: GET and POST get through."""
    serve(answers(OK, close=True))
    with proxy.client("one") as client:
        for _ in range(10):
            assert client.ask(GET).body == b"ok"
            time.sleep(0.01)
            assert client.ask(POST).body == b"ok"
            time.sleep(0.01)


# --- Time ---

def test_client_idle(proxy, serve):
    serve(plain)
    with proxy.client("fast") as client:
        assert client.ask(GET).status == 200
        started = time.monotonic()
        assert client.ended()
        assert 0.3 < time.monotonic() - started < 1.5


def test_header_timeout(proxy, serve):
    serve(plain)
    with proxy.client("fast") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        started = time.monotonic()
        for _ in range(3):  # A drip does not help.
            time.sleep(0.1)
            client.send(b"X: y\r\n")
        answer = client.read_answer()
        assert answer.status == 408 and answer.field("connection") == "close"
        assert time.monotonic() - started < 1.5
        assert client.ended()


def test_empty_line_after_a_body_is_not_a_head(proxy, serve):
    serve(plain)
    with proxy.client("fast") as client:
        assert client.ask(POST + b"\r\n").status == 200
        assert client.ask(GET).status == 200
        client.send(b"\r\n")
        assert client.read_all() == b""  # Closed without an answer that nobody asked for.


def test_request_body_timeout(proxy, serve):
    seen = []

    def script(host, connection, _number):
        host.take(connection)
        seen.append(connection.read_all())

    serve(script)
    with proxy.client("fast") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert client.read_answer().status == 408
        assert client.ended()
    wait_until(lambda: seen == [b"abc"])


def test_server_timeout(proxy, serve):
    host = serve(silent)
    with proxy.client("fast") as client:
        started = time.monotonic()
        assert client.ask(GET).status == 504
        assert 0.25 < time.monotonic() - started < 1.5
    assert len(host.heads) == 1


def test_answer_body_timeout(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        connection.read_all()

    serve(script)
    with proxy.client("fast") as client:
        client.send(GET)
        started = time.monotonic()
        got = client.read_all()
        assert got.endswith(b"abc") and time.monotonic() - started < 1.5


def test_slow_but_moving_bodies_are_fine(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.read(4)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        for i in range(4):
            time.sleep(0.2)
            connection.send(b"%d" % i)

    serve(script)
    with proxy.client("fast") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            time.sleep(0.2)
            client.send(b"x")
        assert client.read_answer().body == b"0123"


def test_connect_timeout(serve):
    """A host whose queue is full neither accepts nor refuses."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    proxy = Proxy({"web": {"hosts": [port], "timeouts": {"connect": "200ms"},
                           "retry": {"attempts": 0}}})
    try:
        with proxy.client("web") as client:
            started = time.monotonic()
            assert client.ask(GET).status == 504
            assert 0.15 < time.monotonic() - started < 1.5
    finally:
        for filler in fillers:
            filler.close()
        full.close()
        assert proxy.stop() == 0, proxy.said()
