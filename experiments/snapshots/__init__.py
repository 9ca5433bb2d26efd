"""Snapshots: what a person hands over becomes a safe, sorted manifest of content-addressed files."""

from .archives import take_zip
from .intake import Ignored, Intake, Limits, Plan, Put, plan_files, take_files
from .layout import CorruptBlob, write_to
from .line_diff import line_changes, unified
from .manifest import Entry, Manifest, Node, refuse_beside, refuse_conflicts
from .names import clean_name
from .packing import zip_chunks
from .refusals import NameRefused, SnapshotRefused
from .scripts import guess_entry_script, guess_environment

__all__ = [
    "CorruptBlob",
    "Entry",
    "Ignored",
    "Intake",
    "Limits",
    "Manifest",
    "NameRefused",
    "Node",
    "Plan",
    "Put",
    "SnapshotRefused",
    "clean_name",
    "guess_entry_script",
    "guess_environment",
    "line_changes",
    "plan_files",
    "refuse_beside",
    "refuse_conflicts",
    "take_files",
    "take_zip",
    "unified",
    "write_to",
    "zip_chunks",
]
