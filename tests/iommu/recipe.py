"""What is on the IOMMU host's disk. Data only; everything here counts into the image's key.

An ordinary Debian server, because that is what is to be examined: its own kernel, initramfs-tools and GRUB. It is
quick only where that does not show: no sandbox round systemd's daemons, no units that find nothing to do.
"""

from __future__ import annotations

import re

from pvekit.lab.image import recipe as lab

SUITE = lab.SUITE
SIZE = 4 * 1024**3
PACKAGES = (
    *("systemd-sysv", "udev", "iproute2", "openssh-server", "sudo", "python3"),
    *("linux-image-amd64", "initramfs-tools", "zstd", "grub2-common", "grub-pc-bin"),
    *("pciutils", "kmod", "dmidecode", "e2fsprogs", "psmisc"),
    "qemu-system-x86",  # the second level; 190 MB with what it needs
)
VISITOR = "visitor"
"""A user who may do nothing but log in."""

_NEEDED_HERE = frozenset({"systemd-remount-fs.service", "kmod-static-nodes.service", "modprobe@.service"})
MASKED_UNITS = (
    *(name for name in lab.MASKED_UNITS if name not in _NEEDED_HERE),
    *("grub-common.service", "getty-static.service", "systemd-networkd.service", "systemd-networkd.socket"),
)
MASKED_UDEV_RULES = tuple(name for name in lab.MASKED_UDEV_RULES if name not in {"60-drm.rules", "78-sound-card.rules"})
DPKG_OPTIONS = (
    *lab.DPKG_OPTIONS,
    # 25 MB that any card of AMD makes the host load, for half a minute; it knows none as old as the stand-in
    "path-exclude=/usr/lib/modules/*/kernel/drivers/gpu/drm/amd/*",
    # Each copies programs into the initramfs one process after the other, and nothing in it calls them here
    *(
        f"path-exclude=/usr/share/initramfs-tools/hooks/{name}"
        for name in ("dmsetup", "fsck", "keymap", "resume", "thermal")
    ),
)

KERNEL_OPTIONS = (
    *("console=tty0", "console=ttyS0,115200"),
    # Time under emulation, and nothing that a device notices
    *("mitigations=off", "nokaslr", "audit=0", "nowatchdog", "tsc=nowatchdog", "cryptomgr.notests"),
    # The kernel gives the timer a few ticks to prove itself and panics without them: too few on a busy machine
    "no_timer_check",
    *("init_on_alloc=0", "systemd.show_status=0", "systemd.gpt_auto=0", "udev.children_max=2"),
)

PLAIN_MODULES = (
    *("virtio_blk", "virtio_net", "net_failover", "failover", "ahci", "libahci", "libata", "scsi_mod", "scsi_common"),
    *("vfio", "vfio-pci", "vfio-pci-core", "vfio_iommu_type1", "iommufd", "irqbypass", "kvm", "snd", "snd-pcm"),
    *("snd-timer", "snd-hda-codec", "snd-hda-core", "snd-hda-intel", "snd-intel-dspcfg", "snd-intel-sdw-acpi"),
    *("snd-hwdep", "soundcore", "bochs", "drm", "drm_kms_helper", "drm_shmem_helper", "drm_vram_helper", "ttm"),
    *("drm_ttm_helper", "e1000", "e1000e", "nvme", "nvme-core", "nvme-auth", "nvme-keyring", "i2c-i801", "i2c-smbus"),
    *("ext4", "jbd2", "mbcache", "crc16", "crc32c_generic", "crc32c-intel", "dm-mod", "sd_mod", "fan", "virtio_mmio"),
    *("qemu_fw_cfg", "lpc_ich", "evdev", "button", "pcspkr", "joydev", "serio_raw", "psmouse", "virtio-rng", "autofs4"),
)
"""Modules that every boot loads: stored unpacked, which the emulated processor reads faster than xz."""

_NETWORK = (
    'ACTION=="add", SUBSYSTEM=="net", DRIVERS=="virtio_net", RUN+="/usr/sbin/ip address add 10.0.2.15/24 dev $name", '
    'RUN+="/usr/sbin/ip link set $name up", RUN+="/usr/sbin/ip route add default via 10.0.2.2"\n'
)
"""Takes no daemon, which would be a third of the boot."""
SEED = "opt/pvekit/seed"
"""The name under which QEMU hands over a tar archive that is laid over the root before sshd starts: the run's keys."""
_SEED_PATH = f"/sys/firmware/qemu_fw_cfg/by_name/{SEED}/raw"

FILES = {
    "etc/hostname": "iommu-host\n",
    "etc/hosts": "127.0.0.1 localhost iommu-host\n",
    "etc/udev/rules.d/90-management.rules": _NETWORK,
    "etc/ssh/sshd_config.d/lab.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\n"
    ),
    "etc/systemd/system/ssh.service.d/lab.conf": (
        "[Service]\nExecStartPre=\nExecStartPre=-/usr/sbin/modprobe qemu_fw_cfg\n"
        f"ExecStartPre=/bin/tar --extract --directory / --no-overwrite-dir --file {_SEED_PATH}\n"
    ),
    "etc/default/grub": (
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\n"
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
        f'GRUB_CMDLINE_LINUX="{" ".join(KERNEL_OPTIONS)}"\n'
        "GRUB_TERMINAL=console\nGRUB_DISABLE_OS_PROBER=true\nGRUB_DISABLE_RECOVERY=true\nGRUB_DISABLE_SUBMENU=true\n"
    ),
    # What this machine's root needs and what its owner asks for, packed quickly. (MODULES=dep asks sysfs for the same
    # with a thousand processes more.)
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n",
    "usr/share/initramfs-tools/modules.d/lab": "virtio_pci\nvirtio_blk\next4\n",
    "etc/dpkg/dpkg.cfg.d/lab": "".join(f"{option}\n" for option in DPKG_OPTIONS),
    **{
        name: text
        for name, text in lab.files().items()
        if re.match(r"etc/systemd/(?:journald\.conf\.d|system\.conf\.d|system/systemd-)", name)
    },
}
