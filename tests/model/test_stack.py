"""The stack file: every mistake at its place, and the values that come out of a good one."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.errors import Problem, StackInvalid
from pvekit.model.stack import (
    Built,
    Checksum,
    Download,
    LocalFile,
    Place,
    SecretRef,
    Stack,
    load,
    schema,
    starter,
    z440_home,
)
from pvekit.model.stack.text import read

CASES = Path(__file__).parent / "cases" / "stack"
INVENTORY = Path(__file__).parents[2] / "inventory"
KINDS = frozenset({"debian", "ubuntu"})
LATER = frozenset({"windows", "nas", "llama"})
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here"


@dataclasses.dataclass
class Memory:
    """Files that exist only in a test."""

    texts: dict[str, str]

    def read(self, path: str) -> str:
        if path not in self.texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.texts[path]

    def locate(self, path: str) -> str:
        self.read(path)
        return f"/there/{path}"


NAMES = ("debian.qcow2", "site.yml", "./ubuntu-cloud-images.asc", "./win.iso", "./other.iso", "./w.iso")
FILES = Memory({"~/.ssh/id_ed25519.pub": KEY, "key.pub": KEY, **dict.fromkeys(NAMES, "")})


def problems_of(text: str, kinds: frozenset[str] = KINDS, files: Memory = FILES) -> list[Problem]:
    """Return the problems of a stack file, none when it is good."""
    try:
        load(text, "stack.yaml", kinds, files)
    except StackInvalid as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_mistakes(path: Path) -> None:
    """A case is a stack file; below the line of dashes stands what is wrong with it, one problem a line."""
    text, _, expected = path.read_text().partition("\n# -----\n")
    kinds = KINDS | {"windows", "nas"} if path.stem.startswith("home-") else KINDS
    assert [str(problem) for problem in problems_of(text, kinds)] == [line[2:] for line in expected.splitlines()]


@pytest.mark.parametrize("path", sorted(INVENTORY.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    text = path.read_text()
    kinds = KINDS | LATER
    assert problems_of(text, kinds) == []
    jsonschema.validate(yaml.safe_load(text), schema(kinds))


def test_defaults_are_merged_in() -> None:
    stack = load(
        f"""
pvekit: 1
name: home
host:
  endpoint: ["https://a:8006/", "https://b:8006"]
  fingerprint: {"ab" * 32}
  token: {{id: "root@pam!pvekit", secret: "file:~/token"}}
  timeouts: {{connect: 500ms}}
defaults:
  kind: debian
  image: small
  storage: tank
  ssh_keys: ["{KEY}"]
  dns: {{servers: [1.1.1.1]}}
  start: {{order: 5, up: 1m}}
  tags: [all]
  ansible: {{vars: {{a: 1, b: {{secret: "env:B"}}}}}}
  pve: {{kvm: false, ostype: l26}}
images:
  small: {{path: debian.qcow2}}
  big: {{url: "https://x.org/big.img", sha512: {"0f" * 64}}}
  own: {{build: debian-13}}
vms:
  one: {{}}
  two:
    kind: ubuntu
    vmid: 200
    memory: 1.5GiB
    disks: [{{size: 8GiB, slot: scsi1}}, {{size: 1G}}, {{size: 1G, slot: virtio0, storage: fast, ssd: null}}]
    nics:
      - {{address: 10.0.0.5/24, gateway: 10.0.0.1, mac: "bc:24:11:00:00:01", vlan: 7}}
      - {{bridge: vmbr9, address: none, address6: "fd00::5/64", gateway6: "fe80::1"}}
    dns: {{search: [lan]}}
    start: {{order: 1}}
    tags: [b, a]
    ansible: {{playbooks: [site.yml], vars: {{a: 2}}}}
    ssh_keys: ["file:key.pub", "{KEY}"]
    description: |
      Two lines,
      no end.
    pve: {{ostype: null, cpulimit: 2}}
    password: "env:PASSWORD"
    user_data: {{runcmd: [echo]}}
