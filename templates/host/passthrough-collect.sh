# What this host knows about its PCI devices, IOMMU, drivers, boot and VMs: read only. Sent to `sh -s` by pvekit.
# Every section is a line ".file NAME" and the text in base64, so that no text can look like a line of the frame.
# ".left NAME WHY" says that something could not be read, and takes back a section of that name.
# It mounts nothing, writes nothing, and reads no secrets: keys and passwords of VM configurations stay on the host.
# shellcheck shell=dash disable=SC2094,SC2030,SC2031
set -u
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH

file() { # NAME  the text comes on standard input
    printf '.file %s\n' "$1"
    base64
}

left() { # NAME WHY
    printf '.left %s %s\n' "$1" "$2"
}

denied() {
    if [ "$uid" = 0 ]; then echo 'cannot be read'; else echo 'needs root'; fi
}

take() { # NAME PATH
    if ! [ -e "$2" ]; then
        left "$1" "there is no $2"
    elif ! [ -r "$2" ]; then
        left "$1" "$2 $(denied)"
    else
        printf '.file %s\n' "$1"
        base64 <"$2" 2>/dev/null || left "$1" "$2 $(denied)"
    fi
}

run() { # NAME SECONDS COMMAND...  the text is what the command prints
    name=$1 seconds=$2
    shift 2
    if ! command -v "$1" >/dev/null; then
        left "$name" "$1 is not installed"
        return 1
    fi
    printf '.file %s\n' "$name"
    ended=$({ { timeout -k 1 "$seconds" "$@" 2>/dev/null 3>&- 4>&-; echo $? >&3; } | base64 >&4; } 3>&1)
    case $ended in
        0) return 0 ;;
        124 | 137) left "$name" "$1 did not end within $seconds s" ;;
        *) if [ "$uid" = 0 ]; then left "$name" "$1 ended with $ended"; else left "$name" "$1 needs root"; fi ;;
    esac
    return 1
}

value() { # PATH  sets $found to the first line; empty when there is none
    found=
    if [ -r "$1" ]; then read -r found <"$1" || :; fi
} 2>/dev/null

physical() { # PATH  sets $real to the path without links; empty when there is none
    real=
    if [ -e "$1" ] && cd -P "$1"; then
        real=$PWD
        cd /
    fi
} 2>/dev/null

address() { # PATH  sets $bdf to the last PCI address in a path of /sys/devices
    bdf=
    rest=$1/
    while [ -n "$rest" ]; do
        part=${rest%%/*}
        rest=${rest#*/}
        case $part in
            [0-9a-f][0-9a-f][0-9a-f][0-9a-f]*:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f].[0-7]) bdf=$part ;;
        esac
    done
}

# --- kernel and processor

kernel_log() {
    case $(timeout 3 dmesg 2>/dev/null | head -n 5) in
        *'Linux version '*) run dmesg.txt 3 dmesg ;;
        '') journal_only ;;
        *) journal_and_ring | file dmesg.txt ;;
    esac
}

journal() { # the kernel's messages since boot, at most those of a long one, in the form of dmesg
    timeout 3 journalctl -k -b -q --no-pager -o short-monotonic 2>/dev/null | head -n 12000 |
        sed 's/^\(\[ *[0-9.]*\]\) [^ ]* kernel: /\1 /'
}

journal_only() {
    if [ -n "$(timeout 3 journalctl -k -b -q --no-pager -n 1 2>/dev/null)" ]; then
        journal | file dmesg.txt
    else
        left dmesg.txt 'the kernel log needs root, or a member of the group systemd-journal'
    fi
}

journal_and_ring() { # the ring buffer has lost its start: the journal has it
    { journal; echo '.ring'; timeout 3 dmesg 2>/dev/null; } | awk '
        $0 == ".ring" { ring = 1; next }
        match($0, /^\[ *[0-9.]+\]/) { at = substr($0, 2, RLENGTH - 2) + 0; keep = !ring || at > last; if (!ring) last = at }
        keep'
}

processor() { # the first of them: the others say the same
    sed '/^$/q' /proc/cpuinfo | file cpuinfo.txt
}

