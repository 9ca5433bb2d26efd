#!/bin/sh
# Renews the libraries of this folder from npm, and makes ../icons.svg of the icons named in icons.txt.
# Usage: static/vendor/update.sh        (needs npm and python3; see README.md)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fetch FOLDER PACKAGE@RANGE: unpacks the package into $scratch/FOLDER and writes FOLDER/VERSION and FOLDER/LICENSE
fetch() {
    mkdir -p "$scratch/$1" "$here/$1"
    archive=$(cd "$scratch" && npm pack --silent "$2" | tail -n 1)
    tar -xzf "$scratch/$archive" -C "$scratch/$1" --strip-components=1
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["version"])' "$scratch/$1/package.json" >"$here/$1/VERSION"
    if [ -f "$scratch/$1/LICENSE" ]; then cp "$scratch/$1/LICENSE" "$here/$1/LICENSE"; fi
}

# keep FOLDER FILE: the file without its reference to a source map, which is not shipped
keep() {
    sed -e '/^\/\/# sourceMappingURL=/d' -e 's|/\*# sourceMappingURL=[^*]*\*/||' "$scratch/$1/$2" >"$here/$1/$(basename "$2")"
}

fetch tabler '@tabler/core@1'
keep tabler dist/css/tabler.min.css
keep tabler dist/js/tabler.min.js

fetch htmx 'htmx.org@2'
keep htmx dist/htmx.min.js

fetch plotly 'plotly.js-basic-dist-min@4'
keep plotly plotly-basic.min.js

fetch ansi_up 'ansi_up@6'
keep ansi_up ansi_up.js

fetch tabler-icons '@tabler/icons@3'
python3 "$here/make_sprite.py" "$scratch/tabler-icons/icons/outline" "$here/icons.txt" "$here/../icons.svg"
