"""Random clients against random hosts for a few seconds: whatever goes wrong, no answer ever reaches
the wrong request, no request that must not be repeated arrives twice, and in the end nothing is left
over. The seed is printed; NINES_SOAK_SECONDS and NINES_SOAK_SEED run it longer, or again."""

import os
import random
import threading
import time

import pytest
from proxy_tools import Host, Proxy, field_of, wait_until

pytestmark = pytest.mark.sanitize

SECONDS = float(os.environ.get("NINES_SOAK_SECONDS", "4"))
SEED = int(os.environ.get("NINES_SOAK_SEED", str(int.from_bytes(os.urandom(4), "big"))))


class Wild:
    """Answers with the request's id in the body, in a random framing, and sometimes fails."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seen = {}  # id of a POST: how often it arrived whole
        self.lock = threading.Lock()

    def read_body(self, head, connection):
        if field_of(head, "transfer-encoding"):
            body = b""
            while True:
                size = int(connection.read_until(b"\r\n"), 16)
                body += connection.read(size)
                connection.read(2)
                if size == 0:
                    return body
        return connection.read(int(field_of(head, "content-length") or 0))

    def send_in_pieces(self, connection, data):
        if self.random.random() < 0.7:
            connection.send(data)
            return
        at = 0
        while at < len(data):
            size = self.random.choice([1, 5, 100, 5000, 100000])
            connection.send(data[at:at + size])
            at += size

    def body_for(self, name):
        size = self.random.choice([0, 1, 10, 1000, 20000, 300000])
        return (name + b";") * (size // (len(name) + 1)) + name

    def __call__(self, host, connection, _number):
        while True:
            head = connection.read_head()
            name = head.split(b" ", 2)[1]
            fate = self.random.random()
            if fate < 0.03:
                return  # Closed without an answer.
            if fate < 0.05:
                connection.reset()
                return
            if fate > 0.97 and b"POST" in head:  # An answer before the body.
                connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s"
                                % (len(name), name))
                return
            body = self.read_body(head, connection)
            if head.startswith(b"POST"):
                assert body == name * (len(body) // len(name))
                with self.lock:
                    self.seen[name] = self.seen.get(name, 0) + 1
            if self.random.random() < 0.1:
                connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            answer = self.body_for(name)
            if head.startswith(b"HEAD"):
                connection.send(b"HTTP/1.1 200 OK\r\nX-Name: %s\r\nContent-Length: 99\r\n\r\n" % name)
                continue
            kind = self.random.random()
            if kind < 0.5:
                text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)
            elif kind < 0.9:
                half = len(answer) // 2
                text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                for part in (answer[:half], answer[half:]):
                    if part:
                        text += b"%x\r\n%s\r\n" % (len(part), part)
                text += b"0\r\n\r\n"
            elif kind < 0.95:
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + answer)
                return
            else:  # Truncated.
                text = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)
                connection.send(text[:self.random.randrange(len(text))])
                return
            self.send_in_pieces(connection, text)


class Load(threading.Thread):
    def __init__(self, proxy, number, end):
        super().__init__()
        self.proxy = proxy
        self.number = number
        self.end = end
        self.random = random.Random(SEED + number)
        self.failures = []
        self.whole = 0
        self.asked = 0

    def request(self):
        self.asked += 1
        name = b"/%d-%d-" % (self.number, self.asked)
        method = self.random.choice([b"GET", b"GET", b"POST", b"HEAD"])
        head = b"%s %s HTTP/1.1\r\nHost: a\r\n" % (method, name)
        if method != b"POST":
            return method.decode(), name, head + b"\r\n"
        body = name * self.random.choice([1, 1, 50, 5000])
        if self.random.random() < 0.5:
            return "POST", name, head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        return "POST", name, (head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
                              % (len(body), body))

    def read(self, client, method, name):
        answer = client.read_answer(method)
        while answer.status == 103:
            answer = client.read_answer(method)
        if answer.status in (502, 503, 504, 400):
            return answer
        own = answer.field("x-name").encode() if method == "HEAD" else answer.body[-len(name):]
        until_close = answer.field("content-length") is None and \
            answer.field("transfer-encoding") is None
        if own != name and not (until_close and answer.body in (name + b";") * 40000):
            self.failures.append(f"asked {name}, got {answer.line} {answer.body[-60:]}")
        self.whole += 1
        return answer

    def exchange(self, client):
        asked = [self.request() for _ in range(self.random.choice([1, 1, 1, 2, 5]))]
        data = b"".join(text for _, _, text in asked)
        if self.random.random() < 0.1:  # Leaves in the middle.
            client.send(data[:self.random.randrange(len(data))])
            client.reset()
            raise EOFError
        sender = threading.Thread(target=self.send, args=(client, data))
        sender.start()
        try:
            for method, name, _ in asked:
                if self.read(client, method, name).field("connection") == "close":
                    raise EOFError
        finally:
            if self.random.random() < 0.5:
                sender.join()

    @staticmethod
    def send(client, data):
        try:
            client.send(data)
        except OSError:
            pass

    def run(self):
        while not self.end.is_set():
            try:
                with self.proxy.client("web", timeout=10) as client:
                    while not self.end.is_set():
                        self.exchange(client)
            except TimeoutError as error:
                self.failures.append(f"client {self.number}, request {self.asked}: {error}")
                return
            except (EOFError, OSError):
                pass


def test_random_clients_and_hosts():
    print(f"seed {SEED}")
    wild = [Wild(SEED + i) for i in range(3)]
    hosts = [Host(serve=one) for one in wild]
    proxy = Proxy({"web": {"hosts": [host.port for host in hosts],
                           "retry": {"attempts": 2, "when": ["connect", "reset", "502", "503"],
                                     "budget": "100%"}}}, threads=2)
    end = threading.Event()
    loads = [Load(proxy, number, end) for number in range(8)]
    for load in loads:
        load.start()
    time.sleep(SECONDS)
    end.set()
    for load in loads:
        load.join()
    failures = [failure for load in loads for failure in load.failures]
    whole = sum(load.whole for load in loads)
    try:
        assert not failures, (SEED, failures[:3])
        assert whole > 50 * SECONDS
        counts = {}
        for one in wild:
            for name, count in one.seen.items():
                counts[name] = counts.get(name, 0) + count
        assert all(count == 1 for count in counts.values()), SEED
        for host in hosts:
            assert not host.errors, (SEED, host.errors)
        wait_until(lambda: all(host["in_flight"] == 0 for host in proxy.hosts("web").values()),
                   what="nothing in flight after the end")
    finally:
        for host in hosts:
            host.stop()
        status = proxy.stop()
    print(f"{whole} whole answers")
    assert status == 0, proxy.said()
