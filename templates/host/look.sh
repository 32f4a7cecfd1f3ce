# What pvekit has put on this node, and what it would change: read only. Sent to `sh -s` by pvekit.
# Arguments: names below /dev/disk/by-id that a stack wants to give to a VM.
# Every line is a kind and its fields; texts of files are base64, so that no content can look like a line.
set -u
LC_ALL=C
export LC_ALL
for f in /etc/modprobe.d/zz-pvekit-zfs.conf /etc/sysctl.d/90-pvekit.conf /etc/tmpfiles.d/pvekit-*.conf \
    /etc/systemd/system-preset/10-pvekit-*.preset \
    /etc/systemd/system/pvekit-*.timer /etc/systemd/system/pvekit-*.service; do
    [ -f "$f" ] || continue
    printf 'file %s =%s %s\n' "$(stat -L -c %a -- "$f")" "$(base64 -w 0 <"$f")" "$f"
done
for f in /sys/module/zfs/parameters/zfs_arc_min /sys/module/zfs/parameters/zfs_arc_max /proc/sys/vm/swappiness \
    /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages /sys/kernel/mm/ksm/run \
    /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
    if [ -r "$f" ]; then printf 'value %s %s\n' "$f" "$(head -n 1 -- "$f")"; fi
done
for f in /sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors; do
    if [ -r "$f" ]; then printf 'governors %s\n' "$(head -n 1 -- "$f")"; fi
done
for u in ksmtuned.service /etc/systemd/system/pvekit-*.timer; do
    u=${u##*/}
    case $u in *'*'*) continue ;; esac
    on=$(systemctl is-enabled "$u" 2>/dev/null | head -n 1)
    run=$(systemctl is-active "$u" 2>/dev/null | head -n 1)
    printf 'unit %s %s %s\n' "$u" "${on:-not-found}" "${run:-inactive}"
done
printf 'root %s\n' "$(findmnt -n -o FSTYPE / 2>/dev/null | head -n 1)"
for name in "$@"; do
    if [ -b "/dev/disk/by-id/$name" ]; then printf 'link %s %s\n' "$name" "$(readlink -f -- "/dev/disk/by-id/$name")"; fi
done
for conf in /etc/pve/qemu-server/*.conf /etc/pve/lxc/*.conf; do
    [ -f "$conf" ] || continue
    sed -n 's/^[a-z]*[0-9]*: *\(file=\)\{0,1\}\(\/dev\/[^,]*\).*/\2/p' "$conf" | while read -r device; do
        printf 'used %s %s\n' "$(readlink -f -- "$device")" "$conf"
    done
done
for f in /sys/class/net/*; do
    if [ -e "$f/device" ] && [ -e "$f/master" ]; then
        printf 'port %s %s %s\n' "${f##*/}" "$(cat -- "$f/address")" "$(basename -- "$(readlink -f -- "$f/master")")"
    fi
done
echo end
