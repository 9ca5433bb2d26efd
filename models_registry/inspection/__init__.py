"""Reads what a model file imports, without unpickling it."""

from models_registry.inspection.inspector import Format, Import, Inspection, inspect_model
from models_registry.inspection.verdicts import Verdict

__all__ = ["Format", "Import", "Inspection", "Verdict", "inspect_model"]
