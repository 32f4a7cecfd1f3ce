"""The pveum lines grant what is missing, and nothing else."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pvekit.provision.privileges import Need, missing, pveum_lines
from tests.provision.pve_acl import AccessList

PRIVILEGES = {
    "/vms": ("VM.Allocate", "VM.Audit", "VM.Config.CPU", "VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted"),
    "/pool/p": ("VM.Allocate", "VM.Audit"),
    "/storage/local": ("Datastore.Audit", "Datastore.AllocateSpace"),
    "/nodes/pve": ("Sys.AccessNetwork",),
    "/sdn/zones/localnetwork/vmbr0": ("SDN.Use",),
    "/": ("Sys.Modify",),
}
ALL = sorted({name for names in PRIVILEGES.values() for name in names} | {"Sys.Audit", "Permissions.Modify"})
PATHS = ("/", "/vms", "/vms/200", "/pool", "/pool/p", "/storage", "/storage/local", "/nodes", "/sdn", "/sdn/zones")
ALSO = {
    "/pool/p": [(), ("/vms",), ("/vms/200",)],
    "/sdn/zones/localnetwork/vmbr0": [(), ("/sdn/zones/localnetwork/vmbr0/7",)],
}
TOKENS = st.sampled_from(["root@pam!ci", "kit@pve!ci"])


@st.composite
def needed(draw: st.DrawFn) -> frozenset[Need]:
    """Return needs as plans have them."""
    found = set()
    for path, privileges in PRIVILEGES.items():
        for privilege in draw(st.sets(st.sampled_from(privileges))):
            also = draw(st.sampled_from(ALSO.get(path, [()])))
            exact = draw(st.sampled_from(["/vms", "/vms/200", "/vms/201"])) if path == "/vms" else ""
            found.add(Need(path, privilege, "test", also, exact))
    return frozenset(found)


@st.composite
def access_lists(draw: st.DrawFn) -> AccessList:
    """Return what an administrator may have set up before.

    On one path either everything holds below or nothing: of a mixture PVE's answer does not tell enough.
    """
    found = AccessList()
    flat = draw(st.sets(st.sampled_from(PATHS)))
    for number in range(draw(st.integers(0, 5))):
        found.roles[f"R{number}"] = draw(st.frozensets(st.sampled_from(ALL), min_size=1, max_size=4))
        path = draw(st.sampled_from(PATHS))
        for who in draw(st.sets(st.sampled_from(["root@pam!ci", "kit@pve!ci", "kit@pve"]), min_size=1)):
            found.give(path, who, f"R{number}", below=path not in flat)
    return found


@settings(max_examples=80, deadline=None)
@given(needed(), access_lists(), TOKENS)
def test_the_lines_grant_what_is_missing_and_nothing_else(needs: frozenset[Need], acl: AccessList, token: str) -> None:
    before = acl.answer(token)
    # PVE does not list a path on which the token has nothing at all, although it has entries of its own there.
    assume(all(path in before for path in acl.acl))
    lacking = missing(needs, before)
    was = {path: acl.effective(token, path) for path in (*PATHS, *PRIVILEGES, "/vms/201", "/nodes/other", "/storage/b")}
    reached = {need.path: acl.effective(token, f"{need.path}/-") for need in lacking}

    acl.obey(pveum_lines(lacking, token, before))

    assert missing(needs, acl.answer(token)) == ()
    for path, held in was.items():
        given_on = {need.path for need in lacking if path == need.path or path.startswith(f"{need.path}/")}
        granted = {need.privilege for need in lacking if need.path in given_on}
        granted |= {name for above in given_on for name in reached[above]}
        now = acl.effective(token, path)
        assert now.keys() - held.keys() <= granted, path
        assert not {name for name in held.keys() - now.keys() if relevant(path, name)}, path


def relevant(path: str, name: str) -> bool:
    """Return whether PVE ever asks for the privilege on that path."""
    words = {"vms": "VM.", "storage": "Datastore.", "nodes": "Sys.", "sdn": "SDN.", "pool": "VM."}
    return path != "/" and name.startswith(words[path.split("/")[1]])


@given(access_lists(), TOKENS, st.sampled_from(PATHS), st.sampled_from(ALL))
@settings(max_examples=60, deadline=None)
def test_nothing_is_missing_exactly_when_pve_would_allow_it(
    acl: AccessList, token: str, path: str, privilege: str
) -> None:
    answer = acl.answer(token)
    assume(all(listed in answer for listed in acl.acl))
    assume(privilege not in {"VM.GuestAgent.Audit", "Sys.AccessNetwork"})  # PVE takes others instead
    assert (missing([Need(path, privilege)], answer) == ()) == (privilege in acl.effective(token, path))
