"""What is in the image: packages, kernel command line, masked units, files. Data only.

Everything here counts into the cache key. Why each choice was made is said beside it; all of them serve one aim:
the shortest time from power-on to "agent answers, SSH answers, cloud-init done" on a machine without KVM, with a
guest that still behaves like an ordinary Debian cloud guest.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
BASE = "debian-13"

PACKAGES = (
    "systemd-sysv",
    "systemd-resolved",
    "udev",
    "dbus",
    "linux-image-cloud-amd64",
    # 15 kB that load five modules and mount the root, instead of udev and a shell in an initramfs of 20 MB
    "tiny-initramfs",
    "cloud-init",
    "cloud-guest-utils",  # growpart
    "e2fsprogs",  # resize2fs
    "openssh-server",
    "qemu-guest-agent",
    "python3",
    "python3-apt",  # Ansible's apt module would otherwise install it first
    "sudo",
    "iproute2",
    "ca-certificates",
    "tzdata",
    "zstd",
)

DPKG_OPTIONS = (
    "force-unsafe-io",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*/LC_MESSAGES/*",
    "path-exclude=/usr/share/i18n/locales/*_*",
    "path-include=/usr/share/i18n/locales/en_*",
    "path-include=/usr/share/i18n/locales/i18n*",
    "path-include=/usr/share/i18n/locales/translit_*",
    "path-exclude=/usr/lib/udev/hwdb.d/*",  # names and quirks of hardware that no guest here has
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One image. ``size`` is the disk's virtual size in bytes; it has room for ``packages`` beyond ``PACKAGES``.

    ``off`` are units of those packages that nothing starts before somebody asks for them. ``suite`` is the Debian
    suite that all of it comes from. ``hooks`` are shell commands on the tree, whose folder is their ``$1``.
    """

    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    size: int = 2560 * 1024 * 1024
    suite: str = SUITE
    hooks: tuple[str, ...] = ()

    @property
    def work(self) -> int:
        """Return how many bytes a build needs: the tree, and the disk made of it."""
        return max(3 * 1024**3, 2 * self.size)


_PLAIN_GGML = """\
[Unit]
Description=llama.cpp with SSE4.2 alone
ConditionVirtualization=qemu
Before=pvekit-llama.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount --bind /usr/lib/lab-ggml /usr/lib/x86_64-linux-gnu/ggml/backends0

[Install]
WantedBy=multi-user.target
"""
"""llama.cpp takes AVX2 where the processor has it; emulated, SSE4.2 is faster: 3.1 times with prompts and 5.3 times
with answers, measured by QEMU 7.2 in CPU time with a Q8_0 model. With KVM (virtualisation "kvm") nothing is changed.
"""

_GGML = '"$1/usr/lib/x86_64-linux-gnu/ggml/backends0/libggml-cpu-sse42.so"'
_WITH_PLAIN_GGML = (
    f'mkdir "$1/usr/lib/lab-ggml" && cp {_GGML} "$1/usr/lib/lab-ggml/"',
    f'printf %s {shlex.quote(_PLAIN_GGML)} >"$1/etc/systemd/system/lab-ggml.service"',
    'systemctl --root="$1" --quiet enable lab-ggml.service',
)

VARIANTS = {
    BASE: Variant(),
    # What playbooks/desktop.yml would install; an emulated guest would need half an hour for it
    "debian-13-desktop": Variant(
        packages=(
            *("xfce4", "xfce4-terminal", "xrdp", "xorgxrdp", "xauth", "dbus-x11", "dbus-user-session"),
            *("mate-polkit", "fuse3"),
            *("openssl", "adwaita-icon-theme", "fonts-dejavu-core", "xdg-utils", "xdg-user-dirs", "mousepad"),
            *("firefox-esr", "locales", "keyboard-configuration", "console-setup", "unattended-upgrades", "cifs-utils"),
        ),
        options=("path-include=/usr/share/i18n/locales/*",),
        size=4 * 1024**3,
    ),
    # What playbooks/nas.yml would install; its services are off until it has set them up
    "debian-13-nas": Variant(
        packages=("samba", "wsdd2", "avahi-daemon", "nfs-kernel-server", "btrfs-progs", "acl", "attr"),
        off=(
            *("smbd.service", "nmbd.service", "wsdd2.service", "avahi-daemon.service", "avahi-daemon.socket"),
            *("nfs-server.service", "nfs-client.target", "nfs-blkmap.service", "rpcbind.service", "rpcbind.socket"),
        ),
    ),
    # What playbooks/llama.yml would install. The first suite that carries llama.cpp; its libraries ask for a newer C
    # library than trixie's, so that all of the guest is of that suite. There, nothing else brings passwd and mount.
    "debian-14-llama": Variant(("llama.cpp-tools", "passwd", "mount"), suite="forky", hooks=_WITH_PLAIN_GGML),
}
"""Every image that can be built, by the name that a stack file gives it."""

