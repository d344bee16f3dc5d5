"""What the proxy's flow tests share: the real balancer, hosts whose behaviour a test writes, and a
client that speaks bytes.

`Proxy` runs `nines balancer` with one listener and one tier for each named tier of the test;
`Host` is a TCP server that gives each connection to a function; `Client` sends and expects bytes.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NINES = os.environ.get("NINES_BIN", str(ROOT / "build" / "nines"))


def free_port():
    """A port nobody listens on, below the range that outgoing connections use."""
    for _ in range(200):
        with socket.socket() as s:
            port = 10000 + int.from_bytes(os.urandom(2), "big") % 20000
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def wait_until(condition, seconds=5.0, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class Connection:
    """A socket with a buffer: what both ends of the tests read with."""

    def __init__(self, sock, timeout=5.0):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return len(data) > 0

    def read(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                raise EOFError(f"ended after {self.buffer!r}")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise EOFError(f"ended after {self.buffer!r}")
        at = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:at], self.buffer[at:]
        return data

    def read_head(self):
        return self.read_until(b"\r\n\r\n")

    def read_all(self):
        """Everything up to the end; a reset counts as one."""
        try:
            while self.fill():
                pass
        except ConnectionResetError:
            pass
        data, self.buffer = self.buffer, b""
        return data

    def ended(self):
        """The peer has closed (True), reset ("reset"), or sent something (False)."""
        try:
            return not self.buffer and not self.fill()
        except ConnectionResetError:
            return "reset"

    def shut(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.close_by_reset()
        self.sock.close()

    def close_by_reset(self):
        """From now on closing it sends a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Answer:
    def __init__(self, head, body):
        lines = head[:-4].split(b"\r\n")
        self.line = lines[0].decode()
        self.status = int(lines[0].split()[1])
        self.fields = [(k.strip().lower().decode(), v.strip().decode())
                       for k, v in (line.split(b":", 1) for line in lines[1:])]
        self.body = body

    def field(self, name):
        values = [v for k, v in self.fields if k == name]
        return values[0] if values else None


