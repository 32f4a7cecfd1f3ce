"""A plan with cards meets a real node: looked at, refused, changed, restarted. The VM's steps are stand-ins here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.pve.node import PciDevice
from pvekit.adapters.stackfile import load_stack
from pvekit.engine import Context, Fate, Outcome, Step, run
from pvekit.model.errors import PreflightRefused, ProvisionFailed, PvekitError, RebootNeeded
from pvekit.model.facts import Facts, VmRow
from pvekit.model.plan import Action, Plan, Verb
from pvekit.model.stack import Parallel
from pvekit.provision.apply.job import Job
from pvekit.provision.gpus import Resolved, resolve
from pvekit.workflows import gpurecord, repair
from pvekit.workflows.collect import Host
from pvekit.workflows.gpuhost import HostWork, with_gpu_hosts
from pvekit.workflows.gpuprepare import Preparer
from pvekit.workflows.session import Session
from tests.gpuhost.cardnode import BROKEN, CARD, HEALTHY, CardNode, recorded
from tests.passthrough.killer import run as program

PLAN = Plan(
    "home",
    (
        Action("image:debian:local:pve", Verb.IMAGE, ""),
        Action("win:create", Verb.CREATE, "win", needs=("image:debian:local:pve",)),
        Action("win:start", Verb.START, "win", needs=("win:create",)),
        Action("web:create", Verb.CREATE, "web", needs=("image:debian:local:pve",)),
    ),
)
NOTHING = Facts({}, (), (), {})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


Opened = Callable[..., Session]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Return what makes a session of a stack with one card; nothing answers its API."""

    def make(ssh: str, passthrough: str = "check") -> Session:
        path = tmp_path / "home.yaml"
        path.write_text(
            "pvekit: 1\nname: home\nhost:\n  endpoint: https://192.0.2.1:8006\n"
            "  verify: system\n  token: {id: 'root@pam!pvekit', secret: 'env:PVEKIT_TOKEN'}\n"
            f"{f'  ssh: {ssh}' if ssh else ''}\n  passthrough: {passthrough}\n"
            'gpus: {p106: {match: {id: "10de:1c07"}}}\n'
            "defaults: {kind: debian, image: tiny, storage: local, memory: 1GiB, node: pve}\n"
            "images: {tiny: {url: 'https://example.com/tiny.qcow2', sha256: "
            f"{'a' * 64}}}}}\n"
            "vms: {win: {gpus: [p106]}, web: {}}\n"
        )
        stack = load_stack(path, guests.kinds())
        return Session(stack, tmp_path, cast("api.Pve", None), Parallel(), "root@pam!pvekit", lab=False)

    return make


def device(group: int = 31) -> PciDevice:
    known: dict[str, Any] = {
        "address": CARD, "pci_class": "030200", "name": "GP106", "id": "10de:1c07", "subsystem": "", "group": group,
    }  # fmt: skip
    return PciDevice(**known)


def planned(session: Session, *, group: int = 31, plan: Plan = PLAN, **more: Any) -> tuple[Plan, HostWork]:
    vms = [guests.desired(session.stack, vm) for vm in session.stack.vms]
    found: Mapping[str, Resolved] = {"p106": resolve(session.stack.gpus["p106"], {"pve": [device(group)]})}
    return with_gpu_hosts(session, plan, vms, found, more.pop("facts", NOTHING), **more)


def carried_out(session: Session, plan: Plan, work: HostWork) -> dict[str, Outcome]:
    """Run a plan whose VM steps do nothing."""
    prepare = Preparer(session, work)
    job = cast("Job", SimpleNamespace(stack="home", facts=NOTHING, live={}, pve=session.pve))

    def runner(action: Action) -> Callable[[Context], None]:
        def go(context: Context) -> None:
            if action.verb is Verb.HOSTGPU:
                prepare(job, action.id.partition(":")[2], context)

        return go

    outcomes = run([Step(a.id, a.vm, a.id, runner(a), a.needs) for a in plan.actions])
    return {outcome.step.id: outcome for outcome in outcomes}


def applied(node: CardNode, session: Session) -> None:
    """Make the planned changes, by the host's program alone: the playbook has its own tests."""
    _, work = planned(session)
    (made,) = work.repairs["pve"]
    assert program(node.tree, "apply", stdin=made.changes.document("now"))["ok"]


def refused(session: Session, **more: Any) -> str:
    with pytest.raises(PreflightRefused) as caught:
        planned(session, **more)
    return f"{caught.value}\n{caught.value.hint}"


