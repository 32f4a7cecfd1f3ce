# What this host knows about its PCI devices, IOMMU, drivers, boot and VMs: read only. Sent to `sh -s` by pvekit.
# Every section is a line "MARK file NAME" and then the text as it is, without the line end before the next such line.
# "MARK left NAME WHY" says that something could not be read, and takes back a section of that name. The mark is made
# anew each time, so that no text can look like a line of the frame.
# Programs are what takes time on a slow host: what the shell can do itself, or one program for all, has no other.
# It mounts nothing, writes nothing, and reads no secrets: keys and passwords of VM configurations stay on the host.
# shellcheck shell=dash disable=SC2013,SC2094,SC2030,SC2031
set -u
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH

file() { # NAME  the text is what is printed next
    printf '\n%s file %s\n' "$mark" "$1"
}

left() { # NAME WHY
    printf '\n%s left %s %s\n' "$mark" "$1" "$2"
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
        file "$1"
        cat "$2" 2>/dev/null || left "$1" "$2 $(denied)"
    fi
}

ended() { # CODE NAME SECONDS COMMAND  says why a text is missing
    case $1 in
        0) return 0 ;;
        124 | 137) left "$2" "$4 did not end within $3 s" ;;
        *) if [ "$uid" = 0 ]; then left "$2" "$4 ended with $1"; else left "$2" "$4 needs root"; fi ;;
    esac
    return 1
}

