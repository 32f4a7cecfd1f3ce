# Gives a unit of llama-server other arguments, and takes them back when it does not come up. Sent to `sh -c` by pvekit.
# Arguments: the unit, its file of arguments, the port, the seconds to wait. The file's new text is standard input.
# Ends with 9 when the old arguments are back, with 10 when the server does not come up with those either.
# shellcheck shell=dash
set -u
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
unit=$1 path=$2 port=$3 seconds=$4
umask 022

healthy() { # the model is loaded: until then /health says 503
    if command -v curl >/dev/null 2>&1; then
        curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$port/health" 2>/dev/null
    else
        python3 -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=5)' \
            "http://127.0.0.1:$port/health" >/dev/null 2>&1
    fi
}

up() { # restarts the unit and waits until it answers
    # The unit may itself wait for the server. Whoever cuts that short takes the arguments back.
    timeout "$seconds" systemctl restart "$unit" || return 1
    waited=0
    while [ "$waited" -lt "$seconds" ]; do
        # A server that ended is started again and again by systemd: the wait would be for nothing.
        case $(systemctl is-active "$unit") in failed | inactive) return 1 ;; esac
        if healthy; then return 0; fi
        sleep 1
        waited=$((waited + 1))
    done
    return 1
}

folder=$(dirname "$path")
mkdir -p "$folder" || exit 1
new=$(mktemp "$folder/.llama.args.XXXXXX") || exit 1
trap 'rm -f "$new"' EXIT
cat >"$new" || exit 1
chmod 644 "$new"
had=
if [ -e "$path" ]; then
    had=$path.before-tune
    cp -p "$path" "$had" || exit 1
fi
sync "$new" 2>/dev/null
mv -f "$new" "$path" || exit 1
if up; then exit 0; fi
journalctl -u "$unit" -n 8 --no-pager -o cat 2>/dev/null
if [ -n "$had" ]; then mv -f "$had" "$path"; else rm -f "$path"; fi
if up; then exit 9; fi
exit 10
