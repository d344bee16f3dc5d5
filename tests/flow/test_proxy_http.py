"""One exchange after the other through the real balancer: what HTTP/1.1 asks of a proxy."""

import threading
import time

import pytest
from proxy_tools import OK, Host, Proxy, answers, field_of, plain

pytestmark = pytest.mark.sanitize

GET = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"


@pytest.fixture(scope="module")
def host():
    host = Host()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def proxy(host):
    proxy = Proxy({"web": {"hosts": [host.port]},
                   "small": {"hosts": [host.port]}},
                  limits={"body_bytes": "100000B"})
    yield proxy
    assert proxy.stop() == 0, proxy.said()


@pytest.fixture
def serve(host):
    """Sets the host's behaviour; nothing unexpected may have happened in it by the end."""
    def set_serve(script):
        host.reset(script)
        return host
    yield set_serve
    assert not host.errors, host.errors


def test_keep_alive_on_both_sides(proxy, serve):
    host = serve(plain)
    before = host.count
    with proxy.client("web") as client:
        for _ in range(20):
            answer = client.ask(GET)
            assert answer.status == 200 and answer.field("connection") is None
    assert len(host.heads) == 20
    assert host.count - before <= 1


def test_head_is_rewritten(proxy, serve):
    host = serve(plain)
    with proxy.client("web") as client:
        client.ask(b"GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nConnection: X-Mine, keep-alive\r\n"
                   b"X-Mine: 1\r\nKeep-Alive: 300\r\nTE: trailers\r\nX-Forwarded-For: 10.9.8.7\r\n"
                   b"Accept: */*\r\n\r\n")
    head = host.heads[-1]
    assert head.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert field_of(head, "host") == "example.com"
    assert field_of(head, "x-mine") is None and field_of(head, "keep-alive") is None
    assert field_of(head, "via") == "1.1 nines"
    assert field_of(head, "x-forwarded-for").endswith("127.0.0.1")
    assert "10.9.8.7" in head.decode()
    assert field_of(head, "x-forwarded-proto") == "http"
    assert field_of(head, "x-forwarded-host") == "example.com"
    assert field_of(head, "accept") == "*/*"


def test_answer_is_rewritten(proxy, serve):
    serve(answers(b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
                  b"Content-Length: 2\r\nX-End: 2\r\n\r\nok"))
    with proxy.client("web") as client:
        answer = client.ask(GET)
    assert answer.body == b"ok" and answer.field("x-end") == "2"
    assert answer.field("x-hop") is None and answer.field("keep-alive") is None
    assert answer.field("date") is not None
    assert answer.field("via") == "1.1 nines"


def test_pipelined_requests_are_answered_in_order(proxy, serve):
    def script(host, connection, _number):
        while True:
            path = host.take(connection).split()[1]
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    serve(script)
    with proxy.client("web") as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(100)))
        for i in range(100):
            assert client.read_answer().body == b"/%d" % i


def test_pipelined_with_bodies(proxy, serve):
    serve(plain)
    with proxy.client("web") as client:
        client.send(b"".join(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03d" % i
                             for i in range(50)))
        for i in range(50):
            assert client.read_answer().body == b"%03d" % i


@pytest.mark.parametrize("piece", [1, 7, 50])
def test_heads_in_pieces(proxy, serve, piece):
    serve(plain)
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    with proxy.client("web") as client:
        for at in range(0, len(request), piece):
            client.send(request[at:at + piece])
            time.sleep(0.001)
        assert client.read_answer().body == b"hello"


def test_answers_in_pieces(proxy, serve):
    text = b"HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello"

    def script(host, connection, _number):
        host.take(connection)
        for at in range(len(text)):
            connection.send(text[at:at + 1])
            time.sleep(0.0005)

    serve(script)
    with proxy.client("web") as client:
        assert client.ask(GET).body == b"hello"


def test_chunked_both_ways_with_trailers(proxy, serve):
    def script(host, connection, _number):
        while True:
            host.take(connection)
            body = connection.read_until(b"0\r\nX-Sum: 9\r\n\r\n")
            assert body == b"4;a=b\r\nabcd\r\n5\r\nefghi\r\n0\r\nX-Sum: 9\r\n\r\n"
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            connection.send(b"3\r\nfoo\r\n")
            connection.send(b"0\r\nX-Sum: 3\r\n\r\n")

    serve(script)
    with proxy.client("web") as client:
        for _ in range(3):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(b"4;a=b\r\nab")
            time.sleep(0.01)
            client.send(b"cd\r\n5\r\nefghi\r\n0\r\nX-Sum: 9\r\n\r\n")
            answer = client.read_answer()
            assert answer.body == b"foo" and b"X-Sum: 3" in answer.trailers