on_all() { # PROGRAM FILE...  starts it once, and more often only where the files are too many for that
    program=$1
    shift
    # shellcheck disable=SC2086
    if [ $# -lt 20000 ]; then $program "$@"; else printf '%s\n' "$@" | xargs $program; fi
} 2>/dev/null

hold() { # COMMAND...  sets $held to what the command prints, $code to how it ended
    held=$(
        "$@" 2>/dev/null
        code=$?
        # Without a last sign the line ends before it would go.
        echo .
        exit "$code"
    )
    code=$?
    held=${held%.}
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
    hold dmesg
    if begins_with_the_start; then
        file dmesg.txt
        printf '%s' "$held"
        ended "$code" dmesg.txt 3 dmesg
    elif [ -n "$held" ]; then
        file dmesg.txt
        journal_and_ring
    else
        held=$(journal)
        if [ -n "$held" ]; then
            file dmesg.txt
            printf '%s\n' "$held"
        else
            left dmesg.txt 'the kernel log needs root, or a member of the group systemd-journal'
        fi
    fi
}

begins_with_the_start() { # looks at five lines of $held
    rest=$held
    for _ in 1 2 3 4 5; do
        case ${rest%%"$newline"*} in *'Linux version '*) return 0 ;; esac
        rest=${rest#*"$newline"}
    done
    return 1
}

journal() { # the kernel's messages since boot, at most those of a long one, in the form of dmesg
    timeout 3 journalctl -k -b -q --no-pager -o short-monotonic 2>/dev/null |
        sed -e 's/^\(\[ *[0-9.]*\]\) [^ ]* kernel: /\1 /' -e 12000q
}

journal_and_ring() { # the ring buffer has lost its start: the journal has it
    { journal; echo '.ring'; printf '%s' "$held"; } | awk '
        $0 == ".ring" { ring = 1; next }
        match($0, /^\[ *[0-9.]+\]/) { at = substr($0, 2, RLENGTH - 2) + 0; keep = !ring || at > last; if (!ring) last = at }
        keep'
}

kernel_files() { # the kernel ends them with a line end, so that one program can show them all
    set --
    for name in cmdline interrupts meminfo cpuinfo iomem; do
        if [ "$name$uid" = iomem1 ] || ! [ -r "/proc/$name" ]; then
            left "$name.txt" "/proc/$name $(denied)"
        else
            set -- "$@" "name=$name.txt" "/proc/$name"
        fi
    done
    awk -v mark="$mark" '
        FNR == 1 { printf "\n%s file %s\n", mark, name; done = 0 }
        !done
        # The other processors say the same as the first.
        name == "cpuinfo.txt" && $0 == "" { done = 1 }' "$@"
}

system() { # as uname -a says it
    file uname.txt
    set --
    for name in ostype hostname osrelease version arch; do
        value "/proc/sys/kernel/$name"
        set -- "$@" "$found"
    done
    if [ -n "$found" ]; then echo "$* GNU/Linux"; else uname -a; fi
}

modules() {
    if ! [ -r /proc/modules ]; then
        left lsmod.txt 'the kernel has no modules'
    elif command -v lsmod >/dev/null; then
        file lsmod.txt
        lsmod 2>/dev/null
    else
        file lsmod.txt
        awk 'BEGIN { print "Module Size Used by" } { print $1, $2, $3, ($4 == "-" ? "" : $4) }' /proc/modules
    fi
    file module_params.txt
    set --
    for name in vfio vfio_pci vfio_pci_core vfio_iommu_type1 kvm kvm_intel kvm_amd nvidia nvidia_drm pcie_aspm; do
        set -- "$@" "/sys/module/$name/parameters/"*
    done
    grep -s -H . "$@"
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
    [ "$taken" != / ] || [ "$into" != modprobe.d ] || file modprobe.d.txt
}

# --- PCI devices and IOMMU

listing() { # of lspci, which is $held after it
    held=
    if ! command -v lspci >/dev/null; then
        left lspci.txt 'lspci is not installed'
        return
    fi
    for options in -nnvvk -nnk; do
        hold timeout -k 1 3 lspci "$options"
        file lspci.txt
        printf '%s' "$held"
        if ended "$code" lspci.txt 3 lspci; then return; fi
    done
}

tables() ( # pci_sysfs.txt, reserved_regions.txt, and with the listing in $held iommu_groups.txt
    cd /sys/bus/pci/devices || cd /sys || return
    set -- */vendor */device */class */revision */subsystem_vendor */subsystem_device */power_state */d3cold_allowed \
        */numa_node */enable */msi_bus */current_link_speed */current_link_width */max_link_speed */max_link_width \
        */sriov_totalvfs
    {
        printf 'there=%s\n' "$@"
        on_all 'grep -s -H ^' -- "$@" */driver_override */reset_method */boot_vga */power/runtime_status */resource \
            */resource[0-9]*_resize /sys/kernel/iommu_groups/*/reserved_regions
        on_all 'stat -c stat=%s=%N' -- * */driver */iommu_group */rom */mdev_supported_types
        printf 'member=%s\n' /sys/kernel/iommu_groups/*/devices/*
        printf 'lspci=\n%s' "$held"
    } | awk -v mark="$mark" "$all_tables"
) 2>/dev/null

# shellcheck disable=SC2016
all_tables='
    listing { # ADDRESS TEXT, without what only -vv shows
        if ($0 !~ /^[0-9a-f]+:/) next
        text = substr($0, length($1) + 2)
        sub(/ \(prog-if [0-9a-f][0-9a-f]( \[.*\])?\)$/, "", text)
        said[($1 ~ /:.*:/ ? "" : "0000:") $1] = " " text
        next
    }
    /^lspci=/ { listing = 1; next }
    /^(there|member)=.*\*/ { next }
    /^there=/ { # DEVICE/KEY
        split(substr($0, 7), part, "/")
        if (part[2] == "vendor") device[++count] = part[1]
        else if (!(part[2] in known)) { known[part[2]] = 1; key[++keys] = part[2] }
        there[part[1], part[2]] = 1
        next
    }
    /^member=/ { # /sys/kernel/iommu_groups/GROUP/devices/DEVICE
        split(substr($0, 9), part, "/")
        in_group[++members] = part[4] + 0
        member[members] = part[6]
        if (part[4] > most) most = part[4] + 0
        next
    }
    /^stat=/ { # SIZE=DEVICE/KEY -> TARGET, both in quotes
        text = substr($0, 6)
        equals = index(text, "=")
        arrow = index(text " -> ", " -> ")
        path = substr(text, equals + 2, arrow - equals - 3)
        last = steps = split(substr(text, arrow + 5, length(text) - arrow - 5), step, "/")
        if (path ~ /\//) { stated[path] = 1; size[path] = substr(text, 1, equals - 1); link[path] = step[last]; next }
        while (--steps > 0 && step[steps] !~ /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f].*:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]\.[0-7]$/);
        if (steps > 0) parent[path] = step[steps]
        next
    }
    /^\// { if ($0 !~ /:$/) reserved = reserved $0 "\n"; next }
    { # DEVICE/KEY:TEXT, and the address has colons too
        slash = index($0, "/")
        of = substr($0, 1, slash - 1)
        text = substr($0, slash + 1)
        colon = index(text, ":")
        name = substr(text, 1, colon - 1)
        text = substr(text, colon + 1)
        gsub(/^[ \t]+|[ \t]+$/, "", text)
        if (name == "resource") {
            split(text, column, " ")
            if (column[2] != "0x0000000000000000")
                rows[of] = rows[of] " resource" (rank[of] + 0) "=" column[1] "-" column[2] ":" column[3]
            rank[of]++
        } else if (name ~ /_resize$/) {
            if (!((of, name) in value)) sizes[of] = sizes[of] "," substr(name, 9, length(name) - 15) ":0x" text
            value[of, name] = text
        } else if (!((of, name) in value)) value[of, name] = text
    }
    END {
        printf "\n%s file pci_sysfs.txt\n", mark
        for (n = 1; n <= count; n++) {
            of = device[n]
            line = of " driver=" link[of "/driver"] " override=" value[of, "driver_override"]
            line = line " rom=" ((of "/rom") in stated ? size[of "/rom"] : "none")
            line = line " reset=" value[of, "reset_method"] " boot_vga=" value[of, "boot_vga"]
            line = line " group=" link[of "/iommu_group"] " parent=" parent[of] " vendor=" value[of, "vendor"]
            for (k = 1; k <= keys; k++)
                if ((of, key[k]) in there) line = line " " key[k] "=" value[of, key[k]]
            line = line " runtime_status=" value[of, "power/runtime_status"]
            if ((of "/mdev_supported_types") in stated) line = line " mdev=1"
            line = line rows[of]
            if (of in sizes) line = line " resize=" substr(sizes[of], 2)
            print line
        }
        printf "\n%s file reserved_regions.txt\n%s", mark, reserved
        printf "\n%s file iommu_groups.txt\n", mark
        for (n = 1; n <= members; n++) {
            group = in_group[n]
            lines[group] = lines[group] "IOMMU Group " group " " member[n] said[member[n]] "\n"
        }
        for (group = 0; group <= most; group++) printf "%s", lines[group]
    }'

devices() {
    listing
    tables
    file sys_class_iommu.txt
    for path in /sys/class/iommu/*; do
        [ -e "$path" ] && echo "${path##*/}"
    done
    if [ -d /sys/firmware/acpi/tables ]; then
        file acpi_tables.txt
        for path in /sys/firmware/acpi/tables/*; do
            [ -d "$path" ] || echo "${path##*/}"
        done
    else
        left acpi_tables.txt 'there is no /sys/firmware/acpi/tables'
    fi
    if [ -d /dev/vfio ]; then
        file dev_vfio.txt
        ls -ln /dev/vfio
    fi
}

