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
    before, now = dict(previous.packages), dict(lock.packages)
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            lines.append(f"{name} {now[name]} added")
        elif name not in now:
            lines.append(f"{name} {before[name]} removed")
        elif before[name] != now[name]:
            lines.append(f"{name} {before[name]} → {now[name]}")
    return lines