def test_a_healthy_node_is_a_line_in_the_plan(node: CardNode, opened: Opened) -> None:
    node.tells(HEALTHY)
    plan, work = planned(opened(node.ssh.yaml(), "configure"))
    assert plan.actions == PLAN.actions
    assert not work
    (note,) = plan.notes
    assert note.startswith(f"win: p106 ({CARD} on pve): every layer that passthrough needs is proven (")
    assert node.ssh.logins() == 1, "evidence and look come over one connection"


def test_a_plan_that_does_not_touch_the_card_looks_at_nothing(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    for plan in (Plan("home"), replace(PLAN, actions=PLAN.actions[:1] + PLAN.actions[3:])):
        assert planned(session, plan=plan) == (plan, HostWork())
    assert node.ssh.logins() == 0


def test_a_broken_node_is_refused_with_cause_evidence_and_command(node: CardNode, opened: Opened) -> None:
    said = refused(opened(node.ssh.yaml()))
    assert f"win cannot get p106 ({CARD} on pve): intel_iommu=on is missing (KC-01, kernel option)" in said
    assert "the kernel was not told to use it" in said
    assert "\n  cmdline.txt:1: BOOT_IMAGE=/boot/vmlinuz-6.5.13-6-pve" in said
    assert f"home.yaml --device {CARD}" in said
    assert "pvekit passthrough explain KC-01" in said
    assert node.phase == ""


def test_the_firmware_is_the_persons_to_change(node: CardNode, opened: Opened) -> None:
    node.tells({**BROKEN, "acpi_tables.txt": "APIC\nDSDT\nFACP\nMCFG\n", "dmesg.txt": "[    0.1] Linux version 6.5\n"})
    said = refused(opened(node.ssh.yaml(), "configure"))
    assert "(FW-01, firmware)" in said
    assert "VT-d" in said


def test_not_certain_is_a_note(node: CardNode, opened: Opened) -> None:
    node.tells(recorded("z440-on"))
    session = opened(node.ssh.yaml(), "configure")
    plan, work = planned(session)
    assert "not certain" in plan.notes[0]
    assert not work
    assert "tells no IOMMU group" in refused(session, group=-1)


def test_what_the_node_would_lose_is_refused_first(node: CardNode, opened: Opened) -> None:
    shared = HEALTHY["iommu_groups.txt"].replace("IOMMU Group 20", "IOMMU Group 31")
    uses = "0000:00:19.0 nic default-route vmbr0\n"
    node.tells({**HEALTHY, "iommu_groups.txt": shared, "host_uses.txt": uses})
    for passthrough in ("check", "configure"):
        said = refused(opened(node.ssh.yaml(), passthrough))
        assert "the node would lose what it needs" in said
        assert "network card of the default route" in said


def test_the_only_screen_goes_only_where_the_card_is_the_vms_first_display(node: CardNode, opened: Opened) -> None:
    node.tells({**HEALTHY, "host_uses.txt": f"{CARD} console fb0\n"})
    session = opened(node.ssh.yaml())
    said = refused(session)
    assert "shows the only console of the host" in said
    assert "primary: true" in said
    path = Path(session.stack.file)
    path.write_text(path.read_text().replace("gpus: [p106]", "gpus: [{name: p106, primary: true}]"))
    session = replace(session, stack=load_stack(path, guests.kinds()))
    assert "is proven" in planned(session)[0].notes[0]


def test_two_cards_of_one_node_are_one_step_with_two_change_sets(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    path = Path(session.stack.file)
    text = path.read_text().replace("gpus: {p106", 'gpus: {m2000: {match: {id: "10de:1430"}}, p106')
    path.write_text(text.replace("vms: {", "vms: {desk: {gpus: [m2000]}, "))
    session = replace(session, stack=load_stack(path, guests.kinds()))
    rows = [device(-1), replace(device(-1), address="0000:02:00.0", id="10de:1430")]
    found = {name: resolve(gpu, {"pve": rows}) for name, gpu in session.stack.gpus.items()}
    start = Action("desk:start", Verb.START, "desk")
    vms = [guests.desired(session.stack, vm) for vm in session.stack.vms]
    plan, work = with_gpu_hosts(session, replace(PLAN, actions=(*PLAN.actions, start)), vms, found, NOTHING)
    assert [action.id for action in plan.actions if action.verb is Verb.HOSTGPU] == ["gpuhost:pve"]
    assert work.nodes["pve"].vms == ("desk", "win")
    first, second = work.repairs["pve"]
    assert (first.changes.folder[:5], second.changes.folder[:5]) == ("0001-", "0002-")
    for made in (first, second):
        assert program(node.tree, "apply", stdin=made.changes.document("now"))["ok"]
    conf = (node.tree / "etc/modprobe.d/zz-pvekit-vfio.conf").read_text()
    assert "10de:1430" in conf
    assert "10de:1c07" in conf
    assert node.drop_in.read_text().count("intel_iommu=on") == 2, "once in the comment, once set"
    assert all("gpuhost:pve" in action.needs for action in plan.actions if action.id in ("desk:start", "win:create"))


def test_without_ssh_the_command_is_named(opened: Opened) -> None:
    plan, work = planned(opened(""))
    assert f"pvekit passthrough diagnose root@ADDRESS --device {CARD}" in plan.notes[0]
    assert not work
    assert "configure needs SSH to pve" in refused(opened("", "configure"))


def test_neither_the_embedded_node_nor_a_recording_is_looked_at(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    assert planned(replace(session, lab=True)) == (PLAN, HostWork())
    plan, work = planned(replace(session, offline=True))
    assert "the node is not looked at" in plan.notes[0]
    assert not work
    assert node.ssh.logins() == 0


@pytest.mark.slow
def test_changed_then_restarted_by_hand_then_gone_on_with(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    plan, work = planned(session, group=-1)
    host = plan.actions[0]
    assert host.id == "gpuhost:pve"
    shown = {change.target: change for change in host.changes}
    assert "intel_iommu=on" in str(shown["/etc/default/grub.d/pvekit-passthrough.cfg"].after)
    assert "update-grub" in str(shown["afterwards"].after)
    assert "can keep the host from starting" in host.danger
    assert node.phase == "", "a plan changes nothing"

    done = carried_out(session, plan, work)
    error = done["gpuhost:pve"].error
    assert isinstance(error, RebootNeeded)
    assert error.code == 16
    assert str(error) == "node pve has to be restarted before win can get its card"
    assert "run pvekit up again: it goes on from there" in error.hint
    fates = {name: outcome.fate for name, outcome in done.items()}
    assert (fates["win:create"], fates["win:start"]) == (Fate.SKIPPED, Fate.SKIPPED)
    assert (fates["image:debian:local:pve"], fates["web:create"]) == (Fate.DONE, Fate.DONE)
    assert node.phase == "applied"
    assert "intel_iommu=on" in (node.tree / "boot/grub/grub.cfg").read_text()
    assert "options vfio-pci ids=10de:1c07" in (node.tree / "etc/modprobe.d/zz-pvekit-vfio.conf").read_text()

    # Not restarted yet: the same gate again, and nothing is written twice.
    journals = sorted((node.tree / "var/lib/pvekit/passthrough").glob("0*"))
    plan, work = planned(session, group=-1)
    assert plan.actions[0].changes == ()
    assert "the restart is missing" in plan.actions[0].why
    assert isinstance(carried_out(session, plan, work)["gpuhost:pve"].error, RebootNeeded)
    assert sorted((node.tree / "var/lib/pvekit/passthrough").glob("0*")) == journals

    node.restarted_by_hand()
    plan, work = planned(session)
    assert plan.actions == PLAN.actions
    assert not work

    (line,) = gpurecord.told("home", session.stack.file)
    assert f"pvekit passthrough rollback pve -s {session.stack.file}" in line
    assert journals[0].name in line


def test_started_since_and_not_changed_by_it_is_no_matter_of_another_restart(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    applied(node, session)
    node.started(int(time.time()) + 60)
    assert "(KC-03, kernel option)" in refused(session)


@pytest.mark.slow
def test_an_interrupted_change_set_is_gone_on_with(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    update = node.tree / "usr/sbin/update-grub"
    works = update.read_text()
    update.write_text("#!/bin/sh\nexit 3\n")
    plan, work = planned(session)
    error = carried_out(session, plan, work)["gpuhost:pve"].error
    assert isinstance(error, ProvisionFailed)
    assert node.phase != "applied"
    assert gpurecord.changed_nodes("home"), "down has to tell of it all the same"
    update.write_text(works)
    assert "is not finished (applying)" in refused(opened(node.ssh.yaml(), "check"))
    session = opened(node.ssh.yaml(), "configure")
    plan, work = planned(session)
    assert "it goes on from there" in plan.actions[0].why
    assert isinstance(carried_out(session, plan, work)["gpuhost:pve"].error, RebootNeeded)
    assert node.phase == "applied"
    assert "intel_iommu=on" in (node.tree / "boot/grub/grub.cfg").read_text()


def test_a_rollback_that_was_interrupted_is_told(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    applied(node, session)
    update = node.tree / "usr/sbin/update-grub"
    (node.tree / "boot/grub/grub.cfg").write_text("made anew meanwhile\n")
    update.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(PvekitError):
        repair.rollback(Host("pve", stack=Path(session.stack.file)), root=str(node.tree))
    assert node.phase == "rolling-back"
    assert "pvekit passthrough rollback pve" in refused(session)


# Restarts


@pytest.fixture
def _cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that sees its node."""
    row = SimpleNamespace(node="pve", online=True)
    monkeypatch.setattr(api, "resources", lambda pve: SimpleNamespace(node=lambda name: row))


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_restarted_by_the_run_and_judged_again(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    node.tells(HEALTHY, after_restart=True)
    plan, work = planned(session, group=-1, reboot=True)
    assert "pve is restarted, with all that runs there" in plan.actions[0].danger
    assert all("gpuhost:pve" in a.needs for a in plan.actions[1:2])
    before = node.boot_id.read_text()
    done = carried_out(session, plan, work)
    assert {outcome.fate for outcome in done.values()} == {Fate.DONE}, [o.error for o in done.values() if o.error]
    assert len(node.calls("shutdown")) == 1
    assert node.boot_id.read_text() != before
    assert len(node.calls("collect")) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_restarted_and_still_broken_ends_it(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    plan, work = planned(session, reboot=True)
    done = carried_out(session, plan, work)
    error = done["gpuhost:pve"].error
    assert isinstance(error, PreflightRefused)
    assert "pve is restarted, and still" in str(error)
    assert "pvekit passthrough rollback pve" in error.hint
    assert {done[name].fate for name in ("win:create", "web:create")} == {Fate.SKIPPED}


@pytest.mark.slow
@pytest.mark.usefixtures("_cluster")
def test_only_the_restart_is_missing_and_the_run_does_it(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    applied(node, session)
    node.tells(HEALTHY, after_restart=True)
    plan, work = planned(session, reboot=True)
    assert plan.actions[0].changes == ()
    assert {outcome.fate for outcome in carried_out(session, plan, work).values()} == {Fate.DONE}
    assert len(node.calls("shutdown")) == 1


def test_pvekits_own_machine_is_not_restarted(node: CardNode, opened: Opened) -> None:
    node.boot_id.write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
    assert "pvekit runs on pve itself" in refused(opened(node.ssh.yaml(), "configure"), reboot=True)
    assert planned(opened(node.ssh.yaml(), "configure"))[1], "without the option it is only changed"


def test_a_node_with_guests_of_others_is_not_restarted(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")

    def row(vmid: int, name: str, *tags: str, **more: Any) -> VmRow:
        known = {"node": "pve", "running": True, "lock": "", "memory": 1, "threads": 1, **more}
        return VmRow(vmid=vmid, name=name, tags=frozenset(tags), **known)

    mine = row(1001, "web", "pvekit.home", "pvekit.home.web")
    node.guests("      1001 web                  running    2048              32.00 4711\n")
    assert planned(session, reboot=True, facts=Facts({}, (), (mine, row(7, "off", running=False)), {}))[1]
    said = refused(session, reboot=True, facts=Facts({}, (), (mine, row(105, "mail", kind="lxc")), {}))
    assert "guests run there that are not of this stack: mail (105)" in said
    # What a token does not see, root does.
    node.guests(
        "       120 hidden               running    2048              32.00 4712\n"
        "       121 asleep               stopped    2048              32.00 0\n",
        "130        running                 proxy\n",
    )
    assert "hidden (120), proxy (130)" in refused(session, reboot=True)
    (node.home / "pct.list").unlink()
    node.guests()
    (node.home / "pct.list").unlink()
    assert "pct list does not tell" in refused(session, reboot=True)


def test_a_guest_that_came_meanwhile_stops_the_restart(node: CardNode, opened: Opened) -> None:
    session = opened(node.ssh.yaml(), "configure")
    applied(node, session)
    plan, work = planned(session, reboot=True)
    node.guests("       120 late                 running    2048              32.00 4712\n")
    error = carried_out(session, plan, work)["gpuhost:pve"].error
    assert isinstance(error, PreflightRefused)
    assert "late (120)" in str(error)
    assert node.calls("shutdown") == []