INITRD_MODULES = ("virtio_scsi", "virtio_blk", "sd_mod", "ahci", "ata_piix", "sr_mod")
"""Every disk controller the embedded node can give a guest; NVMe, ext4 and virtio-pci are in Debian's kernel."""

KERNEL_ARGUMENTS = (
    # Writable at once, so that nothing has to check, remount or commit later; ext4's journal is replayed all the same
    "rw",
    "rootflags=noatime",
    "console=tty0",
    "console=ttyS0,115200",
    "quiet",
    "panic=5",
    # A lab guest runs nobody else's code; under software emulation each mitigation costs time and protects nothing.
    "mitigations=off",
    "nokaslr",
    "audit=0",
    "lsm=lockdown,capability,landlock,yama",
    "random.trust_cpu=on",
    "tsc=nowatchdog",
    "nowatchdog",
    "cryptomgr.notests",
    "psi=0",
    "systemd.show_status=0",
    "systemd.gpt_auto=0",
    # Each of udev's workers is a fork; on one or two emulated processors many of them only wait for each other
    "udev.children_max=2",
)

ENABLED_UNITS = ("systemd-networkd.service", "systemd-resolved.service", "serial-getty@ttyS0.service")

MASKED_UNITS = (
    # Housekeeping that would run in the middle of the first boot
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "logrotate.timer",
    "man-db.timer",
    "systemd-tmpfiles-clean.timer",
    # First-boot work whose result is already in the image
    "ldconfig.service",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-sysusers.service",
    "systemd-update-done.service",
    # The root is mounted writable with its final options
    "systemd-fsck-root.service",
    "systemd-machine-id-commit.service",
    "systemd-remount-fs.service",
    # No hardware behind it, or the emulated one keeps the host's time
    "systemd-pcrlock-make-policy.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-timesyncd.service",
    "systemd-tpm2-setup.service",
    "systemd-tpm2-setup-early.service",
    # File systems and device nodes that a server in a lab does not use: a process each, a second each when emulated
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "run-lock.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "tmp.mount",
    "kmod-static-nodes.service",
    "modprobe@.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    # Nothing to do: no credentials, no addresses on the kernel's command line, a journal that stays in memory
    "systemd-journal-flush.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-udev-load-credentials.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-creds.socket",
    "systemd-initctl.socket",
    "systemd-sysext.socket",
    # Waits for an address although cloud-init orders itself after networkd and nothing later needs it
    "systemd-networkd-wait-online.service",
)

MASKED_GENERATORS = (
    "systemd-debug-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-rc-local-generator",
    "systemd-run-generator",
    "systemd-ssh-generator",
    "systemd-system-update-generator",
    "systemd-sysv-generator",
    "systemd-tpm2-generator",
)
"""Programs that systemd waits for before its first unit; none has anything to generate here."""

MASKED_UDEV_RULES = (
    "50-firmware.rules",
    "60-autosuspend.rules",
    "60-drm.rules",
    "60-evdev.rules",
    "60-fido-id.rules",
    "60-infiniband.rules",
    "60-persistent-alsa.rules",
    "60-persistent-input.rules",
    "60-persistent-storage-mtd.rules",
    "60-persistent-storage-tape.rules",
    "60-persistent-v4l.rules",
    "60-sensor.rules",
    "66-azure-ephemeral.rules",
    "70-camera.rules",
    "70-joystick.rules",
    "70-memory.rules",
    "70-mouse.rules",
    "70-touchpad.rules",
    "75-probe_mtd.rules",
    "78-sound-card.rules",
    "90-iocost.rules",
    "96-e2scrub.rules",
)

