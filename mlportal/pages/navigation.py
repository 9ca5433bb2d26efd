"""The entries of the side bar, and which of them a page belongs to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """`pages` are the URL names that light it up; `key` follows `g` on the keyboard."""

    page: str
    label: str
    icon: str
    key: str
    pages: frozenset[str] = frozenset()

    def is_here(self, url_name: str | None) -> bool:
        return url_name == self.page or url_name in self.pages


TRASH = ("trash", "trash-ask", "rules", "rule", "rule-new")
ENTRIES = (
    Entry("overview", "Overview", "layout-dashboard", "o"),
    Entry("experiments", "Experiments", "flask", "e", frozenset({"experiment", "run", "compare", "runs", *TRASH})),
    Entry("data", "Data", "database", "a", frozenset({"data-files", "dataset", "dataset-version"})),
    Entry("environments", "Environments", "package", "v", frozenset({"environment", "environment-new"})),
    Entry("models", "Models", "box", "m", frozenset({"model", "model-version", "model-new"})),
    Entry("deployments", "Deployments", "rocket", "d", frozenset({"deployment"})),
    Entry("compute", "Compute", "cpu", "c", frozenset({"compute-new", "compute-target"})),
    Entry("members", "Members", "users", "u"),
)
