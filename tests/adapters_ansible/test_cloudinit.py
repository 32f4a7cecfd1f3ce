from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pvekit.model.cloudinit import Seed, SeedNic, SeedUser, merge, seed, seed_digest

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "seed.yaml").read_text())


def tuples(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in mapping.items()}


def make(case: dict[str, Any]) -> Seed:
    nics = [SeedNic(**tuples(nic)) for nic in case["nics"]]
    return seed(**{**case, "user": SeedUser(**tuples(case["user"])), "nics": nics})


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_seed(case: dict[str, Any]) -> None:
    made = make(case["given"])
    assert made.user_data.startswith("#cloud-config\n")
    data = yaml.safe_load(made.user_data)
    for key, value in case["user_data"].items():
        assert data[key] == value
    for key in case.get("absent", ()):
        assert key not in data
    assert yaml.safe_load(made.network_config) == case["network"]
    assert yaml.safe_load(made.meta_data)["instance-id"] == case["given"]["instance_id"]
    assert made.has_secrets is case["secrets"]


def simple(**changes: Any) -> Seed:
    arguments: dict[str, Any] = {"hostname": "web", "instance_id": "i", "user": SeedUser("anna"), "nics": []}
    return seed(**{**arguments, **changes})


def test_guest_keeps_its_instance_and_no_secret() -> None:
    made = simple(user=SeedUser("anna", password="geheim"), extra={"write_files": [{"path": "/x"}]})
    files = {each["path"]: each for each in yaml.safe_load(made.user_data)["write_files"]}
    kept = "/var/lib/cloud/seed/nocloud"
    assert yaml.safe_load(files["/etc/cloud/cloud.cfg.d/99-pvekit.cfg"]["content"]) == {"manual_cache_clean": True}
    assert files["/var/lib/cloud/instance/manual-clean"]["content"] == ""
    assert files[f"{kept}/meta-data"]["content"] == made.meta_data
    assert files[f"{kept}/network-config"]["content"] == made.network_config
    assert files[f"{kept}/user-data"]["content"].startswith("#cloud-config\n")
    assert "/x" in files
    assert not [path for path, each in files.items() if "geheim" in str(each)]


def test_secrets_are_not_shown() -> None:
    made = simple(user=SeedUser("anna", password="geheim"))
    assert "geheim" in made.user_data
    assert "geheim" not in repr(made)
    assert "geheim" not in repr(SeedUser("anna", password="geheim", password_hash="geheim"))


def test_digest_follows_the_content() -> None:
    assert seed_digest(simple()) == seed_digest(simple())
    assert seed_digest(simple()) != seed_digest(simple(hostname="other"))
    assert seed_digest(simple()) != seed_digest(simple(nics=[SeedNic("bc:24:11:00:00:01")]))


def test_agent_is_started_before_the_persons_commands() -> None:
    commands = yaml.safe_load(simple(extra={"runcmd": [["ls"]]}).user_data)["runcmd"]
    assert "qemu-guest-agent" in commands[0][2]
    assert commands[1] == ["ls"]


def test_wrong_address_is_refused() -> None:
    with pytest.raises(ValueError, match="banana"):
        simple(nics=[SeedNic("bc:24:11:00:00:01", addresses=("banana",))])


documents = st.recursive(
    st.one_of(st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=3)),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(max_size=3), documents, max_size=4)


@settings(deadline=None)
@given(mappings, mappings)
def test_merge_laws(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    merged = merge(ours, theirs)
    assert set(merged) == set(ours) | set(theirs)
    assert merge(ours, {}) == ours
    assert merge(merged, theirs) == merged


@settings(deadline=None)
@example("a\x85,")
@example("a\u2028\nb\r\n")
@given(st.text(max_size=40))
def test_any_text_survives_the_yaml(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    made = simple(user=SeedUser("anna", password=text or "x"))
    assert yaml.safe_load(made.user_data)["chpasswd"]["users"][0]["password"] == (text or "x")