machine() {
    told=
    if [ "$uid" = 0 ]; then
        told=$(dmidecode -t 0,1,2,3,4,9 2>/dev/null | grep -v -E '^[[:space:]]*(Serial Number|UUID|Asset Tag):')
    fi
    if [ -n "$told" ]; then
        file dmi.txt
        printf '%s\n' "$told"
    elif [ -d /sys/class/dmi/id ]; then
        file dmi.txt
        for key in sys_vendor product_name product_version board_vendor board_name board_version bios_vendor bios_version \
            bios_date bios_release chassis_type; do
            value "/sys/class/dmi/id/$key"
            [ -z "$found" ] || echo "$key=$found"
        done
    else
        left dmi.txt 'there is no /sys/class/dmi/id'
    fi
}

# --- what boots

proxmox() {
    file pveversion.txt
    if [ -d /usr/share/perl5/PVE ] && command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2016
        timeout 3 dpkg-query -W -f='${db:Status-Abbrev} ${Package}: ${Version}\n' proxmox-ve pve-manager qemu-server \
            pve-qemu-kvm pve-edk2-firmware pve-edk2-firmware-ovmf pve-firmware proxmox-kernel-helper pve-kernel-helper \
            'proxmox-kernel-[0-9]*' 'pve-kernel-[0-9]*' zfsutils-linux systemd 2>/dev/null |
            sed -e '/^ii /!d' -e 's/^ii  *//' -e "s/^proxmox-ve: .*/& (running kernel: $release)/"
    fi
}

