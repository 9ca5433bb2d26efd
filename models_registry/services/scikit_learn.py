"""Environments of a past scikit-learn: a model of 0.19 loads in 0.19, among the numpy and scipy of its time."""

import re

# minor: (a Python that has wheels of it, a day after its last patch and before its successors' dependencies)
PERIODS = {
    "0.19": ("3.6", "2018-08-15"),
    "0.20": ("3.6", "2019-09-01"),
    "0.21": ("3.6", "2019-10-01"),
    "0.22": ("3.7", "2020-04-15"),
    "0.23": ("3.7", "2020-11-01"),
    "0.24": ("3.8", "2021-07-01"),
    "1.0": ("3.8", "2022-03-01"),
    "1.1": ("3.9", "2022-11-15"),
    "1.2": ("3.9", "2023-05-01"),
    "1.3": ("3.10", "2023-12-01"),
    "1.4": ("3.10", "2024-04-30"),
    "1.5": ("3.11", "2024-11-01"),
    "1.6": ("3.11", "2025-04-01"),
    "1.7": ("3.11", "2025-10-01"),
}
WITH_SETUPTOOLS = ("0.21",)  # the joblib of that time imports pkg_resources without asking for it
WITHOUT_PANDAS = ("0.19",)  # the metadata of pandas' wheels of that time is not valid today


def definition_of(version: str) -> str:
    """A conda YAML with this scikit-learn, such as 0.19.1 or 1.2; "" for one whose time is not known."""
    found = re.fullmatch(r"(\d+\.\d+)(\.\d+(?:\.post\d+)?)?", version)
    if found is None or found[1] not in PERIODS:
        return ""
    python, as_of = PERIODS[found[1]]
    pin = version if found[2] else f"{version}.*"
    others = ["numpy", "scipy", "joblib", *([] if found[1] in WITHOUT_PANDAS else ["pandas"])]
    others += ["setuptools"] if found[1] in WITH_SETUPTOOLS else []
    lines = [f"# as-of: {as_of}", "dependencies:", f"- python={python}", "- pip:"]
    return "\n".join([*lines, *(f"  - {line}" for line in (f"scikit-learn=={pin}", *others)), ""])