modules() {
    if ! [ -r /proc/modules ]; then
        left lsmod.txt 'the kernel has no modules'
    elif command -v lsmod >/dev/null; then
        run lsmod.txt 3 lsmod
    else
        { echo 'Module Size Used by'; awk '{ print $1, $2, $3, ($4 == "-" ? "" : $4) }' /proc/modules; } | file lsmod.txt
    fi
    for name in vfio vfio_pci vfio_pci_core vfio_iommu_type1 kvm kvm_intel kvm_amd nvidia nvidia_drm pcie_aspm; do
        [ -d "/sys/module/$name/parameters" ] && grep -H . "/sys/module/$name/parameters/"* 2>/dev/null
    done | file module_params.txt
}

folder() { # NAME FOLDER...  files of the same name in an earlier folder hide the later ones, as for modprobe
    into=$1
    taken=/
    shift
    for place in "$@"; do
        for path in "$place"/*; do
            part=${path##*/}
            case $part in [!A-Za-z0-9_]* | *[!A-Za-z0-9._@+-]*) continue ;; esac
            case $taken in */"$part"/*) continue ;; esac
            # On Debian modules-load.d/modules.conf is a link to /etc/modules, which has its own section.
            if [ "$path" -ef /etc/modules ] || ! [ -f "$path" ]; then continue; fi
            taken=$taken$part/
            take "$into/$part" "$path"
        done
    done
    [ "$taken" != / ] || [ "$into" != modprobe.d ] || printf '.file modprobe.d.txt\n'
}

# --- PCI devices and IOMMU

pci_sysfs() {
    roms=$(stat -c '%n=%s' /sys/bus/pci/devices/*/rom 2>/dev/null)
    for device in /sys/bus/pci/devices/*; do
        [ -e "$device/vendor" ] && one_device "$device"
    done
}

one_device() { # PATH
    physical "$1/driver"
    line="${1##*/} driver=${real##*/}"
    value "$1/driver_override"
    line="$line override=$found"
    case $roms in
        *"$1/rom="*)
            size=${roms##*"$1/rom="}
            line="$line rom=${size%%[!0-9]*}"
            ;;
        *) line="$line rom=none" ;;
    esac
    value "$1/reset_method"
    line="$line reset=$found"
    value "$1/boot_vga"
    line="$line boot_vga=$found"
    physical "$1/iommu_group"
    line="$line group=${real##*/}"
    physical "$1"
    address "${real%/*}"
    line="$line parent=$bdf"
    for key in vendor device class revision subsystem_vendor subsystem_device power_state d3cold_allowed numa_node enable \
        msi_bus current_link_speed current_link_width max_link_speed max_link_width sriov_totalvfs; do
        [ -e "$1/$key" ] || continue
        value "$1/$key"
        line="$line $key=$found"
    done
    value "$1/power/runtime_status"
    line="$line runtime_status=$found"
    [ -d "$1/mdev_supported_types" ] && line="$line mdev=1"
    number=0
    while read -r start end flags; do
        [ "$end" = 0x0000000000000000 ] || line="$line resource$number=$start-$end:$flags"
        number=$((number + 1))
    done <"$1/resource"
    sizes=
    for path in "$1"/resource*_resize; do
        [ -r "$path" ] || continue
        value "$path"
        part=${path##*/resource}
        sizes="$sizes,${part%%_*}:0x$found"
    done
    [ -z "$sizes" ] || line="$line resize=${sizes#,}"
    printf '%s\n' "$line"
}

groups() { # in the form "IOMMU Group 1 0000:00:01.0 what lspci says"
    { timeout 3 lspci -Dnn 2>/dev/null; printf '%s\n' /sys/kernel/iommu_groups/*/devices/*; } | awk '
        /^[0-9a-f]+:/ { said[$1] = " " substr($0, length($1) + 2) }
        /^\/sys/ && !/\*/ { n = split($0, part, "/"); print "IOMMU Group " part[5], part[n] said[part[n]] }' |
        sort -k 3,3n -k 4
}

devices() {
    pci_sysfs | file pci_sysfs.txt
    groups | file iommu_groups.txt
    grep -H . /sys/kernel/iommu_groups/*/reserved_regions 2>/dev/null | file reserved_regions.txt
    for path in /sys/class/iommu/*; do
        [ -e "$path" ] && echo "${path##*/}"
    done | file sys_class_iommu.txt
    if [ -d /sys/firmware/acpi/tables ]; then
        for path in /sys/firmware/acpi/tables/*; do
            [ -d "$path" ] || echo "${path##*/}"
        done | file acpi_tables.txt
    else
        left acpi_tables.txt 'there is no /sys/firmware/acpi/tables'
    fi
    if [ -d /dev/vfio ]; then run dev_vfio.txt 2 ls -ln /dev/vfio; fi
    if [ "$uid" = 0 ]; then take iomem.txt /proc/iomem; else left iomem.txt '/proc/iomem needs root'; fi
}

