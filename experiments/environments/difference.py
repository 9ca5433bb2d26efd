"""What changed between two locks, in words for the page that explains why an environment is built anew."""

from experiments.environments.lock import Lock


def explain(previous: Lock | None, lock: Lock) -> list[str]:
    """One line per change, Python first, then packages by name; empty if both make the same environment."""
    if previous is None:
        return ["this environment has not been built before"]
    lines = []
    if previous.python_version != lock.python_version:
        lines.append(f"Python {previous.python_version} → {lock.python_version}")
    if previous.platform != lock.platform:
        lines.append(f"platform {previous.platform} → {lock.platform}")
    if previous.index_options != lock.index_options:
        lines.append("the package indexes changed")
    for name, old, new in package_changes(previous, lock):
        if old is None:
            lines.append(f"{name} {new} added")
        elif new is None:
            lines.append(f"{name} {old} removed")
        else:
            lines.append(f"{name} {old} → {new}")
    return lines


def package_changes(before: Lock, after: Lock) -> list[tuple[str, str | None, str | None]]:
    """(name, version before, version after) of each package that differs, by name; None where it is not there."""
    old, new = dict(before.packages), dict(after.packages)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [(name, old.get(name), new.get(name)) for name in names]
