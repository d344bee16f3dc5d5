"""The load is the judge of the demo and of most flow tests: each of its verdicts is provoked here.

A server of a few lines plays every fault that a broken balancer could show a user.
"""

import contextlib
import re
import signal
import socket
import socketserver
import struct
import threading
import time

import pytest

import conftest


def ok(request_id, path, close=False):
    body = f"{path} from fake, lab-web 1.0-1\n"
    return (f"HTTP/1.1 200 OK\r\nX-Lab-Request: {request_id}\r\nX-Lab-Host: fake\r\n"
            f"Content-Length: {len(body)}\r\n" + ("Connection: close\r\n" if close else "")
            + f"\r\n{body}").encode()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def chunked(request_id, path):
    return (f"HTTP/1.1 200 OK\r\nX-Lab-Request: {request_id}\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"3;a=b\r\n{path[:3]}\r\n{len(path) - 3 + 6:x}\r\n{path[3:]} from \r\n0\r\nA: b\r\n\r\n"
            ).encode()


FAULTS = {
    # What the server does with (connection, id, path), and the outcome it must be given.
    "ok": lambda c, i, p: c.sendall(ok(i, p)),
    "ok in chunks": lambda c, i, p: c.sendall(chunked(i, p)),
    "ok after 103": lambda c, i, p: c.sendall(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + ok(i, p)),
    "ok in pieces": lambda c, i, p: [
        (c.sendall(ok(i, p)[n:n + 7]), time.sleep(0.002)) for n in range(0, len(ok(i, p)), 7)],
    "reset": lambda c, i, p: reset(c),
    "reset by close": lambda c, i, p: c.close(),
    "non_200": lambda c, i, p: c.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
    "truncated": lambda c, i, p: (c.sendall(ok(i, p)[:-5]), c.close()),
    "truncated head": lambda c, i, p: (c.sendall(ok(i, p)[:20]), c.close()),
    "truncated chunks": lambda c, i, p: (c.sendall(chunked(i, p)[:-4]), c.close()),
    "corrupt": lambda c, i, p: c.sendall(ok(i, "/elsewhere")),
    "corrupt head": lambda c, i, p: c.sendall(b"220 smtp ready\r\n\r\n"),
    "answered_twice": lambda c, i, p: c.sendall(ok(i, p) + ok(i, p)),
    "answered_twice later": lambda c, i, p: (c.sendall(ok(i, p)), time.sleep(0.02),
                                             c.sendall(ok(i, p))),
    "answered_twice, another's": lambda c, i, p: c.sendall(ok(int(i) + 1, p)),
    "timeout": lambda c, i, p: time.sleep(0.7),
}


@contextlib.contextmanager
def server(play):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            data = b""
            while b"\r\n\r\n" not in data:
                more = self.request.recv(65536)
                if not more:
                    return
                data += more
            path = data.split()[1].decode()
            request_id = re.search(rb"X-Lab-Request: (\d+)", data).group(1).decode()
            with contextlib.suppress(OSError):
                play(self.request, request_id, path)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield "127.0.0.1:%d" % running.server_address[1]
        running.shutdown()


@pytest.mark.parametrize("fault", FAULTS)
def test_verdict(fault, load):
    outcome = re.match(r"\w+", fault).group(0)
    with server(FAULTS[fault]) as target:
        users = load(target, rate=20, options=[
            "--requests", 4, "--post", 0, "--websocket", 0, "--timeout", 500])
        summary = users.wait()
    assert summary["requests"] == 4
    assert {name: n for name, n in summary["outcomes"].items() if n} == {outcome: 4}
    assert summary["failed"] == (0 if outcome == "ok" else 4)
    rows = users.rows()
    assert sorted(row["id"] for row in rows) == ["1", "2", "3", "4"]
    assert {row["outcome"] for row in rows} == {outcome}
    assert users.process.returncode == (0 if outcome == "ok" else 1)


def test_refused_connection_is_an_error(load):
    target = f"127.0.0.1:{conftest.free_port()}"
    summary = load(target, rate=100, options=["--requests", 10]).wait()
    assert summary["outcomes"]["connect_error"] == summary["requests"] == 10


def handshake(connection, request_id):
    # The answer to the load's constant key, computed by RFC 6455's rule.
    import base64
    import hashlib
    accept = base64.b64encode(hashlib.sha1(
        b"bmluZXMgbmluZXMgbmluZQ==" + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    connection.sendall((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        f"Connection: Upgrade\r\nX-Lab-Request: {request_id}\r\n"
                        f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())


WEBSOCKETS = {
    "cut": lambda c: c.close(),
    "ok": lambda c: (c.sendall(b"\x88\x02\x03\xe9"), c.recv(4096)),  # Closed politely, with 1001.
    "corrupt": lambda c: c.sendall(b"\x81\x02no"),
    "timeout": lambda c: time.sleep(1.5),
}


@pytest.mark.parametrize("outcome", WEBSOCKETS)
def test_websocket_verdict(outcome, load):
    def play(connection, request_id, _path):
        handshake(connection, request_id)
        connection.recv(4096)
        WEBSOCKETS[outcome](connection)

    with server(play) as target:
        summary = load(target, rate=20, options=[
            "--requests", 3, "--post", 0, "--websocket", 100, "--websocket-ms", 400, "--timeout", 500]).wait()
    assert {name: n for name, n in summary["outcomes"].items() if n} == {outcome: 3}


def test_a_stall_is_seen_by_all_who_come_during_it(load):
    """Latency counts from when a request was due, not from when it could be sent."""
    lock, first = threading.Lock(), []

    def play(connection, request_id, path):
        with lock:
            if not first:
                first.append(1)
                time.sleep(0.5)
        connection.sendall(ok(request_id, path, close=True))

    with server(play) as target:
        users = load(target, rate=50, options=["--requests", 40, "--post", 0, "--websocket", 0])
        assert users.wait()["failed"] == 0
    # The stall lasted 0.5 s: 25 requests were due in it, and each waited for the rest of it.
    waited = [int(row["latency_us"]) for row in users.rows() if int(row["latency_us"]) > 50_000]
    assert 20 <= len(waited) <= 30 and max(waited) > 450_000


def test_a_load_that_was_stopped_sends_what_was_due(load):
    with server(lambda c, i, p: c.sendall(ok(i, p, close=True))) as target:
        users = load(target, rate=100, options=["--requests", 80, "--post", 0, "--websocket", 0])
        time.sleep(0.2)
        users.process.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        users.process.send_signal(signal.SIGCONT)
        summary = users.wait()
    assert summary["requests"] == summary["outcomes"]["ok"] == len(users.rows()) == 80
