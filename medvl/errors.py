"""Every error a user can meet. Each says what was asked, where, what is known, what to do.

The command line prints these without a Python traceback; anything else is a defect and shows one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class MedvlError(Exception):
    """Base of all errors that a user can mend; `str(error)` is the whole message."""


class UnknownName(MedvlError):
    """A component name that no loaded plugin registers."""


class PluginMissing(MedvlError):
    """A plugin that the experiment asks for and that is not installed, or is switched off."""


class PluginBroken(MedvlError):
    """A plugin (or the module behind one of its names) that raised; carries its own traceback."""


class PackageMissing(MedvlError):
    """An optional package that a component needs; the message names the extra to install."""


class DuplicateName(MedvlError):
    """One name that two plugins claim."""


class ConfigError(MedvlError):
    """One or more problems in an experiment, each with its place; found before any data is read."""

    def __init__(self, problems: str | Sequence[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        count = len(self.problems)
        head = "" if count == 1 else f"{count} problems:\n"
        super().__init__(head + "\n".join(self.problems))


class DataError(MedvlError):
    """A dataset, table or image that cannot be used as asked."""


class WeightsError(MedvlError):
    """Weights that cannot be found, read, or that do not fit the module."""


class CheckpointError(MedvlError):
    """A checkpoint that cannot be written or read."""


class TrainingDiverged(MedvlError):
    """Loss or weights are no longer finite."""


def nearest(word: str, known: Iterable[str]) -> str:
    """` did you mean 'x'?` for the closest of `known`, or nothing when none is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" did you mean '{close[0]}'?" if close else ""


def unknown(what: str, word: str, known: Iterable[str], of: str = "") -> str:
    """The shared wording for a name that is not one of `known`, e.g. `unknown parameter 'lrr' of optimizer 'adamw'`."""
    known = sorted(known)
    listed = ", ".join(known) if known else "none"
    owner = f" of {of}" if of else ""
    return f"unknown {what} '{word}'{owner}.{nearest(word, known)} known: {listed}"
