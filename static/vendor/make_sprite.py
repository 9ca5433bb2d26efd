"""One SVG of the icons that the pages use: make_sprite.py ICON_FOLDER NAMES_FILE OUTPUT."""

import re
import sys
from pathlib import Path

folder, names, output = map(Path, sys.argv[1:])
symbols = []
for name in names.read_text().split():
    svg = (folder / f"{name}.svg").read_text()
    shapes = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)
    assert shapes, f"{name}.svg is not an SVG"
    drawn = re.sub(r"\s+", " ", re.sub(r'<path stroke="none"[^>]*/>', "", shapes[1])).strip()
    symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>')
output.write_text('<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n")