machine() {
    tables=
    if [ "$uid" = 0 ]; then
        tables=$(timeout 2 dmidecode -t 0,1,2,3,4,9 2>/dev/null | grep -v -E '^[[:space:]]*(Serial Number|UUID|Asset Tag):')
    fi
    if [ -n "$tables" ]; then
        printf '%s\n' "$tables" | file dmi.txt
    elif [ -d /sys/class/dmi/id ]; then
        for key in sys_vendor product_name product_version board_vendor board_name board_version bios_vendor bios_version \
            bios_date bios_release chassis_type; do
            value "/sys/class/dmi/id/$key"
            [ -z "$found" ] || echo "$key=$found"
        done | file dmi.txt
    else
        left dmi.txt 'there is no /sys/class/dmi/id'
    fi
}

# --- what boots

proxmox() {
    if [ -d /usr/share/perl5/PVE ] && command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2016
        timeout 3 dpkg-query -W -f='${db:Status-Abbrev} ${Package}: ${Version}\n' proxmox-ve pve-manager qemu-server \
            pve-qemu-kvm pve-edk2-firmware pve-edk2-firmware-ovmf pve-firmware proxmox-kernel-helper pve-kernel-helper \
            'proxmox-kernel-[0-9]*' 'pve-kernel-[0-9]*' zfsutils-linux systemd 2>/dev/null |
            sed -n 's/^ii  *//p' | sed "s/^proxmox-ve: .*/& (running kernel: $release)/" | file pveversion.txt
    else
        printf '.file pveversion.txt\n'
    fi
}

boot() {
    if [ -d /sys/firmware/efi ]; then echo 'System currently booted with uefi'; else echo 'System currently booted with legacy bios'; fi
    for path in /sys/firmware/efi/efivars/LoaderInfo-*; do
        [ -r "$path" ] && echo "Product: $(tail -c +5 "$path" 2>/dev/null | tr -d '\000')"
    done
    for path in /sys/firmware/efi/efivars/SecureBoot-*; do
        [ -r "$path" ] || continue
        case $(od -An -tu1 "$path" 2>/dev/null | tr -s ' \n' ' ') in
            *' 1 ') echo 'SecureBoot enabled' ;;
            *' 0 ') echo 'SecureBoot disabled' ;;
        esac
    done
    value /sys/kernel/security/lockdown
    [ -z "$found" ] || echo "lockdown: $found"
    if [ -r /etc/kernel/proxmox-boot-uuids ]; then
        while read -r part; do
            case $part in '' | '#'*) continue ;; esac
            if [ -e "/dev/disk/by-uuid/$part" ]; then
                echo "$part is listed in /etc/kernel/proxmox-boot-uuids"
            else
                echo "WARN: /dev/disk/by-uuid/$part does not exist - clean '/etc/kernel/proxmox-boot-uuids'! - skipping"
            fi
        done </etc/kernel/proxmox-boot-uuids
    elif command -v proxmox-boot-tool >/dev/null; then
        echo 'E: /etc/kernel/proxmox-boot-uuids does not exist.'
    fi
    echo 'Manually selected kernels:'
    cat /etc/kernel/proxmox-boot-manual-kernels 2>/dev/null || echo None.
    echo
    echo 'Automatically selected kernels:'
    for path in /boot/vmlinuz-*; do
        [ -e "$path" ] && echo "${path##*/vmlinuz-}"
    done
    for path in proxmox-boot-pin next-boot-pin; do
        value "/etc/kernel/$path"
        if [ -n "$found" ]; then
            echo
            case $path in next*) echo 'Kernel pinned on next-boot:' ;; *) echo 'Pinned kernel:' ;; esac
            echo "$found"
        fi
    done
    echo
    [ ! -d /sys/firmware/efi ] || timeout 2 efibootmgr -v 2>/dev/null
}

