# What this machine draws: read only. Sent to `sh -s` by pvekit. Argument: seconds between the two readings.
# Every line is a kind and its fields; foreign texts are base64.
set -u
LC_ALL=C
export LC_ALL
rapl() {
    for zone in /sys/class/powercap/intel-rapl:*; do
        [ -e "$zone/name" ] || continue
        if [ -r "$zone/energy_uj" ]; then
            printf 'rapl %s %s %s %s %s\n' "${zone##*/}" "$(head -n 1 "$zone/name")" "$(date +%s%N)" \
                "$(head -n 1 "$zone/energy_uj")" "$(head -n 1 "$zone/max_energy_range_uj")"
        else
            printf 'denied %s\n' "${zone##*/}"
        fi
    done
}
rapl
sleep "$1"
rapl
if command -v upsc >/dev/null 2>&1; then
    for name in $(upsc -l 2>/dev/null); do
        printf 'ups %s =%s\n' "$name" "$(upsc "$name" 2>/dev/null | base64 -w 0)"
    done
fi
if command -v nvidia-smi >/dev/null 2>&1; then
    printf 'gpu =%s\n' "$(nvidia-smi --query-gpu=name,power.draw --format=csv,noheader,nounits 2>/dev/null | base64 -w 0)"
fi
for f in /sys/class/net/*; do
    if [ -e "$f/device" ] && [ -e "$f/master" ]; then
        printf 'port %s %s %s\n' "${f##*/}" "$(head -n 1 "$f/address")" "$(basename -- "$(readlink -f -- "$f/master")")"
    fi
done
echo end
