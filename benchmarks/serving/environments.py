"""An environment for each peer, of the versions pinned in `requirements/`; the same scikit-learn and numpy in all of them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HOME = Path.home() / ".cache" / "mlportal-bench" / "serving"
REQUIREMENTS = Path(__file__).with_name("requirements")
SAME = ("scikit-learn", "joblib", "numpy", "scipy")


def python_of(name: str) -> Path:
    """Its Python; it is made when it is not there, or is of other requirements. CalledProcessError when that fails."""
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = HOME / name
    python, mark = folder / "bin" / "python", folder / "made-of"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not (mark.exists() and mark.read_text() == wanted):
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        command = [uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)]
        subprocess.run(command, check=True)
        mark.write_text(wanted)
    return python


def versions_of(name: str, packages: tuple[str, ...]) -> dict[str, str]:
    code = "import sys, importlib.metadata as m; print(*[m.version(p) for p in sys.argv[1:]])"
    command = [str(python_of(name)), "-c", code, *packages]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(zip(packages, done.stdout.split(), strict=True))