grub() {
    if [ -r /etc/default/grub ]; then
        for path in /etc/default/grub /etc/default/grub.d/*.cfg; do
            [ -r "$path" ] || continue
            [ "$path" = /etc/default/grub ] || echo "# $path"
            cat "$path"
            echo
        done | file default-grub.txt
    else
        take default-grub.txt /etc/default/grub
    fi
}

ages() { # when the image and the configuration were written, in seconds since 1970
    sed -n 's/^btime /boot_time=/p' /proc/stat
    for path in "$image" /etc/modprobe.d/* /etc/modules /etc/modules-load.d/* /etc/initramfs-tools/modules \
        /etc/initramfs-tools/conf.d/* /etc/default/grub /etc/default/grub.d/*.cfg /etc/kernel/cmdline /boot/grub/grub.cfg; do
        [ -f "$path" ] && printf '%s\n' "$path"
    done | tr '\n' '\000' | xargs -0 -r stat -L -c '%n=%Y' 2>/dev/null
}

initramfs() { # ages, then the paths in it that can matter; this is the slow part
    image=/boot/initrd.img-$release
    printf '.file initramfs.txt\n'
    {
        ages
        if ! command -v lsinitramfs >/dev/null; then
            echo 'not listed: lsinitramfs is not installed'
        elif ! [ -r "$image" ]; then
            echo "not listed: $image is not there, or needs root"
        else
            paths=$(timeout -k 1 2 lsinitramfs "$image" 2>/dev/null && echo .whole)
            case $paths in
                *.whole)
                    printf '%s\n' "$paths" |
                        grep -E 'modprobe\.d|conf/modules|modules-load|vfio|/gpu/|/video/|/sound/|nvidia|nouveau|xhci|ucsi'
                    ;;
                *) echo 'not listed: lsinitramfs did not end within 2 s' ;;
            esac
        fi
    } | base64
}

# --- VMs

machines() {
    [ -d /etc/pve ] || return 0
    passed=' '
    for path in /etc/pve/qemu-server/*.conf; do
        vmid=${path##*/}
        vmid=${vmid%.conf}
        case $vmid in '' | *[!0-9]*) continue ;; esac
        if [ -r "$path" ]; then
            vm_config <"$path" | file "vms/$vmid.conf"
            if grep -q '^hostpci' "$path"; then passed="$passed$vmid "; fi
        else
            left "vms/$vmid.conf" "$(denied)"
        fi
    done
    if [ -r /etc/pve/qemu-server ] && [ -x /etc/pve/qemu-server ]; then :; else left vms/ "$(denied)"; fi
    [ ! -e /etc/pve/mapping/pci.cfg ] || take pci-mapping.cfg /etc/pve/mapping/pci.cfg
    task_logs
    qemu_log
}

vm_config() { # without descriptions, snapshots, keys and passwords
    awk '/^\[/ { other = ($0 != "[PENDING]") } other || /^#/ || /^(cipassword|sshkeys|description):/ { next } { print }' |
        sed -E '/^args:/ s/((password|secret|string|data|token|key)=)[^, ]*/\1removed/g'
}