def test_head_204_304_have_no_body(proxy, serve):
    def script(host, connection, _number):
        while True:
            head = host.take(connection)
            if head.startswith(b"HEAD"):
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif b"/204" in head:
                connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            else:
                connection.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n")

    host = serve(script)
    before = host.count
    with proxy.client("web") as client:
        for _ in range(3):
            answer = client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD")
            assert answer.status == 200 and answer.field("content-length") == "1000"
            assert client.ask(b"GET /204 HTTP/1.1\r\nHost: a\r\n\r\n").status == 204
            answer = client.ask(b"GET /304 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer.status == 304 and answer.field("content-length") == "77"
    assert host.count - before <= 1


def test_interim_answers_are_forwarded(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        connection.send(b"HTTP/1.1 102 Processing\r\n\r\n" + OK)

    serve(script)
    with proxy.client("web") as client:
        first = client.ask(GET)
        assert first.status == 103 and first.field("link") == "</a.css>"
        assert client.read_answer().status == 102
        assert client.read_answer().body == b"ok"


def test_interim_answers_are_not_for_http_1_0(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK)

    serve(script)
    with proxy.client("web") as client:
        answer = client.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert answer.status == 200 and answer.body == b"ok" and client.ended()


def test_expect_100_continue(proxy, serve):
    def script(host, connection, _number):
        assert field_of(host.take(connection), "expect") == "100-continue"
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.read(5) == b"hello"
        connection.send(OK)

    serve(script)
    with proxy.client("web") as client:
        request = (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert client.ask(request).status == 100
        assert client.ask(b"hello").body == b"ok"


def test_expect_refused_by_the_host(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        assert connection.ended()

    serve(script)
    with proxy.client("web") as client:
        answer = client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                            b"Content-Length: 5\r\n\r\n")
        assert answer.status == 403 and answer.body == b"no"
        assert answer.field("connection") == "close"
        assert client.ended()


def test_expect_something_else(proxy, serve):
    host = serve(plain)
    with proxy.client("web") as client:
        answer = client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a-pony\r\n\r\n")
        assert answer.status == 417 and client.ended()
    assert host.heads == []


def test_http_1_0_client(proxy, serve):
    host = serve(plain)
    with proxy.client("web") as client:
        answer = client.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert answer.line.startswith("HTTP/1.1 200")
        assert answer.field("connection") == "close" and client.ended()
    assert field_of(host.heads[-1], "host") == "web"
    with proxy.client("web") as client:
        for _ in range(2):
            answer = client.ask(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            assert answer.status == 200 and answer.field("connection") == "keep-alive"


def test_chunked_answer_to_http_1_0_is_unchunked(proxy, serve):
    serve(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
                  b"3\r\nfoo\r\n4;x\r\nbars\r\n0\r\nX: y\r\n\r\n"))
    with proxy.client("web") as client:
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head = client.read_head().lower()
        assert b"transfer-encoding" not in head and b"connection: close" in head
        assert client.read_all() == b"foobars"


def test_answer_until_close(proxy, serve):
    serve(answers(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True))
    with proxy.client("web") as client:
        answer = client.ask(GET)
        assert answer.body == b"all of it" and answer.field("connection") == "close"


def test_http_1_0_host(proxy, serve):
    serve(answers(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", close=True))
    with proxy.client("web") as client:
        for _ in range(2):
            answer = client.ask(GET)
            assert answer.line.startswith("HTTP/1.1 200") and answer.body == b"ok"


def test_client_says_close(proxy, serve):
    serve(plain)
    with proxy.client("web") as client:
        answer = client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.field("connection") == "close" and client.ended()


def test_host_says_close(proxy, serve):
    host = serve(answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                         close=True))
    before = host.count
    with proxy.client("web") as client:
        for _ in range(3):
            answer = client.ask(GET)
            assert answer.body == b"ok" and answer.field("connection") is None
    assert host.count - before == 3


def test_half_closed_client_gets_its_answer(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        time.sleep(0.1)
        connection.send(OK)

    serve(script)
    with proxy.client("web") as client:
        client.send(GET)
        client.shut()
        assert client.read_answer().body == b"ok"
        assert client.ended()


def test_early_answer_while_the_body_comes(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")

    serve(script)
    with proxy.client("web") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n" + b"x" * 1000)
        answer = client.read_answer()
        assert answer.status == 413 and answer.body == b"big"
        assert answer.field("connection") == "close"
        assert client.ended()


def test_echo_while_the_request_still_comes(proxy, serve):
    def script(host, connection, _number):
        host.take(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            connection.send(connection.read(6))
        connection.read(5)
        connection.send(b"0\r\n\r\n")

    serve(script)
    with proxy.client("web") as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.read_head()
        for word in (b"1\r\na\r\n", b"1\r\nb\r\n", b"1\r\nc\r\n"):
            client.send(word)
            assert client.read(6) == word
        client.send(b"0\r\n\r\n")
        assert client.read(5) == b"0\r\n\r\n"
        assert client.ended()


def test_max_forwards(proxy, serve):
    host = serve(plain)
    with proxy.client("web") as client:
        assert client.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").status == 200
        assert host.heads == []
        assert client.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n").status == 200
    assert host.heads[-1].startswith(b"OPTIONS * ")
    assert field_of(host.heads[-1], "max-forwards") == "4"


def test_connect_is_not_for_us(proxy, serve):
    host = serve(plain)
    with proxy.client("web") as client:
        assert client.ask(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").status == 501
    assert host.heads == []


def test_absolute_form(proxy, serve):
    host = serve(plain)
    with proxy.client("web") as client:
        assert client.ask(b"GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
    assert host.heads[-1].startswith(b"GET /x HTTP/1.1\r\n")
    assert field_of(host.heads[-1], "host") == "b.example"


def test_large_bodies_both_ways(proxy, serve):
    body = bytes(range(256)) * 300  # 76,800

    def script(host, connection, _number):
        while True:
            host.take(connection)
            got = connection.read(len(body))
            assert got == body
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(got) * 40)
                            + got * 40)

    serve(script)
    with proxy.client("web") as client:
        for _ in range(3):
            answer = client.ask(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                                % len(body) + body)
            assert answer.body == body * 40


def test_many_clients_at_once(proxy, serve):
    serve(plain)
    failures = []

    def run(number):
        try:
            with proxy.client("web") as client:
                for i in range(20):
                    body = b"%d-%d" % (number, i)
                    answer = client.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                                        % len(body) + body)
                    assert answer.body == body
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