BLACKLISTED_MODULES = (
    "aesni_intel",
    "bochs",
    "configfs",
    "crc32_pclmul",
    "crc32c_intel",
    "crct10dif_pclmul",
    "ghash_clmulni_intel",
    "kvm",
    "kvm_amd",
    "kvm_intel",
    "qemu_fw_cfg",
    "serio_raw",
    "sg",
    "sha1_ssse3",
    "sha256_ssse3",
    "sha512_ssse3",
    "vmw_vsock_vmci_transport",
    "vsock",
    "vsock_loopback",
)
"""Modules that are loaded because the processor or systemd could use them, and are used by nothing."""

_COLDPLUG_LEFT_OUT = (
    *("acpi", "bdi", "clockevents", "clocksource", "container", "cpu", "event_source", "machinecheck", "mem", "memory"),
    *("memory_tiering", "platform", "pnp", "thermal", "tty", "vc", "vtconsole", "wmi", "workqueue"),
)

UNSANDBOXED_SERVICES = (
    "systemd-journald",
    "systemd-logind",
    "systemd-networkd",
    "systemd-resolved",
    "systemd-udevd",
)
"""systemd's own daemons: setting up each one's sandbox takes the emulated processor as long as the daemon's start."""

_NO_SANDBOX = (
    "[Service]\n"
    + "".join(f"{key}=\n" for key in ("DeviceAllow", "IPAddressAllow", "IPAddressDeny", "RestrictAddressFamilies",
                                      "SystemCallArchitectures", "SystemCallFilter"))
    + "".join(f"{key}=no\n" for key in ("LockPersonality", "MemoryDenyWriteExecute", "PrivateDevices", "PrivateTmp",
                                        "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
                                        "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
                                        "ProtectSystem", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"))
    + "ProtectProc=default\n"
)  # fmt: skip

TREE = Path(__file__).parent / "tree"
"""Files that go into the image as they are; those that begin with ``#!`` are programs."""

_INITRAMFS = "etc/tiny-initramfs/tiny-initramfs.conf"


def files() -> dict[str, str]:
    """Return name and text of every file that is put into the image."""
    found = {str(path.relative_to(TREE)): path.read_text() for path in sorted(TREE.rglob("*")) if path.is_file()}
    trigger = "-udevadm trigger --type=devices --action=add"
    left_out = " ".join(f"--subsystem-nomatch={name}" for name in _COLDPLUG_LEFT_OUT)
    found |= {f"etc/systemd/system/{name}.service.d/lab.conf": _NO_SANDBOX for name in UNSANDBOXED_SERVICES}
    return found | {
        _INITRAMFS: initramfs_config(),
        "etc/dpkg/dpkg.cfg.d/lab": "".join(f"{option}\n" for option in DPKG_OPTIONS),
        "etc/modprobe.d/lab.conf": "".join(f"blacklist {name}\n" for name in BLACKLISTED_MODULES),
        # At boot, only the devices that somebody waits for; the kernel has made the nodes of all others already
        "etc/systemd/system/systemd-udev-trigger.service.d/lab.conf": (
            f"[Service]\nExecStart=\nExecStart={trigger} {left_out}\nExecStart={trigger} --sysname-match=ttyS0\n"
        ),
    }


def initramfs_config() -> str:
    """Return tiny-initramfs' configuration, which must be there before the kernel is installed."""
    return f'AUTO_MODULES=no\nMICROCODE=no\nINCLUDE_MODULES="{",".join(INITRD_MODULES)}"\n'


CLOUD_MODULES_LEFT_OUT = (
    "byobu",
    "chef",
    "disable-ec2-metadata",
    "fan",
    "grub-dpkg",
    "landscape",
    "lxd",
    "mcollective",
    "puppet",
    "reset_rmc",
    "rsyslog",
    "salt-minion",
    "snap",
)
"""Modules for programs or clouds that this image never meets. All others stay as Debian ships them."""

PLAIN_MODULES = (
    *INITRD_MODULES,
    "scsi_mod",
    "scsi_common",
    "libata",
    "libahci",
    "cdrom",
    "virtio_net",
    "net_failover",
    "failover",
    "autofs4",
    "button",
    "evdev",
    "isofs",
    "virtio_rng",
    "rng-core",
)
"""Modules every boot loads; stored unpacked."""
