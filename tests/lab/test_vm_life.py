"""VMs: claimed, created, changed, started, copied, snapshotted, deleted."""

from __future__ import annotations

import io
import random
import threading
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from tests.lab.running import Client, RunningLab, qcow2, until

QEMU = "/nodes/pve/qemu"
KEY = "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIOVjlv20jhbCc7Cj0bZgxKxg%2BXWw4vQVw73ZFwscSfaQ%20me%40host"


def make(lab: RunningLab, api: Client, vmid: int, **params: Any) -> None:
    assert lab.wait(api.post(QEMU, vmid=vmid, **params)) == "OK"


def run(lab: RunningLab, api: Client, vmid: int, verb: str, **params: Any) -> str:
    return lab.wait(api.post(f"{QEMU}/{vmid}/status/{verb}", **params))


def reason(api: Client, method: str, path: str, **params: Any) -> str:
    answer = api.ask(method, path, params)
    assert answer.status == 500
    return answer.reason


def test_a_vmid_is_claimed_once(lab: RunningLab) -> None:
    answers: list[Any] = []

    def claim() -> None:
        client = lab.client()
        answers.append(client.ask("POST", QEMU, {"vmid": 7000}))
        client.close()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [500] * 7
    lost = {answer.reason for answer in answers if answer.status == 500}
    assert lost == {"unable to create VM 7000 - VM 7000 already exists on node 'pve'"}


def test_parallel_creates_get_their_own_disks(lab: RunningLab) -> None:
    client = lab.client()
    upids = [client.post(QEMU, vmid=800 + n, scsi0="local:1", scsi1="local:1", efidisk0="local:1") for n in range(8)]
    assert {lab.wait(upid) for upid in upids} == {"OK"}
    volumes = [row["volid"] for row in client.get("/nodes/pve/storage/local/content", content="images")]
    assert len(set(volumes)) == 24
    client.close()


def test_what_pve_adds(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, name="full", memory=1024, cores=2, ostype="win11", machine="q35", bios="ovmf", tags="b;A,a",
         efidisk0="local:1,efitype=4m,pre-enrolled-keys=1", tpmstate0="local:1,version=v2.0",
         scsi0="local:4,format=qcow2,ssd=1,discard=on", net0="virtio,bridge=vmbr0",
         description="<!-- {\"a\": 1} -->\nünï")  # fmt: skip
    config = api.get(f"{QEMU}/100/config")
    assert config["scsi0"] == "local:100/vm-100-disk-1.qcow2,discard=on,size=4G,ssd=1"
    assert config["efidisk0"].endswith(",efitype=4m,ms-cert=2023k,pre-enrolled-keys=1,size=528K")
    assert config["tpmstate0"] == "local:100/vm-100-disk-2.raw,size=4M,version=v2.0"
    assert config["machine"].startswith("pc-q35-")
    assert config["tags"] == "a;b"
    assert config["boot"] == "order=scsi0;net0"
    assert config["description"] == '<!-- {"a": 1} -->\nünï'
    assert config["net0"].startswith("virtio=BC:24:11:")
    assert {"smbios1", "vmgenid", "meta", "digest"} <= set(config)
    assert config["cores"] == 2
    assert config["memory"] == "1024"


def test_a_failed_create_leaves_nothing(lab: RunningLab, api: Client) -> None:
    upid = api.post(QEMU, vmid=100, scsi0="local:1", scsi1="local:0,import-from=local:import/ghost.qcow2")
    assert lab.wait(upid).startswith("unable to create VM 100 - failed to stat ")
    assert api.get("/cluster/resources", type="vm") == []
    assert api.get("/nodes/pve/storage/local/content") == []


def test_the_cloud_init_drive_is_a_seed(lab: RunningLab, api: Client) -> None:
    api.upload("local", "import", "cloud.qcow2", qcow2())
    until(lambda: api.get("/nodes/pve/storage/local/content"))
    make(lab, api, 103, name="cloud", scsi0="local:0,import-from=local:import/cloud.qcow2", ide2="local:cloudinit",
         ciuser="debian", sshkeys=KEY, ipconfig0="ip=192.0.2.5/24,gw=192.0.2.1", net0="virtio,bridge=vmbr0",
         cipassword="secret")  # fmt: skip
    user = api.get(f"{QEMU}/103/cloudinit/dump", type="user")
    assert "hostname: cloud\n" in user
    assert "  - ssh-ed25519 AAAAC3Nza" in user
    assert "password: $5$" in user
    assert "secret" not in user
    assert "netmask: '255.255.255.0'" in api.get(f"{QEMU}/103/cloudinit/dump", type="network")
    assert api.get(f"{QEMU}/103/config")["cipassword"] == "**********"


