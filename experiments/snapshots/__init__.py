"""Snapshots: what a person hands over becomes a safe, sorted manifest of content-addressed files."""

from .archives import take_zip
from .intake import Ignored, Intake, Limits, Put, take_files
from .layout import CorruptBlob, write_to
from .manifest import Entry, Manifest, Node
from .names import clean_name
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
    "Put",
    "SnapshotRefused",
    "clean_name",
    "guess_entry_script",
    "guess_environment",
    "take_files",
    "take_zip",
    "write_to",
]
