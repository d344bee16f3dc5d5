"""nines check: what it says of a file, where, and with which exit code."""

import json
import os
import pty
import subprocess

import pytest

from conftest import NINES, TOP

BAD = """\
listen:
  - { address: 0.0.0.0:80, tier: wbe }
tiers:
  web:
    balance: leastrequests
    health: { interval: 5 }
    hosts:
      - { name: web_1, address: 10.0.0.1 }
    update:
      strtegy: rolling
threads: many
"""

BAD_FINDINGS = """\
FILE:2:34: 'tier' in listener '0.0.0.0:80' is 'wbe', and there is no such tier; did you mean 'web'?
FILE:5:14: 'balance' in tier 'web' is 'leastrequests', not one of round_robin, least_requests, \
power_of_two, random, key; did you mean 'least_requests'?
FILE:6:25: 'health.interval' in tier 'web' is '5', which has no unit; did you mean '5s'?
FILE:8:17: 'name' in host 'web_1' of tier 'web' is 'web_1'; a name is letters, digits and '-' \
between them; did you mean 'web-1'?
FILE:10:7: unknown setting 'strtegy' in tier 'web'; did you mean 'strategy'?
FILE:11:10: 'threads' is 'many'; it must be a whole number
"""


def check(*arguments, **options):
    environment = {k: v for k, v in os.environ.items() if k != "NINES_CONFIG"}
    environment.update(options.pop("environment", {}))
    return subprocess.run(
        [str(NINES), "check", *map(str, arguments)], stdin=subprocess.DEVNULL, env=environment,
        capture_output=True, text=True, timeout=20, check=False, **options)


def write(folder, text):
    path = folder / "nines.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_bad_file_has_every_error_at_once(tmp_path):
    path = write(tmp_path, BAD)
    done = check("-c", path)
    assert done.stderr == BAD_FINDINGS.replace("FILE", str(path))
    assert done.stdout == ""
    assert done.returncode == 2


def test_the_name_in_messages_is_the_name_given(tmp_path):
    write(tmp_path, BAD)
    done = check("-c", "nines.yaml", cwd=tmp_path)
    assert done.stderr == BAD_FINDINGS.replace("FILE", "nines.yaml")


def test_json_lists_the_findings(tmp_path):
    path = write(tmp_path, BAD)
    done = check("--json", "-c", path)
    assert done.returncode == 2
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["valid"] is False
    assert said["errors"] == len(said["findings"]) == 6
    assert said["findings"][4] == {
        "severity": "error", "line": 10, "column": 7, "setting": "tiers.web.update.strtegy",
        "tier": "web",
        "text": f"{path}:10:7: unknown setting 'strtegy' in tier 'web'; did you mean 'strategy'?"}


def test_a_terminal_sees_the_line_and_a_caret(tmp_path):
    path = write(tmp_path, "listen: [{ address: 0.0.0.0:80, tier: web }]\n"
                           "tiers: { web: { hosts: [{ name: web-1, addres: x }] } }\n")
    parent, child = pty.openpty()
    try:
        done = subprocess.run([str(NINES), "check", "-c", str(path)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=child, timeout=20, check=False)
        said = os.read(parent, 65536).decode().replace("\r\n", "\n")
    finally:
        os.close(parent)
        os.close(child)
    assert done.returncode == 2
    assert said == (
        f"{path}:2:40: unknown setting 'addres' in host 'web-1' of tier 'web'; did you mean "
        "'address'?\n"
        "    2 | tiers: { web: { hosts: [{ name: web-1, addres: x }] } }\n"
        "      |                                        ^\n"
        f"{path}: 1 error\n")


def test_missing_files_and_unbuilt_settings_are_warnings(tmp_path):
    path = write(tmp_path, f"""\
listen:
  - address: 0.0.0.0:443
    tls: {{ certificate: {tmp_path}/site.pem, key: {tmp_path}/nines.yaml }}
    tier: web
tiers:
  web:
    hosts: [{{ name: web-1, address: 10.0.0.1:80, driver: ssh, ssh: root@10.0.0.1 }}]
""")
    done = check("-c", path)
    assert done.stderr == (
        f"{path}:3:5: warning: 'tls' in listener '0.0.0.0:443' is not built in this version: "
        "serve and update refuse it\n"
        f"{path}:3:25: warning: 'listen.tls.certificate' names '{tmp_path}/site.pem', which "
        "cannot be read: No such file or directory\n")
    assert done.stdout == (
        f"{path}: valid, 2 warnings; 1 tier, 1 host\n"
        "1 setting is not built in this version: nines serve and nines update refuse this config "
        "until it is gone\n")
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["minimal", "site", "rolling", "proxies"])
def test_the_examples_are_valid(name):
    done = check("-c", TOP / "examples" / f"{name}.yaml")
    assert done.returncode == 0, done.stderr
    assert ": valid, " in done.stdout


def test_a_file_that_is_not_there(tmp_path):
    done = check("-c", tmp_path / "none.yaml")
    assert done.stderr == (f"nines: cannot open {tmp_path}/none.yaml: No such file or directory; "
                           "name another file with -c FILE or NINES_CONFIG\n")
    assert done.returncode == 2


def test_an_empty_file(tmp_path):
    path = write(tmp_path, "")
    done = check("-c", path)
    assert done.stderr == (f"{path}:1:1: the file is empty; a config needs 'listen' and 'tiers'\n")
    assert done.returncode == 2


def test_the_environment_names_the_file(tmp_path):
    path = write(tmp_path, BAD)
    done = check(environment={"NINES_CONFIG": str(path)})
    assert done.returncode == 2
    assert done.stderr == BAD_FINDINGS.replace("FILE", str(path))


def test_the_pages_are_those_of_the_repository():
    for option, page in [("--reference", "docs/reference.md"), ("--man", "man/nines.yaml.5.scd")]:
        done = check(option)
        assert done.returncode == 0
        assert done.stdout == (TOP / page).read_text(encoding="utf-8")


def kind_of(value):
    return {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}[
        type(value)]


def conforms(value, schema):
    """The part of JSON Schema that nines prints; no validator is at hand."""
    if "oneOf" in schema:
        return sum(conforms(value, choice) for choice in schema["oneOf"]) == 1
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return value == schema["const"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kind_of(value) not in kinds:
        return False
    if isinstance(value, dict):
        named = schema.get("properties", {})
        other = schema["additionalProperties"]
        return all(key in value for key in schema.get("required", [])) and all(
            conforms(item, named[key]) if key in named else other and conforms(item, other)
            for key, item in value.items())
    if isinstance(value, list):
        return all(conforms(item, schema["items"]) for item in value)
    return True


def test_the_json_schema_accepts_what_the_parser_accepts():
    schema = json.loads(check("--json-schema").stdout)
    good = {
        "listen": [{"address": "0.0.0.0:80", "routes": [{"path": "/v1/", "tier": "web"}]}],
        "tiers": {"web": {
            "health": False,
            "retry": {"when": ["connect", 502]},
            "hosts": [{"name": "web-1", "address": "10.0.0.1:80", "weight": 7}],
            "update": {"max_unavailable": 1, "floor": "75%",
                       "install": {"method": "apt", "packages": "security"},
                       "verify": {"shadow": False}}}},
        "threads": 2,
    }
    assert conforms(good, schema)
    for change in [{"treads": 2}, {"threads": "two"}, {"tiers": []}, {"listen": {}}]:
        assert not conforms({**good, **change}, schema)
    assert not conforms({"tiers": good["tiers"]}, schema)