def test_the_seed_has_the_label_and_the_files(lab: RunningLab, tmp_path: Path) -> None:
    from pvekit.lab.vm.cloudinit import write_seed

    write_seed(lab.lab, 5, {"name": "n", "ciuser": "u"}, tmp_path / "seed.iso")
    image = pycdlib.PyCdlib()
    image.open(str(tmp_path / "seed.iso"))
    found = io.BytesIO()
    image.get_file_from_iso_fp(found, joliet_path="/user-data")
    assert found.getvalue().startswith(b"#cloud-config\nhostname: n\n")
    assert image.pvd.volume_identifier.decode().strip() == "cidata"
    image.close()


def test_changes_wait_for_the_next_start(lab: RunningLab, api: Client) -> None:
    make(lab, api, 101, cores=1, memory=512, net0="virtio,bridge=vmbr0")
    assert run(lab, api, 101, "start") == "OK"
    api.put(f"{QEMU}/101/config", cores=2, onboot=1, memory=1024)
    rows = {row["key"]: row for row in api.get(f"{QEMU}/101/pending")}
    assert rows["cores"] == {"key": "cores", "value": 1, "pending": 2}
    assert rows["onboot"] == {"key": "onboot", "value": 1}
    assert api.get(f"{QEMU}/101/config")["cores"] == 2
    assert api.get(f"{QEMU}/101/config", current=1)["cores"] == 1
    api.put(f"{QEMU}/101/config", revert="memory")
    api.put(f"{QEMU}/101/config", delete="memory")
    rows = {row["key"]: row for row in api.get(f"{QEMU}/101/pending")}
    assert rows["memory"] == {"key": "memory", "value": "512", "delete": 1}
    assert run(lab, api, 101, "stop") == "OK"
    rows = {row["key"]: row for row in api.get(f"{QEMU}/101/pending")}
    assert rows["cores"] == {"key": "cores", "value": 2}
    assert "memory" not in rows


def test_devices_come_and_go_live(lab: RunningLab, api: Client) -> None:
    make(lab, api, 101, scsihw="virtio-scsi-pci", scsi0="local:1", ide2="none,media=cdrom", boot="order=scsi0")
    run(lab, api, 101, "start")
    api.put(f"{QEMU}/101/config", scsi1="local:2,format=qcow2", net0="virtio,bridge=vmbr0")
    rows = {row["key"]: row for row in api.get(f"{QEMU}/101/pending")}
    assert "pending" not in rows["scsi1"]
    assert "pending" not in rows["net0"]
    api.put(f"{QEMU}/101/config", delete="scsi1")
    config = api.get(f"{QEMU}/101/config")
    assert config["unused0"] == "local:101/vm-101-disk-1.qcow2"
    api.put(f"{QEMU}/101/config", delete="ide2")
    assert {"key": "ide2", "value": "none,media=cdrom", "delete": 1} in api.get(f"{QEMU}/101/pending")


def test_detaching_a_cd_touches_the_boot_order(lab: RunningLab, api: Client) -> None:
    make(lab, api, 101, scsi0="local:1", ide2="none,media=cdrom", boot="order=scsi0")
    run(lab, api, 101, "start")
    api.put(f"{QEMU}/101/config", ide2="none,media=cdrom")
    rows = {row["key"]: row for row in api.get(f"{QEMU}/101/pending")}
    assert rows["boot"]["pending"] == "order=scsi0;ide2"
    api.put(f"{QEMU}/101/config", ide2="none,media=cdrom", boot="order=scsi0")
    rows = {row["key"]: row for row in api.get(f"{QEMU}/101/pending")}
    assert "pending" not in rows["boot"]


def test_refusals(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, scsi0="local:1", protection=1)
    stale = api.get(f"{QEMU}/100/config")["digest"]
    api.put(f"{QEMU}/100/config", name="x")
    message = reason(api, "PUT", f"{QEMU}/100/config", name="y", digest=stale)
    assert message == "checksum mismatch (file change by other user?)"
    assert api.get(f"{QEMU}/100/config")["name"] == "x"
    assert reason(api, "DELETE", f"{QEMU}/100") == "can't remove VM 100 - protection mode enabled"
    api.put(f"{QEMU}/100/config", protection=0)
    run(lab, api, 100, "start")
    assert reason(api, "DELETE", f"{QEMU}/100") == "VM 100 is running - destroy failed"
    assert run(lab, api, 100, "start") == "VM 100 already running"
    assert reason(api, "POST", f"{QEMU}/100/agent/ping") == "No QEMU guest agent configured"
    assert reason(api, "PUT", f"{QEMU}/100/config", args="-x") == "only root can set 'args' config"
    assert lab.wait(api.put(f"{QEMU}/100/resize", disk="scsi0", size="1M")) == "shrinking disks is not supported"
    run(lab, api, 100, "stop")
    api.put(f"{QEMU}/100/config", net0="virtio,bridge=vmbr9", cores=5)
    assert run(lab, api, 100, "start") == "MAX 4 vcpus allowed per VM on this node"
    api.put(f"{QEMU}/100/config", cores=1)
    assert run(lab, api, 100, "start") == "bridge 'vmbr9' does not exist"


