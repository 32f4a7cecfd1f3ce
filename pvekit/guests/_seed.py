"""What a cloud image is told on its first boot."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.model.cloudinit import SeedNic
from pvekit.model.desired import DesiredSeed
from pvekit.model.stack import Nic, Stack, Vm


def seed_for(stack: Stack, vm: Vm, macs: Sequence[str]) -> DesiredSeed:
    """Return the seed of a VM. The instance id names stack and VM, so that the guest never takes itself for new."""
    return DesiredSeed(
        hostname=vm.name,
        instance_id=f"pvekit-{stack.name}-{vm.name}",
        user=vm.user,
        ssh_keys=vm.ssh_keys,
        nics=tuple(_nic(nic, mac) for nic, mac in zip(vm.nics, macs, strict=True)),
        password=vm.password,
        dns=vm.dns.servers,
        search=vm.dns.search,
        user_data=vm.user_data,
    )


def _nic(nic: Nic, mac: str) -> SeedNic:
    fixed = [str(item) for item in (nic.address, nic.address6) if not isinstance(item, str)]
    gateways = [str(item) for item in (nic.gateway, nic.gateway6) if item is not None]
    # 1 is PVE's word for "as the bridge"; the virtio card itself tells the guest what that is.
    mtu = None if nic.mtu == 1 else nic.mtu
    ipv6 = nic.address6 if isinstance(nic.address6, str) else "auto"
    return SeedNic(mac, tuple(fixed), tuple(gateways), dhcp=nic.address == "dhcp", mtu=mtu, ipv6=ipv6)
