# Takes a file of pvekit away, and puts back what was there before.
# Arguments: path, SHA-256 of what is expected there now, where the copy of what was there would be.
# Ends with 9 when something else is there than expected. A file that is gone already is no failure.
set -eu
path=$1 seen=$2 kept=$3
if [ -L "$path" ]; then echo "$path is a symbolic link" >&2; exit 9; fi
if [ ! -e "$path" ]; then exit 0; fi
if [ "$(sha256sum -- "$path" | cut -d ' ' -f 1)" != "$seen" ]; then echo "$path was changed meanwhile" >&2; exit 9; fi
if [ -f "$kept" ]; then
    # Not moved at once: the copy may be on another file system.
    part=$(mktemp "$(dirname -- "$path")/.pvekit.XXXXXXXX")
    trap 'rm -f -- "$part"' EXIT
    cp -p -- "$kept" "$part"
    sync -- "$part"
    mv -T -- "$part" "$path"
    rm -f -- "$kept"
else
    rm -f -- "$path"
fi