def test_delete_frees_what_is_its_own(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, scsi0="local:1", ide2="local:cloudinit")
    api.post("/nodes/pve/storage/data/content", vmid=100, filename="vm-100-left.raw", size="1M")
    api.post("/nodes/pve/storage/data/content", vmid=101, filename="vm-101-disk-0.raw", size="1M")
    assert lab.wait(api.delete(f"{QEMU}/100", purge=1, destroy_unreferenced_disks=1)) == "OK"
    assert api.get("/nodes/pve/storage/local/content") == []
    left = [row["volid"] for row in api.get("/nodes/pve/storage/data/content")]
    assert left == ["data:101/vm-101-disk-0.raw"]


def test_templates_and_clones(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, name="base", scsi0="local:2,format=qcow2", net0="virtio,bridge=vmbr0", ide2="local:cloudinit")
    assert reason(api, "POST", f"{QEMU}/100/clone", newid=101, full=0).startswith("Linked clone feature is not")
    assert lab.wait(api.post(f"{QEMU}/100/clone", newid=101, name="copy", full=1, storage="data")) == "OK"
    copy, original = api.get(f"{QEMU}/101/config"), api.get(f"{QEMU}/100/config")
    assert copy["scsi0"] == "data:101/vm-101-disk-0.qcow2,size=2G"
    assert copy["net0"] != original["net0"]
    assert copy["smbios1"] != original["smbios1"]
    assert lab.wait(api.post(f"{QEMU}/100/template")) == "OK"
    assert run(lab, api, 100, "start") == "you can't start a vm if it's a template"
    assert lab.wait(api.post(f"{QEMU}/100/clone", newid=102, name="linked")) == "OK"
    linked = api.get(f"{QEMU}/102/config")["scsi0"]
    assert linked == "local:100/base-100-disk-0.qcow2/102/vm-102-disk-0.qcow2,size=2G"
    assert lab.wait(api.delete(f"{QEMU}/100")) == (
        "base volume 'local:100/base-100-disk-0.qcow2' is still in use by linked cloned"
    )
    assert lab.wait(api.delete(f"{QEMU}/102")) == "OK"
    assert lab.wait(api.delete(f"{QEMU}/100")) == "OK"


def test_snapshots(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, scsi0="local:1,format=qcow2", cores=1)
    base = f"{QEMU}/100/snapshot"
    assert lab.wait(api.post(base, snapname="first", description="d")) == "OK"
    api.put(f"{QEMU}/100/config", cores=3)
    lab.wait(api.put(f"{QEMU}/100/resize", disk="scsi0", size="+1G"))
    assert lab.wait(api.post(base, snapname="second")) == "OK"
    assert lab.wait(api.post(base, snapname="first")) == "snapshot name 'first' already used"
    rows = api.get(base)
    assert [(row["name"], row.get("parent")) for row in rows] == [
        ("first", None), ("second", "first"), ("current", "second"),
    ]  # fmt: skip
    assert lab.wait(api.post(f"{base}/first/rollback")) == "OK"
    config = api.get(f"{QEMU}/100/config")
    assert config["cores"] == 1
    assert config["scsi0"].endswith("size=1G")
    assert "lock" not in config
    assert lab.wait(api.delete(f"{base}/first")) == "OK"
    assert lab.wait(api.delete(f"{base}/second")) == "OK"
    assert [row["name"] for row in api.get(base)] == ["current"]


def test_raw_disks_have_no_snapshots(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, scsi0="local:1")
    assert lab.wait(api.post(f"{QEMU}/100/snapshot", snapname="no")) == "snapshot feature is not available"


def test_a_running_snapshot_keeps_the_memory(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, scsi0="local:1,format=qcow2")
    run(lab, api, 100, "start")
    assert lab.wait(api.post(f"{QEMU}/100/snapshot", snapname="live", vmstate=1)) == "OK"
    run(lab, api, 100, "stop")
    assert lab.wait(api.post(f"{QEMU}/100/snapshot/live/rollback")) == "OK"
    assert api.get(f"{QEMU}/100/status/current")["status"] == "running"