boot() {
    file boot.txt
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
    if [ -r /etc/kernel/proxmox-boot-manual-kernels ]; then cat /etc/kernel/proxmox-boot-manual-kernels; else echo None.; fi
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
        file default-grub.txt
        for path in /etc/default/grub /etc/default/grub.d/*.cfg; do
            [ -r "$path" ] || continue
            [ "$path" = /etc/default/grub ] || echo "# $path"
            cat "$path"
            echo
        done
    else
        take default-grub.txt /etc/default/grub
    fi
}

ages() { # when the image and the configuration were written, in seconds since 1970
    sed -n 's/^btime /boot_time=/p' /proc/stat
    set --
    for path in "$image" /etc/modprobe.d/* /etc/modules /etc/modules-load.d/* /etc/initramfs-tools/modules \
        /etc/initramfs-tools/conf.d/* /etc/default/grub /etc/default/grub.d/*.cfg /etc/kernel/cmdline /boot/grub/grub.cfg; do
        if [ -f "$path" ]; then set -- "$@" "$path"; fi
    done
    [ $# = 0 ] || stat -L -c '%n=%Y' "$@" 2>/dev/null
}

initramfs() { # ages, then the paths in it that can matter; this is the slow part
    image=/boot/initrd.img-$release
    listed | {
        file initramfs.txt
        ages
        paths=
        while read -r path; do paths=$paths$path$newline; done
        case $paths in
            *".whole$newline") printf '%s' "${paths%.whole"$newline"}" ;;
            *) echo 'not listed: lsinitramfs did not end within 2.5 s' ;;
        esac
    }
}

listed() { # with a last line that says that this is all
    if ! command -v lsinitramfs >/dev/null; then
        printf 'not listed: lsinitramfs is not installed\n.whole\n'
    elif ! [ -r "$image" ]; then
        printf 'not listed: %s is not there, or needs root\n.whole\n' "$image"
    else
        { timeout -k 1 2.5 lsinitramfs "$image" 2>/dev/null && echo .whole; } | grep -E \
            '^\.whole|modprobe\.d|conf/modules|modules-load|vfio|/gpu/|/video/|/sound/|nvidia|nouveau|xhci|ucsi'
    fi
}

# --- VMs

machines() {
    [ -d /etc/pve ] || return 0
    passed=' '
    for path in $(grep -l -s '^hostpci' /etc/pve/qemu-server/*.conf); do
        vmid=${path##*/}
        passed="$passed${vmid%.conf} "
    done
    for path in /etc/pve/qemu-server/*.conf; do
        vmid=${path##*/}
        vmid=${vmid%.conf}
        case $vmid in '' | *[!0-9]*) continue ;; esac
        if [ -r "$path" ]; then
            file "vms/$vmid.conf"
            vm_config "$path"
        else
            left "vms/$vmid.conf" "$(denied)"
        fi
    done
    if [ -r /etc/pve/qemu-server ] && [ -x /etc/pve/qemu-server ]; then :; else left vms/ "$(denied)"; fi
    [ ! -e /etc/pve/mapping/pci.cfg ] || take pci-mapping.cfg /etc/pve/mapping/pci.cfg
    task_logs
    qemu_log
}