task_logs() { # of each VM that has hostpci the newest start: those that failed, or else the newest that went well
    if ! [ -r /var/log/pve/tasks/index ]; then
        take task.log /var/log/pve/tasks/index
        return
    fi
    chosen=$(cat /var/log/pve/tasks/index.1 /var/log/pve/tasks/index 2>/dev/null | tail -n 5000 | awk -v passed="$passed" '
        { split($1, part, ":") }
        (part[6] == "qmstart" || part[6] == "qmreboot") && index(passed, " " part[7] " ") {
            count++; at[part[7]] = count; upid[part[7]] = $1; good[part[7]] = ($3 == "OK" || $3 ~ /^WARNINGS/)
        }
        END { for (vm in at) print good[vm], at[vm], upid[vm] }' | sort -k 1,1n -k 2,2nr | awk '
        $1 == 0 && bad < 3 { bad++; print $3 }
        $1 == 1 && !bad && !fine { fine = 1; print $3 }')
    for upid in $chosen; do
        # The folder is the last digit of the start time, which is the fifth field.
        began=${upid#*:*:*:*:}
        began=${began%%:*}
        path=/var/log/pve/tasks/${began#"${began%?}"}/$upid
        if [ -r "$path" ]; then tail -n 200 "$path"; echo; fi
    done | file task.log
}

qemu_log() {
    # Without -q journalctl says when it may not look.
    timeout 2 journalctl -b -t QEMU -n 100 --no-pager -q -o short-monotonic 2>/dev/null |
        sed 's/^\(\[ *[0-9.]*\]\) [^ ]* /\1 /' | grep . >/dev/null || return 0
    timeout 2 journalctl -b -t QEMU -n 100 --no-pager -q -o short-monotonic 2>/dev/null |
        sed 's/^\(\[ *[0-9.]*\]\) [^ ]* /\1 /' | file qemu.log
}

libvirt() { # VMs with host devices, by number: their names stay on the host
    count=0
    for path in /etc/libvirt/qemu/*.xml; do
        if ! [ -r "$path" ] || ! grep -q '<hostdev' "$path"; then continue; fi
        count=$((count + 1))
        sed -e '/<description>/,/<\/description>/d' -e '/<\(name\|title\|uuid\)>/d' -e '/<metadata>/,/<\/metadata>/d' \
            -e "s/passwd=['\"][^'\"]*['\"]/passwd='removed'/" "$path" | file "vms/libvirt-$count.xml"
    done
    newest=
    for path in /var/log/libvirt/qemu/*.log; do
        if [ -r "$path" ] && { [ -z "$newest" ] || [ "$path" -nt "$newest" ]; }; then newest=$path; fi
    done
    [ -z "$newest" ] || tail -n 200 "$newest" | file libvirt.log
}

limits() { # of a QEMU that does not run as root; for root no limit on locked memory counts
    for path in /run/qemu-server/*.pid /run/libvirt/qemu/*.pid; do
        value "$path"
        case $found in '' | *[!0-9]*) continue ;; esac
        if grep -q '^Uid:[[:space:]]*0' "/proc/$found/status" 2>/dev/null; then continue; fi
        if [ -r "/proc/$found/limits" ]; then
            take ulimit.txt "/proc/$found/limits"
            return
        fi
    done
    left ulimit.txt 'no QEMU runs whose limits count'
}

# --- what the host itself needs, one line each: ADDRESS WHAT WHY

nic_uses() ( # INTERFACE WHY...  goes down from bridges, bonds and VLANs to the cards
    name=$1
    shift
    physical "/sys/class/net/$name/device"
    if [ -n "$real" ]; then
        address "$real"
        [ -z "$bdf" ] || echo "$bdf nic $*"
        return
    fi
    # Ports of Open vSwitch have one master, which holds all of them, cards and bonds included.
    physical "/sys/class/net/$name/master"
    if [ "${real##*/}" = ovs-system ]; then
        for path in /sys/class/net/ovs-system/lower_*/device /sys/class/net/ovs-system/lower_*/bonding; do
            lower=${path%/*}
            lower=${lower##*/lower_}
            if [ "$lower" != "$name" ] && [ -e "$path" ]; then nic_uses "$lower" "$@"; fi
        done
    fi
    for path in "/sys/class/net/$name"/lower_*; do
        [ ! -e "$path" ] || nic_uses "${path##*/lower_}" "$@"
    done
)

disk_uses() ( # FOLDER WHY...  goes down from LVM, RAID and encryption to the disks; a folder of /sys/class/block
    physical "$1"
    shift
    [ -n "$real" ] || return 0
    if [ -e "$real/partition" ]; then real=${real%/*}; fi
    for path in "$real"/slaves/*; do
        [ ! -e "$path" ] || disk_uses "$path" "$@"
    done
    case $real in
        */virtual/nvme-subsystem/*)
            for path in "${real%/*}"/nvme*/device; do
                physical "$path"
                address "$real"
                [ -z "$bdf" ] || echo "$bdf disk $*"
            done
            ;;
        *)
            address "$real"
            [ -z "$bdf" ] || echo "$bdf disk $*"
            ;;
    esac
)

mounted() {
    seen=' '
    while read -r _ _ number _ place rest; do
        rest=${rest#* - }
        kind=${rest%% *}
        source=${rest#* }
        source=${source%% *}
        why="mounted $place"
        if [ "$place" = / ]; then why='root-filesystem /'; fi
        if [ "$kind" = btrfs ]; then
            for path in /sys/fs/btrfs/*/devices/"${source##*/}"; do
                for member in "${path%/*}"/*; do
                    [ ! -e "$member" ] || disk_uses "$member" "$why"
                done
            done
            continue
        fi
        case $seen in
            # Bind mounts of one file system can be many.
            *" $number "*) [ "$place" = / ] || continue ;;
        esac
        [ "${number%%:*}" = 0 ] || disk_uses "/sys/dev/block/$number" "$why"
        seen="$seen$number "
    done </proc/self/mountinfo
}

root_pool() { # a root on ZFS has no device number: the source names the pool
    awk '$5 == "/" { for (n = 7; n < NF; n++) if ($n == "-" && $(n + 1) == "zfs") { split($(n + 2), part, "/"); print part[1] } }' \
        /proc/self/mountinfo
}

pools() { # THE ROOT'S POOL
    [ -d /proc/spl/kstat/zfs ] || return 0
    timeout 2 zpool list -vHPL 2>/dev/null | awk -F '\t' '$1 != "" { pool = $1 } $2 ~ /^\/dev\// { print pool, $2 }' |
        while read -r pool path; do
            disk_uses "/sys/class/block/${path##*/}" zfs-pool "$pool"
            [ "$pool" != "$1" ] || disk_uses "/sys/class/block/${path##*/}" root-filesystem /
        done
}

routes() {
    awk '$2 == "00000000" && $8 == "00000000" { print $1 }' /proc/net/route
    awk '$1 ~ /^0+$/ && $2 == "00" && $10 != "lo" { print $10 }' /proc/net/ipv6_route
} 2>/dev/null

keyboards() { # the folders of /sys/devices of USB keyboards
    awk '/^S: Sysfs=/ { path = substr($0, 10) } /^H: Handlers=/ && /sysrq/ && /kbd/ && path ~ /\/usb/ { print "/sys" path }' \
        /proc/bus/input/devices
} 2>/dev/null

consoles() {
    shown=
    for path in /sys/class/vtconsole/vtcon*; do
        value "$path/bind"
        [ "$found" = 1 ] || continue
        value "$path/name"
        case $found in *'frame buffer'*) shown=framebuffer ;; *VGA*) shown=vga-text ;; esac
    done
    [ -n "$shown" ] || return 0
    for path in /sys/class/graphics/fb[0-9]*; do
        [ -e "$path" ] || continue
        value "$path/name"
        physical "$path"
        address "$real"
        [ -n "$bdf" ] || boot_display
        [ -z "$bdf" ] || echo "$bdf console $shown $found"
    done
    if [ "$shown" = vga-text ]; then
        boot_display
        [ -z "$bdf" ] || echo "$bdf console vga-text"
    fi
}