def test_moving_disks(lab: RunningLab, api: Client) -> None:
    make(lab, api, 100, scsi0="local:1,format=qcow2", scsi1="local:1,format=qcow2")
    make(lab, api, 101)
    assert lab.wait(api.post(f"{QEMU}/100/move_disk", disk="scsi0", storage="data", delete=1)) == "OK"
    assert api.get(f"{QEMU}/100/config")["scsi0"].startswith("data:100/")
    moved = api.post(f"{QEMU}/100/move_disk", disk="scsi1", target_vmid=101, target_disk="scsi4")
    assert lab.wait(moved) == "OK"
    assert api.get(f"{QEMU}/101/config")["scsi4"] == "local:101/vm-101-disk-0.qcow2,size=1G"
    assert "scsi1" not in api.get(f"{QEMU}/100/config")


def test_the_agent_tells_the_address_the_guest_is_reached_at(lab: RunningLab, api: Client) -> None:
    make(lab, api, 300, name="agent", agent="enabled=1", net0="virtio,bridge=vmbr0")
    assert reason(api, "POST", f"{QEMU}/300/agent/ping") == "VM 300 is not running"
    run(lab, api, 300, "start")
    found = api.get(f"{QEMU}/300/agent/network-get-interfaces")["result"]
    mac = api.get(f"{QEMU}/300/config")["net0"].split("=")[1].split(",")[0].lower()
    assert (found[1]["hardware-address"], found[1]["ip-addresses"][0]["ip-address"]) == (mac, "127.77.1.44")
    key = api.get(f"{QEMU}/300/agent/file-read", file="/etc/ssh/ssh_host_ed25519_key.pub")["content"]
    assert key.startswith("ssh-ed25519 AAAA")
    api.post(f"{QEMU}/300/agent/file-write", file="/etc/motd", content="hello")
    assert api.get(f"{QEMU}/300/agent/file-read", file="/etc/motd")["content"] == "hello"
    assert api.get(f"{QEMU}/300/agent/file-read", file="/etc/motd", offset=2, count=2) == {
        "bytes-read": 2, "content": "ll", "truncated": 1,
    }  # fmt: skip
    pid = api.post(f"{QEMU}/300/agent/exec", command=["cloud-init", "status"])["pid"]
    assert api.get(f"{QEMU}/300/agent/exec-status", pid=pid)["exited"] == 1


@pytest.mark.parametrize("verb", ["reboot", "suspend", "resume", "reset"])
def test_a_stopped_vm_cannot(lab: RunningLab, api: Client, verb: str) -> None:
    make(lab, api, 100)
    assert reason(api, "POST", f"{QEMU}/100/status/{verb}") == "VM 100 not running"


def test_many_hands_on_few_vms_end_and_leave_nothing(lab: RunningLab) -> None:
    """Creates, changes, clones and deletes of the same VMIDs at once: each ends, and nothing is left over."""

    def work(seed: int) -> None:
        client, dice = lab.client(), random.Random(seed)
        for _turn in range(25):
            vmid = dice.choice([100, 101, 102])
            asked: list[tuple[str, str, dict[str, Any]]] = [
                ("POST", QEMU, {"vmid": vmid, "scsi0": "local:1,format=qcow2", "pool": "p"}),
                ("POST", f"{QEMU}/{vmid}/config", {"scsi1": "local:1"}),
                ("PUT", f"{QEMU}/{vmid}/config", {"delete": "scsi1", "force": 1}),
                ("POST", f"{QEMU}/{vmid}/clone", {"newid": dice.choice([100, 101, 102])}),
                ("POST", f"{QEMU}/{vmid}/snapshot", {"snapname": "snap"}),
                ("DELETE", f"{QEMU}/{vmid}", {"purge": 1, "destroy-unreferenced-disks": 1}),
            ]
            answer = client.ask(*dice.choice(asked))
            assert answer.status in {200, 500}
            if answer.status == 200 and answer.data:
                lab.wait(answer.data)
        client.close()

    api = lab.client()
    api.post("/pools", poolid="p")
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for vmid in (100, 101, 102):
        answer = api.ask("DELETE", f"{QEMU}/{vmid}", {"purge": 1, "destroy-unreferenced-disks": 1})
        if answer.status == 200:
            assert lab.wait(answer.data) == "OK"
    assert api.get("/nodes/pve/storage/local/content") == []
    assert api.get("/pools/p")["members"] == []
    assert not lab.lab.storages.reserved
    api.close()
