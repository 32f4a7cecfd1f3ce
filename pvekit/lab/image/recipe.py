"""What is in the image: packages, kernel command line, masked units, files. Data only.

Everything here counts into the cache key. Why each choice was made is said beside it; all of them serve one aim:
the shortest time from power-on to "agent answers, SSH answers, cloud-init done" on a machine without KVM, with a
guest that still behaves like an ordinary Debian cloud guest.
"""

from __future__ import annotations

SUITE = "trixie"
NAME = "debian-13-lab"

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
)

INITRD_MODULES = ("virtio_scsi", "virtio_blk", "sd_mod", "ahci", "ata_piix", "sr_mod")
"""Every disk controller the embedded node can give a guest; NVMe, ext4 and virtio-pci are in Debian's kernel."""

KERNEL_ARGUMENTS = (
    "ro",
    "console=tty0",
    "console=ttyS0,115200",
    "quiet",
    # A lab guest runs nobody else's code; under software emulation each mitigation costs time and protects nothing.
    "mitigations=off",
    "nokaslr",
    "audit=0",
    "apparmor=0",
    "random.trust_cpu=on",
    "tsc=nowatchdog",
    "nowatchdog",
    "rcupdate.rcu_expedited=1",
    "cryptomgr.notests",
    "systemd.show_status=0",
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
    # No hardware behind it, or the emulated one keeps the host's time
    "systemd-pcrlock-make-policy.service",
    "systemd-pstore.service",
    "systemd-timesyncd.service",
    "systemd-tpm2-setup.service",
    "systemd-tpm2-setup-early.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    # Waits for an address although cloud-init orders itself after networkd and nothing later needs it
    "systemd-networkd-wait-online.service",
)

FILES: dict[str, str] = {
    "etc/cloud/cloud.cfg.d/90-lab.cfg": (
        "datasource_list: [NoCloud, None]\n"
        "ssh_genkeytypes: [ed25519]\n"
        "ssh_quiet_keygen: true\n"
        "disable_ec2_metadata: false\n"
    ),
    "etc/tiny-initramfs/tiny-initramfs.conf": (
        f'AUTO_MODULES=no\nMICROCODE=no\nINCLUDE_MODULES="{",".join(INITRD_MODULES)}"\n'
    ),
    "etc/kernel-img.conf": "do_symlinks = yes\n",
    "etc/apt/apt.conf.d/01lab": (
        'APT::Install-Recommends "false";\nAcquire::Languages "none";\nDpkg::Use-Pty "0";\n'
        'Acquire::Retries "3";\nDPkg::Lock::Timeout "120";\n'
    ),
    "etc/dpkg/dpkg.cfg.d/lab": "".join(f"{option}\n" for option in DPKG_OPTIONS),
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n",
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStartSec=300\nDefaultDeviceTimeoutSec=300\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/motd": "",
}

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
    "isofs",
    "virtio_rng",
    "rng-core",
)
"""Modules every boot loads; stored unpacked."""
