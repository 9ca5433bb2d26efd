"""How a run's process ended, in words."""

import signal

from experiments.models import Run

MEANINGS = {
    "SIGKILL": "killed at once, by the system when memory ran out, or by somebody",
    "SIGTERM": "asked to end",
    "SIGSEGV": "it touched memory that is not its own, mostly a fault of a compiled package",
    "SIGABRT": "it gave up by itself, mostly a fault of a compiled package",
    "SIGBUS": "it touched memory that is not there",
    "SIGFPE": "a forbidden calculation, such as a division by zero in compiled code",
    "SIGILL": "an instruction that this processor does not have",
    "SIGXFSZ": "a file grew over its limit",
    "SIGXCPU": "it used up its processor time",
}


def ending_in_words(run: Run) -> str:
    """ "Exit code 1", or "Ended by signal 9 (SIGKILL: …)"; empty when no process of it has ended."""
    if run.exit_signal:
        name = _name_of(run.exit_signal)
        meaning = MEANINGS.get(name)
        return f"Ended by signal {run.exit_signal} ({name}{f': {meaning}' if meaning else ''})"
    return "" if run.exit_code is None else f"Exit code {run.exit_code}"


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
