"""Tables that people hand over, CSV or Parquet, read in a process with limits. Nothing of ours and of Django's."""

from models_registry.tables.kinds import arrays_of, plain
from models_registry.tables.opening import Limits, Read, TableRefused, read_table

__all__ = ["Limits", "Read", "TableRefused", "arrays_of", "plain", "read_table"]
