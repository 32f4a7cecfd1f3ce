# What a machine says that bears on the speed of inference: read only. Sent to `sh -s` by pvekit.
# Arguments: "all", or "load" for only what changes while it works; the model's file or "-"; a volume of PVE or "-";
# then the command of llama-bench, as it is called there.
# Every section is a line "MARK file NAME" and then the text; "MARK left NAME WHY" says why something is missing.
# shellcheck shell=dash
set -u
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
what=$1 model=$2 volume=$3
shift 3
mark=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || echo "mark-$$")
uid=$(id -u)
printf "pvekit-collect 1 %s\n" "$mark"

file() { # NAME  the text is what is printed next
    printf '\n%s file %s\n' "$mark" "$1"
}

left() { # NAME WHY
    printf '\n%s left %s %s\n' "$mark" "$1" "$2"
}

take() { # NAME PATH
    if [ -r "$2" ]; then
        file "$1"
        cat "$2" 2>/dev/null
    else
        left "$1" "$2 cannot be read"
    fi
}

say() { # NAME SECONDS COMMAND...  the output of a program, or why there is none
    name=$1 seconds=$2
    shift 2
    if ! command -v "$1" >/dev/null 2>&1; then
        left "$name" "$1 is not installed"
        return
    fi
    file "$name"
    timeout "$seconds" "$@" 2>&1
    code=$?
    [ "$code" = 0 ] || left "$name" "$1 ended with $code"
}

each() { # NAME PATH...  "path: first line" of those that can be read
    name=$1
    shift
    file "$name"
    grep -s -H -m1 . "$@"
}

# --- what changes under load

each clocks.txt /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq
file mhz.txt
grep -s '^cpu MHz' /proc/cpuinfo
each governors.txt /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor
each throttle.txt /sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count
each heat.txt /sys/class/hwmon/hwmon*/name /sys/class/hwmon/hwmon*/temp1_input /sys/class/thermal/thermal_zone*/type \
    /sys/class/thermal/thermal_zone*/temp
take loadavg.txt /proc/loadavg
file stat.txt
grep -s '^cpu ' /proc/stat
each vmstat.txt /dev/null
grep -s -E '^(pswpin|pswpout|pgmajfault|pgpgin) ' /proc/vmstat
for device in /sys/bus/pci/devices/*; do
    read -r class <"$device/class" || continue
    # Displays, 3D controllers and accelerators.
    case $class in 0x03* | 0x12*) ;; *) continue ;; esac
    name=${device##*/}
    each "pci/${name%%:*}_$(echo "${name#*:}" | tr : _)" "$device/vendor" "$device/device" "$device/current_link_speed" \
        "$device/current_link_width" "$device/max_link_speed" "$device/max_link_width" "$device/driver/module/version"
done 2>/dev/null
say nvidia.csv 20 nvidia-smi --format=csv,noheader,nounits --query-gpu=name,driver_version,memory.total,memory.used,utilization.gpu,compute_cap,pcie.link.gen.current,pcie.link.width.current,pcie.link.gen.max,pcie.link.width.max,temperature.gpu,power.limit
[ "$what" = all ] || { printf '\n%s end\n' "$mark"; exit 0; }

# --- what stays

file cpuinfo.txt
sed -n '1,/^$/p' /proc/cpuinfo
file cores.txt
grep -s -E '^(processor|physical id|core id)' /proc/cpuinfo
take meminfo.txt /proc/meminfo
each caches.txt /sys/devices/system/cpu/cpu0/cache/index*/level /sys/devices/system/cpu/cpu0/cache/index*/type \
    /sys/devices/system/cpu/cpu0/cache/index*/size
each nodes.txt /sys/devices/system/node/node*/cpulist
each limits.txt /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq /sys/devices/system/cpu/cpu0/cpufreq/base_frequency
each ksm.txt /sys/kernel/mm/ksm/run /sys/kernel/mm/ksm/pages_sharing
each huge.txt /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/hugepages/hugepages-*/nr_hugepages
each machine.txt /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/board_name
if [ "$uid" = 0 ]; then say dmi.txt 10 dmidecode -t 17; else left dmi.txt 'dmidecode needs root'; fi

# --- the disk below the model, or below a volume of PVE

path=$model
if [ "$volume" != - ]; then
    path=$(timeout 20 pvesm path "$volume" 2>/dev/null)
    [ -n "$path" ] || left disk.txt "pvesm does not say where $volume lies"
fi
if [ -n "$path" ] && [ "$path" != - ]; then
    # Nothing comes of a folder that is not there.
    real=$(readlink -f "$path")
    path=${real:-$path}
    if [ -b "$path" ]; then
        source=$path kind=block
    else
        source=$(df --output=source "$path" 2>/dev/null | tail -n1) kind=$(stat -f -c %T "$path" 2>/dev/null)
    fi
    if [ -z "$source" ]; then
        left disk.txt "there is no $path"
    else
        file disk.txt
        echo "source=$source"
        echo "kind=$kind"
        # The disks at the bottom of partitions, volumes and arrays.
        timeout 10 lsblk -s -n -l -o NAME,TYPE,ROTA,TRAN "$source" 2>/dev/null
    fi
elif [ "$volume" = - ]; then
    left disk.txt 'no model is named'
fi

# --- llama.cpp

if [ $# = 0 ]; then
    for path in /opt/pvekit/llama/current/llama-bench llama-bench /opt/llama.cpp/bin/llama-bench; do
        command -v "$path" >/dev/null 2>&1 && { set -- "$path"; break; }
    done
fi
if [ $# = 0 ]; then
    left llama.txt 'llama-bench is not installed'
else
    say llama.txt 60 "$@" --list-devices
    say help.txt 20 "$@" --help
    file command.txt
    printf '%s\n' "$@"
    library=$(timeout 60 "$@" --list-devices 2>&1 | sed -n 's/^load_backend: loaded CUDA backend from //p' | tail -n1)
    if [ -n "$library" ]; then
        file cuda.txt
        ldd "$library" 2>/dev/null | sed -n 's/.*libcudart[^ ]* => \([^ ]*\).*/\1/p' | xargs -r readlink -f
    fi
fi
take args.txt /etc/pvekit/llama.args
if command -v systemctl >/dev/null 2>&1; then
    file unit.txt
    timeout 10 systemctl cat pvekit-llama.service 2>/dev/null
fi
printf '\n%s end\n' "$mark"
