# Puts a file into its place in one step; its text comes on standard input.
# Arguments: path, mode, SHA-256 of what is expected there now (or "absent"), SHA-256 of the new text, and where a copy
# of what was there is kept ("-": nowhere). Ends with 9 when something else is there than expected.
set -eu
umask 022
path=$1 mode=$2 seen=$3 want=$4 kept=$5
sum() { sha256sum -- "$1" | cut -d ' ' -f 1; }
if [ -L "$path" ]; then echo "$path is a symbolic link" >&2; exit 9; fi
now=absent
if [ -e "$path" ]; then now=$(sum "$path"); fi
if [ "$now" != "$seen" ] && [ "$now" != "$want" ]; then echo "$path was changed meanwhile" >&2; exit 9; fi
mkdir -p -- "$(dirname -- "$path")"
part=$(mktemp "$(dirname -- "$path")/.pvekit.XXXXXXXX")
copy=
trap 'rm -f -- "$part" ${copy:+"$copy"}' EXIT
cat >"$part"
if [ "$(sum "$part")" != "$want" ]; then echo "the text for $path did not arrive whole" >&2; exit 1; fi
chmod -- "$mode" "$part"
sync -- "$part"
if [ "$kept" != - ] && [ "$now" != absent ] && [ "$now" != "$want" ]; then
    mkdir -p -m 700 -- "$(dirname -- "$kept")"
    copy=$(mktemp "$(dirname -- "$kept")/.copy.XXXXXXXX")
    cp -p -- "$path" "$copy"
    sync -- "$copy"
    mv -T -- "$copy" "$kept"
    copy=
fi
mv -T -- "$part" "$path"
