"""Which tier a request goes to, and what the access log tells of it."""

import json

import pytest
from proxy_tools import Host, Proxy, answers, wait_until

pytestmark = pytest.mark.sanitize


def named(name):
    return answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))


@pytest.fixture(scope="module")
def hosts():
    hosts = {name: Host(serve=named(name.encode())) for name in ("web", "api", "files")}
    yield hosts
    for host in hosts.values():
        host.stop()


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "access.log"


@pytest.fixture(scope="module")
def proxy(hosts, log_path):
    proxy = Proxy({name: {"hosts": [host.port]} for name, host in hosts.items()},
                  log={"access": str(log_path), "format": "json"},
                  routes=[{"host": "api.example.com", "path": "/v1/", "tier": "api"},
                          {"path": "/files/", "tier": "files"},
                          {"host": "www.example.com", "tier": "web"}])
    yield proxy
    assert proxy.stop() == 0, proxy.said()


@pytest.mark.parametrize("host, path, tier", [
    (b"api.example.com", b"/v1/x", b"api"),
    (b"API.Example.COM:8080", b"/v1/x?q", b"api"),
    (b"www.example.com", b"/", b"web"),
    (b"www.example.com", b"/v1/x", b"web"),
    (b"anything", b"/files/1", b"files"),
    (b"[::1]:80", b"/files/1", b"files"),
])
def test_first_match_wins(proxy, host, path, tier):
    with proxy.client("routes") as client:
        answer = client.ask(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host))
        assert answer.status == 200 and answer.body == tier


@pytest.mark.parametrize("host, path", [(b"api.example.com", b"/v2/"), (b"example.com", b"/"),
                                        (b"www.example.com.evil.com", b"/")])
def test_no_match(proxy, host, path):
    with proxy.client("routes") as client:
        assert client.ask(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host)).status == 404


def test_absolute_form_routes_by_its_own_host(proxy):
    with proxy.client("routes") as client:
        answer = client.ask(b"GET http://www.example.com?q HTTP/1.1\r\nHost: other\r\n\r\n")
        assert answer.status == 200 and answer.body == b"web"


def test_access_log(proxy, log_path):
    with proxy.client("routes") as client:
        client.ask(b"GET /files/logged HTTP/1.1\r\nHost: a\r\nUser-Agent: me \"quoted\"\r\n"
                   b"Referer: http://there/\r\n\r\n")
        client.ask(b"BAD\r\n\r\n")

    def lines():
        entries = [json.loads(line) for line in log_path.read_text().splitlines()]
        return {entry.get("target", entry["status"]): entry for entry in entries}

    wait_until(lambda: "/files/logged" in lines() and 400 in lines(), what="the lines in the log")
    entry = lines()["/files/logged"]
    assert entry["status"] == 200 and entry["client"] == "127.0.0.1" and entry["method"] == "GET"
    assert "me \"quoted\"" in entry.values() and "http://there/" in entry.values()
    assert "files" in entry.values()
