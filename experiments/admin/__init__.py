"""Everything up to a finished run in Django admin."""

from experiments.admin import logged_models, records

__all__ = ["logged_models", "records"]  # importing them registers