vm_config() { # PATH  without descriptions, snapshots, keys and passwords
    awk '
        /^\[/ { other = ($0 != "[PENDING]") }
        other || /^#/ || /^(cipassword|sshkeys|description):/ { next }
        /^args:/ {
            while (match($0, /(password|secret|string|data|token|key)=[^, ]*/)) {
                equals = RSTART + index(substr($0, RSTART), "=") - 1
                printf "%sremoved", substr($0, 1, equals)
                $0 = substr($0, RSTART + RLENGTH)
            }
        }
        { print }' "$1"
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
    file task.log
    for upid in $chosen; do
        # The folder is the last digit of the start time, which is the fifth field.
        began=${upid#*:*:*:*:}
        began=${began%%:*}
        path=/var/log/pve/tasks/${began#"${began%?}"}/$upid
        # Its UPID first: the log itself need not say which VM it is of.
        if [ -r "$path" ]; then
            printf '%s\n' "$upid"
            tail -n 200 "$path"
            echo
        fi
    done
}

qemu_log() {
    # Without -q journalctl says when it may not look.
    held=$(timeout 2 journalctl -b -t QEMU -n 100 --no-pager -q -o short-monotonic 2>/dev/null |
        sed 's/^\(\[ *[0-9.]*\]\) [^ ]* /\1 /')
    [ -n "$held" ] || return 0
    file qemu.log
    printf '%s\n' "$held"
}

libvirt() { # VMs with host devices, by number: their names stay on the host
    count=0
    for path in /etc/libvirt/qemu/*.xml; do
        if ! [ -r "$path" ] || ! grep -q '<hostdev' "$path"; then continue; fi
        count=$((count + 1))
        file "vms/libvirt-$count.xml"
        sed -e '/<description>/,/<\/description>/d' -e '/<\(name\|title\|uuid\)>/d' -e '/<metadata>/,/<\/metadata>/d' \
            -e "s/passwd=['\"][^'\"]*['\"]/passwd='removed'/" "$path"
    done
    newest=
    for path in /var/log/libvirt/qemu/*.log; do
        if [ -r "$path" ] && { [ -z "$newest" ] || [ "$path" -nt "$newest" ]; }; then newest=$path; fi
    done
    [ -n "$newest" ] || return 0
    file libvirt.log
    tail -n 200 "$newest"
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

mounted() { # NUMBER KIND SOURCE PLACE
    why="mounted $4"
    if [ "$4" = / ]; then why='root-filesystem /'; fi
    if [ "$2" != btrfs ]; then
        disk_uses "/sys/dev/block/$1" "$why"
        return
    fi
    for path in /sys/fs/btrfs/*/devices/"${3##*/}"; do
        for member in "${path%/*}"/*; do
            [ ! -e "$member" ] || disk_uses "$member" "$why"
        done
    done
}

pools() { # THE ROOT'S POOL
    [ -d /proc/spl/kstat/zfs ] || return 0
    timeout 2 zpool list -vHPL 2>/dev/null | awk -F '\t' '$1 != "" { pool = $1 } $2 ~ /^\/dev\// { print pool, $2 }' |
        while read -r pool path; do
            disk_uses "/sys/class/block/${path##*/}" zfs-pool "$pool"
            [ "$pool" != "$1" ] || disk_uses "/sys/class/block/${path##*/}" root-filesystem /
        done
}

told_by_proc() { # lines of "route INTERFACE", "mount NUMBER KIND SOURCE PLACE", "root-pool NAME" and "keyboard FOLDER"
    set --
    for path in /proc/self/mountinfo /proc/net/route /proc/net/ipv6_route /proc/bus/input/devices; do
        if [ -r "$path" ]; then set -- "$@" "$path"; fi
    done
    awk '
        FILENAME ~ /mountinfo/ {
            for (n = 7; n < NF && $n != "-"; n++);
            kind = $(n + 1)
            # A root on ZFS has no device number: the source names the pool.
            if ($5 == "/" && kind == "zfs") { split($(n + 2), part, "/"); print "root-pool", part[1] }
            # Bind mounts of one file system can be many, and what has no device of its own too.
            if (kind != "btrfs" && ($3 ~ /^0:/ || ($5 != "/" && $3 in seen))) next
            if (kind != "btrfs") seen[$3] = 1
            print "mount", $3, kind, $(n + 2), $5
        }
        FILENAME ~ /net\/route/ && $2 == "00000000" && $8 == "00000000" { print "route", $1 }
        FILENAME ~ /ipv6_route/ && $1 ~ /^0+$/ && $2 == "00" && $10 != "lo" { print "route", $10 }
        FILENAME ~ /input/ && /^S: Sysfs=/ { path = substr($0, 10) }
        FILENAME ~ /input/ && /^H: Handlers=/ && /sysrq/ && /kbd/ && path ~ /\/usb/ { print "keyboard /sys" path }' "$@"
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
    told_by_proc | {
        root_pool=
        while read -r what first kind source place; do
            case $what in
                route) nic_uses "$first" default-route "$first" ;;
                mount) mounted "$first" "$kind" "$source" "$place" ;;
                root-pool) root_pool=$first ;;
                keyboard)
                    address "$first"
                    [ -z "$bdf" ] || echo "$bdf usb keyboard"
                    ;;
            esac
        done
        pools "$root_pool"
    }
    while read -r path _; do
        case $path in /dev/*) disk_uses "/sys/class/block/${path##*/}" swap ;; esac
    done </proc/swaps
    for path in /sys/block/dm-* /sys/block/md*; do
        [ -d "$path" ] || continue
        value "$path/dm/uuid"
        case $found in LVM-*) found=lvm ;; CRYPT-*) found=encrypted ;; *) found="raid ${path##*/}" ;; esac
        disk_uses "$path" "$found"
    done
    consoles
}