class Client(Connection):
    def __init__(self, port, timeout=5.0, receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", port))
        super().__init__(sock, timeout)

    def read_answer(self, method="GET"):
        """One whole answer by its framing; chunked bodies are decoded."""
        head = self.read_head()
        answer = Answer(head, b"")
        if method == "HEAD" or answer.status < 200 or answer.status in (204, 304):
            return answer
        if "chunked" in (answer.field("transfer-encoding") or ""):
            while True:
                size = int(self.read_until(b"\r\n").split(b";")[0], 16)
                answer.body += self.read(size)
                if size == 0:
                    break
                assert self.read(2) == b"\r\n"
            answer.trailers = self.read_until(b"\r\n")
            while not answer.trailers.endswith(b"\r\n\r\n") and answer.trailers != b"\r\n":
                answer.trailers += self.read_until(b"\r\n")
        elif answer.field("content-length") is not None:
            answer.body = self.read(int(answer.field("content-length")))
        else:
            answer.body = self.read_all()
        return answer

    def ask(self, request, method="GET"):
        self.send(request)
        return self.read_answer(method)


class Host:
    """`serve(connection, number)` runs in a thread of its own for each connection; when it returns,
    the connection is closed. Set `serve` anew in each test."""

    def __init__(self, port=0, serve=None):
        self.serve = serve or plain
        self.heads = []
        self.count = 0
        self.connections = []
        self.errors = []
        self.lock = threading.Lock()
        self.port = port
        self.listener = None
        self.start()

    def start(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        """Refuses from now on, and resets what is open."""
        listener, self.listener = self.listener, None
        if listener is not None:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.close_by_reset()
                connection.sock.shutdown(socket.SHUT_RD)  # Its thread wakes up and closes it.
            except OSError:
                pass
        wait_until(lambda: not any(c in self.connections for c in connections), 15,
                   "the host's threads ending")

    def reset(self, serve):
        """A new behaviour; connections that still follow the old one are closed."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.shut()
            except OSError:
                pass
        wait_until(lambda: not any(c in self.connections for c in connections), 5,
                   "the proxy closing its pooled connections")
        self.serve = serve
        self.heads = []

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, 10.0)
            with self.lock:
                self.count += 1
                self.connections.append(connection)
                number = self.count
            threading.Thread(target=self._run, args=(connection, number), daemon=True).start()

    def _run(self, connection, number):
        try:
            self.serve(self, connection, number)
        except (EOFError, OSError):
            pass
        except Exception as error:  # A broken script must fail its test.
            self.errors.append(error)
        finally:
            try:
                connection.close()
            except OSError:
                pass
            with self.lock:
                if connection in self.connections:
                    self.connections.remove(connection)

    def take(self, connection):
        """Reads a request's head and remembers it."""
        head = connection.read_head()
        self.heads.append(head)
        return head


def plain(host, connection, _number):
    """Answers each request with 200 and its own head as the body."""
    while True:
        head = host.take(connection)
        length = field_of(head, "content-length")
        body = connection.read(int(length)) if length else b""
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def answers(*texts, close=False):
    """A script that gives these answers to the requests (without bodies) that come."""

    def serve(host, connection, _number):
        for text in texts:
            host.take(connection)
            connection.send(text)
        if not close:
            while True:
                host.take(connection)
                connection.send(texts[-1])

    return serve


def field_of(head, name):
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(name.encode() + b":"):
            return line.split(b":", 1)[1].strip().decode()
    return None


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Proxy:
    """The real program. `tiers`: {name: {setting: value, "hosts": [ports]}}; each gets a listener,
    whose port is in `ports[name]`; `routes` get one more."""

    def __init__(self, tiers, threads=1, limits=None, log=None, metrics=None, user=None,
                 routes=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nines-proxy-"))
        self.ports = {name: free_port() for name in tiers}
        config = {
            "listen": [{"address": f"127.0.0.1:{self.ports[name]}", "tier": name}
                       for name in tiers],
            "tiers": {name: self._tier(settings) for name, settings in tiers.items()},
            "state": f"sqlite:{self.folder}/state.db",
            "admin": str(self.folder / "run"),
            "threads": threads,
        }
        if routes:
            self.ports["routes"] = free_port()
            config["listen"].append({"address": f"127.0.0.1:{self.ports['routes']}",
                                     "routes": routes})
        if limits:
            config["limits"] = limits
        if log:
            config["log"] = log
        if metrics:
            config["metrics"] = metrics
        if user:
            config["user"] = user
        path = self.folder / "nines.yaml"
        path.write_text(json.dumps(config, indent=2))  # JSON is YAML.
        self.errors = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen([NINES, "balancer", "-c", str(path)], stderr=self.errors,
                                        stdout=self.errors, start_new_session=True)
        wait_until(self._answers, 10, "the balancer listening")

    @staticmethod
    def _tier(settings):
        tier = {"health": "off", "balance": "round_robin"}
        tier.update(settings)
        tier["hosts"] = [{"name": f"h{i}", "address": f"127.0.0.1:{port}"}
                         for i, port in enumerate(settings["hosts"])]
        return tier

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the balancer ended: {self.said()}")
        try:
            for port in self.ports.values():
                socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def said(self):
        """What it wrote to stderr, also after its end."""
        path = self.folder / "stderr"
        if path.exists():
            self.text = path.read_text()
        return self.text

    def pids(self):
        """The program and its children."""
        found = [self.process.pid]
        for pid in found:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        found += [int(p) for p in f.read().split()]
            except OSError:
                pass
        return found

    def resident_bytes(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/statm") as f:
                total += int(f.read().split()[1]) * 4096
        return total

    def admin(self, method, path, body=None):
        """One request to the admin socket; its JSON."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(str(self.folder / "run" / "balancer.sock"))
        text = json.dumps(body).encode() if body is not None else b""
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: nines\r\nConnection: close\r\n"
                     f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
        with Connection(sock) as connection:
            status = int(connection.read_head().split()[1])
            answer = connection.read_all()
        assert status == 200, answer
        return json.loads(answer) if answer else None

    def hosts(self, tier):
        """The hosts of a tier by name, as the admin socket shows them."""
        return {host["name"]: host for host in self.admin("GET", f"/v1/tiers/{tier}/hosts")["hosts"]}

    def client(self, tier, **options):
        return Client(self.ports[tier], **options)

    def stop(self):
        """Ends it as an operator would; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            status = self.process.wait(5)
        self.errors.close()
        self.said()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status
