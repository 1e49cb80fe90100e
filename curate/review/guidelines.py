"""What reviewers agree on before they decide: RUN/guidelines.md, Markdown that every page of a review can show."""

from pathlib import Path

from curate import runs
from curate.errors import InputError, RunError

# In our own words. What a good example is: LIMA (Zhou et al. 2023), sections 2 and 2.1, on prompts that differ and answers of
# one helpful voice; which answers to refuse: what AlpaGasus (Chen et al. 2023) asks its grader for, accuracy before all.
DEFAULT = """\
# Guidelines

We choose a small set from which a model learns **how to answer**. One bad example teaches its fault; a good one that we have
ten times teaches nothing new. When in doubt, reject; when you do not know the subject, flag.

## Keep

- The prompt is one that a person might really ask, and it can be understood without anything that is not shown.
- The answer does what was asked, all of it, and it is correct as far as you can check in a few minutes.
- It speaks to the reader, calmly and in one voice: it says what it is about first, then explains, and stops.
- It is as long as the question needs. Steps are steps, code is code, and neither decorates.

## Edit

- One thing is wrong with an example that is good otherwise: a greeting, a signature, “see my answer below”, a broken list.
- Change as little as makes it right. Do not write a new answer: reject it then.

## Reject

1. **wrong or misleading**: it says what is not so, or leaves out what makes it dangerous to follow.
2. **incomplete**: it breaks off, or answers a part only.
3. **not self-contained**: it needs a picture, a link, an earlier post, or who wrote it.
4. **style or tone**: sarcasm, quarrel, boasting, “I” where nobody asked about a person.
5. **off topic or low value**: it does not answer, or nobody would miss it.
6. **duplicate**: the set has this question already, in other words perhaps; keep the better one.
7. **unsafe or personal data**: it harms, or names and addresses someone.
8. **formatting broken**: markup, tables or code that can no longer be read.
9. **other**: say which in an edit of this page, so that the others know.

## The same for everyone

- Judge the text, not its source or its votes. Do not search for who wrote it.
- Some examples come back without a mark, to see how steady we are. That is not a test of you.
"""


def read(run: Path) -> str:
    """The guidelines of a run, DEFAULT where nobody has written any. Raises RunError where the file cannot be read."""
    path = run / "guidelines.md"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return DEFAULT
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); expected a text in UTF-8: repair or remove it") from error


def write(run: Path, text: str, was: str) -> None:
    """Put `text` in place of `was`, the whole file or nothing of it; no text at all brings DEFAULT back.

    Raises InputError where the file is not `was` any more: someone else has written it since.
    """
    if read(run) != was:
        raise InputError(
            f"{run / 'guidelines.md'}: someone has changed it since you opened it; nothing was written: reload"
        )
    if text.strip():
        runs.write_text(run / "guidelines.md", text.rstrip() + "\n")
    else:
        (run / "guidelines.md").unlink(missing_ok=True)
