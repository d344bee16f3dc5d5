"""The balancer's admin socket, as the tests of it speak to it, and a host that keeps count."""

import contextlib
import http.client
import json
import socket
import threading
import time

from proxy_tools import Host, field_of


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Admin:
    """One keep-alive connection to balancer.sock."""

    def __init__(self, proxy):
        self.path = proxy.folder / "run" / "balancer.sock"
        self.connection = UnixConnection(self.path)

    def call(self, method, path, body=None):
        """(status, parsed JSON or text)."""
        text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        self.connection.request(method, path, text)
        answer = self.connection.getresponse()
        content = answer.read().decode()
        if answer.getheader("Content-Type") == "application/json" and content:
            return answer.status, json.loads(content)
        return answer.status, content

    def get(self, path):
        status, content = self.call("GET", path)
        assert status == 200, content
        return content

    def host(self, name, tier="web"):
        return self.get(f"/v1/tiers/{tier}/hosts/{name}")

    def tier(self, name="web"):
        return self.get(f"/v1/tiers/{name}")

    def put(self, name, body, tier="web"):
        return self.call("PUT", f"/v1/tiers/{tier}/hosts/{name}", body)

    def set_weight(self, name, weight, tier="web"):
        status, content = self.put(name, {"weight": weight}, tier)
        assert status == 200, content
        return content

    def wait_drained(self, name, seconds=10, tier="web"):
        """Returns the moment (monotonic) when the answer that says so was here."""
        end = time.monotonic() + seconds
        while True:
            host = self.host(name, tier)
            if host["drained"]:
                assert host["in_flight"] == 0 and host["state"] == "drained"
                return time.monotonic()
            assert time.monotonic() < end, host

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Events:
    """The lines of /v1/events, read in a thread of its own."""

    def __init__(self, proxy):
        self.lines = []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(proxy.folder / "run" / "balancer.sock"))
        self.sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        self.file = self.sock.makefile("rb")
        assert b" 200 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass
        self.lines.append(json.loads(self.file.readline()))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError):
            for line in self.file:
                self.lines.append(json.loads(line))

    def seen(self, event, host):
        return [line for line in self.lines if (line["event"], line.get("host")) == (event, host)]

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class CountingHost(Host):
    """Answers every request, slowly if its path says so (/wait/MILLISECONDS), and remembers when
    each arrived. `active` is what it works on now. Its health check is /health and not counted."""

    def __init__(self, port=0):
        self.arrivals = []
        self.active = 0
        self.healthy = True
        super().__init__(port, counting)

    def begin(self):
        with self.lock:
            self.arrivals.append(time.monotonic())
            self.active += 1

    def finish(self):
        with self.lock:
            self.active -= 1


def counting(host, connection, _number):
    while True:
        head = connection.read_head()
        path = head.split(b" ", 2)[1].decode()
        if path == "/health":
            status = b"200 OK" if host.healthy else b"503 Service Unavailable"
            connection.send(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
            continue
        host.begin()
        try:
            length = field_of(head, "content-length")
            if length:
                connection.read(int(length))
            if path.startswith("/wait/"):
                time.sleep(int(path.split("/")[2]) / 1000)
        finally:
            host.finish()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
