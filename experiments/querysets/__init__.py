from experiments.querysets.builds import BuildQuerySet
from experiments.querysets.runs import RunQuerySet

__all__ = ["BuildQuerySet", "RunQuerySet"]
