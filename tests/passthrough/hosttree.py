"""A host as a tree of files: its configuration, two kernels, and programs that do what the real ones do, in small."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

RELEASE = "6.5.13-6-pve"
OLDER = "6.2.16-20-pve"


PROGRAMS = {
    "update-initramfs": """
[ "$1 $2" = "-u -k" ] || { echo "usage: $*" >&2; exit 1; }
ln -f "$PVEKIT_ROOT/boot/initrd.img-$3" "$PVEKIT_ROOT/boot/initrd.img-$3.dpkg-bak"
mkinitramfs -o "/boot/initrd.img-$3.new" "$3"
mv "$PVEKIT_ROOT/boot/initrd.img-$3.new" "$PVEKIT_ROOT/boot/initrd.img-$3"
[ -d "$PVEKIT_ROOT/var/lib/initramfs-tools" ] || mkdir -p "$PVEKIT_ROOT/var/lib/initramfs-tools"
rm "$PVEKIT_ROOT/boot/initrd.img-$3.dpkg-bak"
# Some thousand of these run: a sum of the shell's own, in place of sha1sum.
read -r first <"$PVEKIT_ROOT/boot/initrd.img-$3"
echo "sum of $first" >"$PVEKIT_ROOT/var/lib/initramfs-tools/$3"
""",
    "mkinitramfs": """
out="$PVEKIT_ROOT$2"
printf 'initramfs of %s, made by %s\\n' "$3" "$$" >"$out"
if [ -n "${PVEKIT_HALF:-}" ]; then exit 1; fi
cat "$PVEKIT_ROOT"/etc/modprobe.d/*.conf "$PVEKIT_ROOT"/etc/initramfs-tools/modules >>"$out"
""",
    "update-grub": """
. "$PVEKIT_ROOT/etc/default/grub"
for file in "$PVEKIT_ROOT"/etc/default/grub.d/*.cfg; do if [ -e "$file" ]; then . "$file"; fi; done
made="$PVEKIT_ROOT/boot/grub/grub.cfg"
cat >"$made.new" <<END
if [ -s \\$prefix/grubenv ]; then load_env; fi
if [ "\\${next_entry}" ]; then set default="\\${next_entry}"; set next_entry=; save_env next_entry; fi
menuentry 'Debian GNU/Linux' --class debian --id 'gnulinux-simple-1' {
\tload_video
\tinsmod gzio
\tinsmod part_gpt
\tinsmod ext2
\tsearch --no-floppy --fs-uuid --set=root af08746b-3806-4646-a15f-2625b4564fcc
\techo\t'Loading Linux 6.5.13-6-pve ...'
\tlinux\t/boot/vmlinuz-6.5.13-6-pve root=UUID=af08746b ro $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT
\techo\t'Loading initial ramdisk ...'
\tinitrd\t/boot/initrd.img-6.5.13-6-pve
}
if [ -f  \\${config_directory}/custom.cfg ]; then
  source \\${config_directory}/custom.cfg
fi
END
if [ -n "${PVEKIT_HALF:-}" ]; then exit 1; fi
mv "$made.new" "$made"
""",
    "grub-reboot": 'printf "# GRUB Environment Block\\nnext_entry=%s\\n" "$1" >"$PVEKIT_ROOT/boot/grub/grubenv"\n',
    "grub-editenv": 'printf "# GRUB Environment Block\\n" >"$PVEKIT_ROOT/boot/grub/grubenv"\n',
    "systemctl": 'echo "$*" >>"$PVEKIT_ROOT/../systemctl"\n',
}

CMDLINE = f"BOOT_IMAGE=/boot/vmlinuz-{RELEASE} root=UUID=af08746b ro quiet"
FILES = {
    "etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
    "etc/modules": "# /etc/modules: kernel modules to load at boot time.\n",
    "etc/modprobe.d/pve-blacklist.conf": "blacklist nvidiafb\n",
    "etc/initramfs-tools/modules": "# List of modules\n",
    "etc/initramfs-tools/hooks/.keep": "",
    "etc/initramfs-tools/scripts/init-top/.keep": "",
    "boot/grub/grubenv": "# GRUB Environment Block\n",
    f"boot/vmlinuz-{RELEASE}": "kernel\n",
    f"boot/vmlinuz-{OLDER}": "kernel\n",
    f"boot/initrd.img-{RELEASE}": "the first initramfs\n",
    f"boot/initrd.img-{OLDER}": "the older initramfs\n",
    f"var/lib/initramfs-tools/{RELEASE}": "a sum\n",
    f"var/lib/initramfs-tools/{OLDER}": "a sum\n",
    "proc/cmdline": f"{CMDLINE}\n",
    "proc/sys/kernel/osrelease": f"{RELEASE}\n",
    "proc/self/mountinfo": "25 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n",
    "proc/net/route": "Iface\tDestination\tGateway\nvmbr0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
    "sys/class/net/vmbr0/operstate": "up\n",
    "etc/systemd/system/.keep": "",
}


def build(root: Path) -> Path:
    """Make such a tree."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    programs = root / "usr/sbin"
    programs.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\nset -eu\n{text}")
        (programs / name).chmod(0o755)
    (root / "etc/default/grub").chmod(0o640)
    (root / "etc/modules-load.d").mkdir()
    (root / "etc/modules-load.d/modules.conf").symlink_to("../modules")
    os.environ["PVEKIT_ROOT"] = str(root)
    try:
        assert os.system(f"{programs}/update-grub") == 0
    finally:
        del os.environ["PVEKIT_ROOT"]
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            os.utime(path, ns=(1_700_000_000_123_456_789,) * 2)
    return root


def picture(root: Path, *, journals: bool = False) -> dict[str, tuple[str, ...]]:
    """Return everything about every file and folder that has to come back: kind, mode, owner, time, content."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not journals and (name == "var/lib/pvekit" or name.startswith("var/lib/pvekit/")):
            continue
        seen = path.lstat()
        facts = [oct(seen.st_mode), str(seen.st_uid), str(seen.st_gid)]
        if stat.S_ISREG(seen.st_mode):
            facts += [str(seen.st_mtime_ns), hashlib.sha256(path.read_bytes()).hexdigest()]
        if path.is_symlink():
            facts.append(str(path.readlink()))
        found[name] = tuple(facts)
    return found
