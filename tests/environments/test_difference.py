"""What changed between two locks."""

from experiments.environments import Lock, explain


def lock(*packages: tuple[str, str], python: str = "3.6.15", platform: str = "linux-x86_64") -> Lock:
    return Lock("".join(f"{name}=={version}\n" for name, version in packages), packages, python, platform)


def test_python_comes_first_then_packages_by_name() -> None:
    before = lock(("numpy", "1.19.1"), ("scipy", "1.5.2"), ("six", "1.15.0"))
    now = lock(("joblib", "0.16.0"), ("numpy", "1.19.5"), ("six", "1.15.0"), python="3.7.16")
    assert explain(before, now) == [
        "Python 3.6.15 → 3.7.16",
        "joblib 0.16.0 added",
        "numpy 1.19.1 → 1.19.5",
        "scipy 1.5.2 removed",
    ]


def test_the_same_lock_has_no_difference_and_the_first_one_says_so() -> None:
    assert explain(lock(("six", "1.15.0")), lock(("six", "1.15.0"))) == []
    assert explain(None, lock()) == ["this environment has not been built before"]


def test_another_platform_and_other_indexes_are_said() -> None:
    assert explain(lock(), lock(platform="linux-aarch64")) == ["platform linux-x86_64 → linux-aarch64"]
    assert explain(lock(), Lock("", (), "3.6.15", "linux-x86_64", ("--index-url=x",))) == [
        "the package indexes changed"
    ]