""",
        "stack.yaml",
        KINDS,
        FILES,
    )
    assert stack.host is not None
    assert stack.host.endpoints == ("https://a:8006", "https://b:8006")
    assert stack.host.fingerprints == (":".join(["AB"] * 32),)
    assert stack.host.token is not None
    assert str(stack.host.token.secret) == "file:~/token"
    assert (stack.host.timeouts.connect_s, stack.host.timeouts.read_s) == (0.5, 60.0)
    assert stack.images["small"].source == LocalFile("/there/debian.qcow2", None)
    big = stack.images["big"]
    assert (big.source, big.format) == (Download("https://x.org/big.img", Checksum("sha512", "0f" * 64), None), "qcow2")
    assert stack.images["own"].source == Built("debian-13")
    one, two = stack.vms
    assert (one.kind, one.image, one.vmid, one.node, one.memory_mib) == ("debian", "small", None, None, 2048)
    assert [(disk.slot, disk.size_bytes >> 30, disk.storage) for disk in one.disks] == [("scsi0", 20, "tank")]
    assert [(nic.slot, nic.bridge, nic.address) for nic in one.nics] == [("net0", "vmbr0", "dhcp")]
    assert (one.start.order, one.start.up_s, one.tags) == (5, 60, ("all",))
    assert one.ansible.vars == {"a": 1, "b": SecretRef("env", "B")}
    assert one.pve == {"kvm": "0", "ostype": "l26"}
    assert two == stack.vm("two")
    assert (two.kind, two.vmid, two.memory_mib, two.tags) == ("ubuntu", 200, 1536, ("a", "b"))
    assert [(disk.slot, disk.storage) for disk in two.disks] == [
        ("scsi1", "tank"),
        ("scsi0", "tank"),
        ("virtio0", "fast"),
    ]
    assert (two.nics[0].address, two.nics[0].gateway) == (IPv4Interface("10.0.0.5/24"), IPv4Address("10.0.0.1"))
    assert (two.nics[0].mac, two.nics[0].vlan) == ("BC:24:11:00:00:01", 7)
    assert (two.nics[1].bridge, two.nics[1].address, two.nics[1].address6) == (
        "vmbr9",
        "none",
        IPv6Interface("fd00::5/64"),
    )
    assert (two.dns.servers, two.dns.search) == (("1.1.1.1",), ("lan",))
    assert (two.start.order, two.start.up_s) == (1, 60)
    assert two.ansible.playbooks == ("/there/site.yml",)
    assert two.ansible.vars == {"a": 2, "b": SecretRef("env", "B")}
    assert two.ssh_keys == (KEY,)
    assert two.description == "Two lines,\nno end."
    assert two.pve == {"kvm": "0", "ostype": None, "cpulimit": "2"}
    assert two.password == SecretRef("env", "PASSWORD")
    assert "hunter" not in repr(stack)


def test_the_lab_is_no_host() -> None:
    assert minimal("{kind: debian}").host is None


def minimal(vm: str, **extra: Any) -> Stack:
    """Return a stack with one VM."""
    head = yaml.safe_dump({"pvekit": 1, "name": "x", "host": "lab", **extra})
    return load(f"{head}vms:\n  a: {vm}\n", "stack.yaml", KINDS, FILES)


def test_user_data_from_a_file() -> None:
    files = Memory({"u.yaml": "#cloud-config\nruncmd: [a]\n", "s.sh": "#!/bin/sh\n", "bad.yaml": "a: yes\na: 1\n"})
    text = "pvekit: 1\nname: x\nhost: lab\nvms:\n  a: {{kind: debian, user_data: 'file:{}'}}\n"
    assert load(text.format("u.yaml"), "s", KINDS, files).vms[0].user_data == {"runcmd": ["a"]}
    found = {name: [str(p) for p in problems_of(text.format(name), files=files)] for name in ("s.sh", "bad.yaml", "no")}
    assert "is a script, not a cloud-config" in found["s.sh"][0]
    assert found["bad.yaml"][0].startswith("bad.yaml:1:4: a: yes, no, on and off are ambiguous")
    assert found["bad.yaml"][1].startswith("bad.yaml:2:1: a: the key 'a' appears twice; the first one is in line 1.")
    assert "cannot read no: no such file or directory." in found["no"][0]


def test_key_files() -> None:
    files = Memory(
        {"two": f"# mine\n{KEY}\n{KEY}2\n", "private": "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", "empty": ""}
    )
    text = "pvekit: 1\nname: x\nhost: lab\nvms:\n  a: {{kind: debian, ssh_keys: ['file:{}']}}\n"
    assert load(text.format("two"), "s", KINDS, files).vms[0].ssh_keys == (KEY, KEY + "2")
    assert "private: this is a private key." in str(problems_of(text.format("private"), files=files)[0])
    assert "empty holds no key." in str(problems_of(text.format("empty"), files=files)[0])


def test_secrets_in_the_file_are_not_repeated() -> None:
    vm = "{kind: debian, password: hunter2, ssh_keys: ['PRIVATE KEY hunter2']}"
    text = f"pvekit: 1\nname: x\nhost: lab\nvms:\n  a: {vm}\n"
    shown = "\n".join(str(problem) for problem in problems_of(text))
    assert "secrets are never written into the stack file" in shown
    assert "private key" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "text", ["", "[]", "a", "pvekit", "- a\n- b\n", "%", "a: b: c", "\tx: y", "a: *b", "\x00", "{"]
)
def test_not_a_stack_file(text: str) -> None:
    assert len(problems_of(text)) == 1


def test_self_containing_and_exploding_aliases() -> None:
    assert any("contains itself" in str(p) for p in problems_of("a: &a {b: *a}\npvekit: 1\n"))
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert any("unfolds to too many values" in str(p) for p in problems_of(bomb))


def test_only_true_and_false_are_booleans() -> None:
    document = read(
        "{a: yes, b: 010, c: 12:30, d: true, e: 1_0, f: '1', g: 0x1f, h: 1.5, i: ~, j: 2001-01-01, on: 1}", "f"
    )
    assert document.data == {
        "a": "yes", "b": "010", "c": "12:30", "d": True, "e": "1_0", "f": "1", "g": "0x1f", "h": 1.5, "i": None,
        "j": "2001-01-01", "on": 1,
    }  # fmt: skip
    assert document.old_booleans == {("a",)}


PLACE = Place(
    "https://192.168.1.2:8006",
    "root@pam!pvekit",
    fingerprint=":".join(["AB"] * 32),
    nodes=["pve", "auto"],
    storages=["local-lvm", "tank"],
    bridges=["vmbr0", "vmbr1"],
)


@pytest.mark.parametrize(
    "place", [PLACE, dataclasses.replace(PLACE, fingerprint="", nodes=())], ids=["pinned", "system"]
)
def test_first_files_are_good(place: Place) -> None:
    for make in (starter, z440_home):
        text = make("home", place)
        assert problems_of(text, KINDS | LATER) == []
        jsonschema.validate(yaml.safe_load(text), schema(KINDS | LATER))
        assert max(map(len, text.splitlines())) <= 120


def test_z440_is_a_home() -> None:
    stack = load(z440_home("home", PLACE), "s", KINDS | LATER, FILES)
    assert [vm.kind for vm in stack.vms] == ["nas", "windows", "windows", "ubuntu", "ubuntu"]
    assert sum(vm.memory_mib for vm in stack.vms) == 42 * 1024
    assert sum(vm.cores for vm in stack.vms) == 24


def test_the_z440_example_is_the_preset() -> None:
    text = (INVENTORY / "z440-home.yaml").read_text()
    stack = load(text, "s", KINDS | LATER, FILES)
    assert stack.host is not None
    place = Place(
        stack.host.endpoints[0],
        "root@pam!pvekit",
        fingerprint=stack.host.fingerprints[0],
        timezone="Europe/Berlin",
        ssh_keys=(),
    )
    assert text == z440_home("home", place)


def test_schema_is_a_schema_and_says_everything() -> None:
    found = schema(KINDS)
    jsonschema.Draft202012Validator.check_schema(found)
    for name, shape in found["$defs"].items():
        for field, value in shape["properties"].items():
            target = found["$defs"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
            assert target.get("description"), f"{name}.{field} has no description"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"pvekit": 1, "name": "x", "host": "lab", "vms": {"a": {"kind": "nas"}}}, found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(schema()["$defs"]["VmShape"]["properties"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6), st.text(max_size=30))
def test_any_file_is_read_or_refused(vm: dict[str, Any], text: str) -> None:
    """No exception but StackInvalid, whatever stands in the file."""
    problems_of(text)
    data = {"pvekit": 1, "name": "x", "host": "lab", "vms": {"a": {"kind": "debian", **vm}}}
    for problem in problems_of(yaml.safe_dump(data)):
        assert problem.line > 0
        assert problem.path