# --- all of it

# A pipe holds what a part says until its turn comes, so that nothing has to be written on the host; a part that says
# more waits. What must not wait is held by the shell before it is said.

first() { # what takes longest
    kernel_log
    devices
}

second() {
    kernel_files
    system
    modules
    take modules.txt /etc/modules
    folder modprobe.d /etc/modprobe.d /run/modprobe.d /usr/local/lib/modprobe.d /usr/lib/modprobe.d /lib/modprobe.d
    folder modules-load.d /etc/modules-load.d /run/modules-load.d /usr/lib/modules-load.d
    machine
    proxmox
    boot
    grub
    take kernel-cmdline.txt /etc/kernel/cmdline
    machines
    libvirt
    limits
    file host_uses.txt
    host_uses | sort -u
}

collect() {
    newline='
'
    read -r mark </proc/sys/kernel/random/uuid || exit
    read -r release </proc/sys/kernel/osrelease || exit
    uid=1
    # The root folder is root's: no program has to be asked who we are.
    if [ -O / ]; then uid=0; fi
    printf '\npvekit-collect 1 %s\n' "$mark"
    initramfs | { second </dev/null | { first </dev/null; cat; }; cat; }
    printf '\n%s end\n' "$mark"
}

# Nothing runs before the last line: a script that arrives cut short does nothing.
collect </dev/null
