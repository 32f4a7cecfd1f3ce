"""The root step against a real SSH server: planned, done, found done, undone to the byte."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from pvekit.workflows import up
from tests.helpers.cli_room import Place
from tests.rootstep.sshnode import SshNode

TUNING = "{zfs_arc_max: 1GiB, hugepages: 512, swappiness: 10, governor: performance, ksm: true}"
VMS = (
    "  desk: {affinity: '0-5', hugepages: 2, start: {schedule: {start: 'Mon..Fri 07:00', stop: '23:00'}}}\n"
    "  plain: {}\n"
)


def test_planned_done_found_done_and_undone(place: Place, node: SshNode) -> None:
    node.put("/etc/sysctl.d/90-pvekit.conf", "# somebody's own\nvm.swappiness = 42\n")
    before = node.snapshot()
    stack = place.stack("home", VMS, host=place.host(ssh=node.yaml(), tuning=TUNING))
    plan = place.run("plan", stack).ended(2)
    plan.says("desk", "affinity: (not set) -> 0-5", "hugepages: (not set) -> 2", "OnCalendar=Mon..Fri 07:00")
    plan.says(
        "zz-pvekit-zfs.conf (new file)", "zfs_arc_max=1073741824", "- vm.swappiness = 42", "powersave -> performance"
    )
    assert node.snapshot() == before, "a plan changes nothing"
    assert node.calls("qm") == []

    place.run("up", stack, "-y").ended(0)
    vm = place.vms("home")["desk"]["vmid"]
    config = place.config(vm)
    assert (config["affinity"], config["hugepages"], config["numa"]) == ("0-5", "2", 1)
    assert node.live("module/zfs/parameters/zfs_arc_max") == "1073741824"
    assert node.live("module/zfs/parameters/zfs_arc_min") == "1073741823"
    assert node.live("devices/system/cpu/cpu1/cpufreq/scaling_governor") == "performance"
    assert "swappiness = 10" in node.text("/etc/sysctl.d/90-pvekit.conf")
    service = node.text("/etc/systemd/system/pvekit-home-desk-start.service")
    assert f"ExecStart=/usr/sbin/qm start {vm}\n" in service
    assert (node.folder / "active" / "pvekit-home-desk-stop.timer").exists()
    assert node.path("/etc/systemd/system/timers.target.wants/pvekit-home-desk-start.timer").is_symlink()

    logins, begun = node.logins(), place.wrote()
    place.run("plan", stack).ended(0).says("no changes")
    assert node.logins() == logins + 1, "one login per plan"
    place.run("up", stack, "-y").ended(0)
    assert begun() == 0

    place.run("down", stack).ended(1)
    place.run("down", stack, "--confirm", "home").ended(0).says("schedule: start of desk", "zfs_arc_max")
    assert node.snapshot() == before
    assert place.vms("home") == {}
    assert not list(node.path("/var/lib/pvekit/kept").iterdir())


def test_nothing_asked_for_costs_nothing(place: Place, node: SshNode) -> None:
    stack = place.stack("bare", "  plain: {}\n", host=place.host(ssh=node.yaml()))
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)
    assert node.logins() == 0


def test_another_host_key_is_refused_and_nothing_runs(place: Place, node: SshNode) -> None:
    other = subprocess.run(["ssh-keygen", "-y", "-f", str(node.key)], capture_output=True, text=True, check=True)
    wrong = " ".join(other.stdout.split()[:2])
    stack = place.stack("wrong", VMS, host=place.host(ssh=node.yaml(host_key=f"'{wrong}'"), tuning=TUNING))
    begun, before = place.wrote(), node.snapshot()
    place.run("up", stack, "-y").ended(6).says("another SSH host key", "host_key")
    assert begun() == 0
    assert node.logins() == 0
    assert (node.calls(), node.snapshot()) == ([], before)


def test_what_the_stack_does_not_want_any_more_goes(place: Place, node: SshNode) -> None:
    before = node.snapshot()
    host = place.host(ssh=node.yaml(), tuning=TUNING)
    place.run("up", place.stack("less", VMS, host=host), "-y").ended(0)
    less = place.stack("less", "  desk: {}\n  plain: {}\n", host=place.host(ssh=node.yaml()))
    place.run("plan", less).ended(2).says("is not in the stack file any more", "affinity: 0-5 -> (removed)")
    place.run("up", less, "-y", "--restart").ended(0)
    assert node.snapshot() == before
    config = place.config(place.vms("less")["desk"]["vmid"])
    assert "affinity" not in config
    assert "hugepages" not in config
    logins = node.logins()
    place.run("plan", less).ended(0)
    assert node.logins() == logins, "a stack that asks for nothing is not looked for"
    place.run("down", less, "--confirm", "less").ended(0)


@pytest.mark.parametrize("broken", ["systemctl.fails.enable", "qm.fails", "systemctl.fails.daemon-reload"])
def test_a_run_that_broke_is_finished_by_the_next(place: Place, node: SshNode, broken: str) -> None:
    before = node.snapshot()
    stack = place.stack("broken", VMS, host=place.host(ssh=node.yaml(), tuning=TUNING))
    (node.folder / broken).touch()
    place.run("up", stack, "-y").ended(10)
    (node.folder / broken).unlink()
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "broken").ended(0)
    assert node.snapshot() == before


def test_root_on_zfs_makes_the_initramfs_anew_until_it_works(place: Place, node: SshNode) -> None:
    (node.folder / "rootfs").write_text("zfs\n")
    stack = place.stack("arc", "  plain: {}\n", host=place.host(ssh=node.yaml(), tuning="{zfs_arc_max: 4GiB}"))
    (node.folder / "initramfs.fails").touch()
    place.run("up", stack, "-y").ended(10).says("no space left")
    (node.folder / "initramfs.fails").unlink()
    place.run("plan", stack).ended(2)
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)
    assert len(node.calls("update-initramfs")) == 2
    # 4 GiB are above 1/32 of 64 GiB: OpenZFS takes them without another minimum.
    assert "zfs_arc_min" not in node.text("/etc/modprobe.d/zz-pvekit-zfs.conf")
    place.run("down", stack, "--confirm", "arc").ended(0)


def test_refused_before_anything_is_touched(place: Place, node: SshNode) -> None:
    begun, before = place.wrote(), node.snapshot()
    cases = {
        "{governor: schedutil}": ("no CPU frequency governor schedutil", "performance, powersave"),
        "{ksm: true}": ("ksm-control-daemon",),
    }
    node.path("/etc/systemd/system/ksmtuned.service").rename(node.path("/etc/systemd/system/aside"))
    for tuning, words in cases.items():
        stack = place.stack("refused", "  plain: {}\n", host=place.host(ssh=node.yaml(), tuning=tuning))
        place.run("up", stack, "-y").ended(8).says(*words)
    node.path("/etc/systemd/system/aside").rename(node.path("/etc/systemd/system/ksmtuned.service"))
    vms = "  odd: {start: {schedule: {start: 'Mon..Fri 27:00'}}}\n"
    place.run("up", place.stack("odd", vms, host=place.host(ssh=node.yaml())), "-y").ended(8).says("Mon..Fri 27:00")
    assert begun() == 0
    assert node.snapshot() == before


def test_two_stacks_do_not_tune_the_same_node(place: Place, node: SshNode) -> None:
    first = place.stack("first", "  one: {}\n", host=place.host(ssh=node.yaml(), tuning="{swappiness: 1}"))
    place.run("up", first, "-y").ended(0)
    second = place.stack("second", "  two: {}\n", host=place.host(ssh=node.yaml(), tuning="{swappiness: 9}"))
    place.run("up", second, "-y").ended(8).says("set by the stack first already")
    place.run("down", second, "--confirm", "second").ended(0).says("nothing to remove")
    assert "swappiness = 1\n" in node.text("/etc/sysctl.d/90-pvekit.conf")
    place.run("down", first, "--confirm", "first").ended(0)


def test_a_changed_value_keeps_what_was_before_the_first(place: Place, node: SshNode) -> None:
    before = node.snapshot()
    for value in ("10", "20"):
        stack = place.stack("twice", "  one: {}\n", host=place.host(ssh=node.yaml(), tuning=f"{{swappiness: {value}}}"))
        place.run("up", stack, "-y").ended(0)
        assert (node.folder / "proc/swappiness").read_text().strip() == value
    (node.folder / "proc/swappiness").write_text("33\n")
    place.run("plan", stack).ended(2).says("/proc/sys/vm/swappiness: 33 -> 20")
    place.run("down", stack, "--confirm", "twice").ended(0)
    assert node.snapshot() == before


def _inside(node: SshNode, *argv: str) -> int:
    return subprocess.run(["nsenter", "--mount", f"--target={node.process.pid}", *argv], check=False).returncode


def test_a_start_of_the_node_brings_the_same(place: Place, node: SshNode) -> None:
    stack = place.stack(
        "boot", "  one: {}\n", host=place.host(ssh=node.yaml(), tuning="{hugepages: 64, governor: performance}")
    )
    place.run("up", stack, "-y").ended(0)
    governor = "devices/system/cpu/cpu1/cpufreq/scaling_governor"
    pages = "kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    for name, value in ((governor, "powersave"), (pages, "0")):
        (node.folder / "sys" / name).write_text(value)
    for name in ("governor", "hugepages"):
        assert _inside(node, "systemd-tmpfiles", "--create", f"/etc/tmpfiles.d/pvekit-{name}.conf") == 0
    assert (node.live(governor), node.live(pages)) == ("performance", "64")
    place.run("down", stack, "--confirm", "boot").ended(0)


def test_a_schedule_touches_no_other_vm(place: Place, node: SshNode) -> None:
    vms = "  web: {start: {schedule: {start: '07:00'}}}\n"
    stack = place.stack("home", vms, host=place.host(ssh=node.yaml()))
    place.run("up", stack, "-y").ended(0)
    vmid = place.vms("home")["web"]["vmid"]
    service = node.text("/etc/systemd/system/pvekit-home-web-start.service")
    line = next(line for line in service.splitlines() if line.startswith("ExecCondition=/usr/bin/grep"))
    argv = shlex.split(line.removeprefix("ExecCondition=").replace("$$", "$"))
    conf = f"/etc/pve/qemu-server/{vmid}.conf"
    tags = {
        "tags: a;pvekit.home;pvekit.home.web": True,
        "tags: pvekit.home.web": True,
        "tags: pvekit.home;pvekit.home.web-2": False,
        "tags: pvekit.home;pvekit.home.other": False,
        "name: pvekit.home.web": False,
    }
    for text, ours in tags.items():
        node.put(conf, f"cores: 1\n{text}\n")
        assert (_inside(node, *argv) == 0) == ours, text
    node.path(conf).unlink()
    assert _inside(node, *argv) != 0, "a VM that moved away"
    place.run("down", stack, "--confirm", "home").ended(0)


def test_a_file_that_somebody_changed_is_told(place: Place, node: SshNode, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("home", "  one: {}\n", host=place.host(ssh=node.yaml(), tuning="{swappiness: 1}"))
    known = up.carry_out

    def late(*arguments: Any, **named: Any) -> Any:
        node.put("/etc/sysctl.d/90-pvekit.conf", "vm.swappiness = 77\n")
        return known(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(up, "carry_out", late)
        place.run("up", stack, "-y").ended(9).says("was changed meanwhile")
    assert node.text("/etc/sysctl.d/90-pvekit.conf") == "vm.swappiness = 77\n"
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "home").ended(0)
    assert node.text("/etc/sysctl.d/90-pvekit.conf") == "vm.swappiness = 77\n"


def test_tuning_without_a_way_to_the_node_is_told(place: Place) -> None:
    stack = place.stack("home", "  one: {}\n", host=place.host(tuning="{swappiness: 1}"))
    place.run("plan", stack).ended(8).says("tuning needs SSH to the nodes", "host: {ssh:")
