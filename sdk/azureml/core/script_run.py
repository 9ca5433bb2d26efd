"""`azureml.core.script_run`: the run of a script. All runs of the portal are."""

from azureml.core.run import Run as ScriptRun

__all__ = ["ScriptRun"]