boot_display() { # sets $bdf to the boot VGA device
    bdf=
    for boot_vga in /sys/bus/pci/devices/*/boot_vga; do
        [ -r "$boot_vga" ] || continue
        read -r bit <"$boot_vga"
        if [ "$bit" = 1 ]; then
            bdf=${boot_vga%/boot_vga}
            bdf=${bdf##*/}
        fi
    done
}

host_uses() {
    for name in $(routes); do
        nic_uses "$name" default-route "$name"
    done
    mounted
    pools "$(root_pool)"
    while read -r path _; do
        case $path in /dev/*) disk_uses "/sys/class/block/${path##*/}" swap ;; esac
    done </proc/swaps
    for path in /sys/block/dm-* /sys/block/md*; do
        [ -d "$path" ] || continue
        value "$path/dm/uuid"
        case $found in LVM-*) found=lvm ;; CRYPT-*) found=encrypted ;; *) found="raid ${path##*/}" ;; esac
        disk_uses "$path" "$found"
    done
    for path in $(keyboards); do
        address "$path"
        [ -z "$bdf" ] || echo "$bdf usb keyboard"
    done
    consoles
}

# --- all of it

quick() {
    exec 4>&1
    take cmdline.txt /proc/cmdline
    run uname.txt 2 uname -a
    kernel_log
    run lspci.txt 3 lspci -nnvvk || run lspci.txt 2 lspci -nnk
    devices
    take interrupts.txt /proc/interrupts
    processor
    take meminfo.txt /proc/meminfo
    modules
    take modules.txt /etc/modules
    folder modprobe.d /etc/modprobe.d /run/modprobe.d /usr/local/lib/modprobe.d /usr/lib/modprobe.d /lib/modprobe.d
    folder modules-load.d /etc/modules-load.d /run/modules-load.d /usr/lib/modules-load.d
    machine
    proxmox
    boot | file boot.txt
    grub
    take kernel-cmdline.txt /etc/kernel/cmdline
    machines
    libvirt
    limits
    host_uses | sort -u | file host_uses.txt
}

collect() {
    uid=$(id -u)
    release=$(uname -r)
    echo 'pvekit-collect 1'
    # The slow part runs beside the others, and its section comes after theirs.
    initramfs | { quick; cat; }
    echo '.end'
}

# Nothing runs before the last line: a script that arrives cut short does nothing.
collect </dev/null
