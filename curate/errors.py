"""What can go wrong for a user, as a tree.

    CurateError            one line for the user; anything else that escapes is our bug and prints a traceback
    ├── ConfigError        the recipe or a setting is wrong                          exit code 2
    ├── InputError         a source file is missing, truncated or not what it claims  exit code 3
    ├── RunError           a run folder is missing, locked, of another version or cannot be written   exit code 3
    ├── GatesError         a build does not hold what its recipe expects of it       exit code 1
    └── BalanceError       inputs do not equal kept + dropped: a defect of a stage; nothing is published   exit code 1

Every message says what was found, where, what was expected and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CurateError(Exception):
    """Base of every error that is shown as one line."""

    exit_code = 1


class ConfigError(CurateError):
    """A recipe, a setting or a command-line value is wrong."""

    exit_code = 2


class InputError(CurateError):
    """A source file is missing, truncated, or not in the form it was said to be in."""

    exit_code = 3


class RunError(CurateError):
    """A run folder is missing, in use by another build, or cannot be written."""

    exit_code = 3


class GatesError(CurateError):
    """The figures of a build are not what its recipe expects; everything was written all the same."""


class BalanceError(CurateError):
    """Rows in do not equal rows kept plus rows dropped."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as `Did you mean 'max_chars'?`, or the known words where none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(words)}."
