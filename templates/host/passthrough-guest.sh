# What a VM sees of the card that it was given: read only. Sent to `sh -s` by the guest agent; the answer has the form of
# passthrough-collect.sh. A compute job is not made here.
# shellcheck shell=sh disable=SC2094
set -u
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH

file() { # NAME  the text comes on standard input
    printf '\n%s file %s\n' "$mark" "$1"
    cat
}

run() { # NAME SECONDS COMMAND...  also what it prints when it fails: that tells the most
    name=$1 seconds=$2
    shift 2
    if command -v "$1" >/dev/null; then
        timeout "$seconds" "$@" 2>&1 | file "$name"
    else
        printf '\n%s left %s %s is not installed\n' "$mark" "$name" "$1"
    fi
}

devices() { # address vendor device class driver, then the lines of its regions
    for folder in /sys/bus/pci/devices/*; do
        [ -e "$folder/vendor" ] || continue
        driver=-
        if [ -L "$folder/driver" ]; then
            driver=$(readlink "$folder/driver")
            driver=${driver##*/}
        fi
        read -r vendor <"$folder/vendor"
        read -r device <"$folder/device"
        read -r class <"$folder/class"
        echo "device ${folder##*/} $vendor $device $class $driver"
        sed -n '1,6s/^/bar /p' "$folder/resource"
    done
}

tools() {
    for tool in nvidia-smi clinfo vulkaninfo rocminfo python3; do
        if command -v "$tool" >/dev/null; then echo "$tool"; fi
    done
}

collect() {
    read -r mark </proc/sys/kernel/random/uuid || exit
    printf '\npvekit-collect 1 %s\n' "$mark"
    devices | file guest/devices.txt
    tools | file guest/tools.txt
    run guest/dmesg.txt 10 dmesg
    run guest/lspci.txt 10 lspci -nnk
    if command -v nvidia-smi >/dev/null; then run guest/nvidia-smi.txt 60 nvidia-smi; fi
    if [ -d /sys/module/nvidia ] || command -v nvidia-smi >/dev/null; then
        run guest/modinfo.txt 10 modinfo nvidia
    fi
    printf '\n%s end\n' "$mark"
}

# Nothing runs before the last line: a script that arrives cut short does nothing.
collect </dev/null
