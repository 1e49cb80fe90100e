"""Which form the rows of a file have, and how sure that is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from curate.errors import InputError, did_you_mean
from curate.files import Numbered, Unreadable
from curate.sources.instructions import forms, oasst, tasks
from curate.sources.instructions.forms import Form, Options
from curate.turns import Reading

LOOKED_AT = 200


class Found(NamedTuple):
    """The form of a file, how many rows were looked at, how many of them could be read in it, and why the first could not."""

    form: Form
    rows: int
    covered: int
    remark: str


def known_forms(templates: Path | None = None) -> tuple[Form, ...]:
    """All forms in the order in which they are tried: what is special before what it could be mistaken for."""
    tables = tasks.table_forms(templates or tasks.TEMPLATES)
    return (*oasst.FORMS, tasks.NATURAL, *forms.SPECIAL, *forms.PLAIN, *tables, *forms.LOOSE)


def recognise(
    where: str, head: Sequence[Numbered], known: Sequence[Form], options: Options, name: str | None = None
) -> Found:
    """The form that most of the first rows fit (of equals the first; loose forms last), or the one called `name`.

    Raises InputError where none fits any row, with the columns found and the nearest forms; where fewer than half of
    the rows fit one form; and where not one row fits the form called `name`.
    """
    form = _named(name, where, head, known) if name else _best(where, head, known)
    said: dict[int, list[Reading]] = {}
    for number, reading in form.read(lambda: iter(head), options):
        said.setdefault(number, []).append(reading)
    bad = [(n, parts[0].columns["detail"]) for n, parts in said.items() if all(p.rule == "unreadable" for p in parts)]
    remark = f"{len(bad)} of {len(head)} rows cannot be read; row {bad[0][0]}: {bad[0][1]}" if bad else ""
    return Found(form, len(head), len(head) - len(bad), remark)


def columns_of(head: Sequence[Numbered]) -> list[str]:
    """The columns of these rows, in the order in which they turn up."""
    return list(dict.fromkeys(name for _, row in head if not isinstance(row, Unreadable) for name in row))


def _best(where: str, head: Sequence[Numbered], known: Sequence[Form]) -> Form:
    fits = Counter({form.name: _fitting(form, head) for form in known})
    n_read = sum(not isinstance(row, Unreadable) for _, row in head)
    # A loose form (input, output) also fits broken rows of a strict one (alpaca without its instruction), so the most
    # rows is not the best sign: it is asked only where no strict form fits half of them.
    strict = [form for form in known if form not in forms.LOOSE]
    best = max(strict, key=lambda form: fits[form.name])
    if fits[best.name] * 2 < n_read or not fits[best.name]:
        best = max(known, key=lambda form: fits[form.name])
    if not fits[best.name]:
        raise InputError(f"{where}: {_nothing_fits(head, known)}")
    if fits[best.name] * 2 < n_read:
        shares = ", ".join(f"{n} {name}" for name, n in fits.most_common(3) if n)
        raise InputError(
            f"{where}: a mixture: of its first {n_read} readable rows fewer than half fit one form ({shares})."
            f" Split the file, or name the form (form: {best.name}): the other rows then count as unreadable"
        )
    return best


def _named(name: str, where: str, head: Sequence[Numbered], known: Sequence[Form]) -> Form:
    form = next((form for form in known if form.name == name), None)
    if form is None:
        raise InputError(f"form '{name}' is not known. {did_you_mean(name, [form.name for form in known])}")
    if not _fitting(form, head):
        raise InputError(
            f"{where}: not one of its first {len(head)} rows fits form '{name}', which needs {form.expects()}."
            f" Columns found: {', '.join(columns_of(head))}"
        )
    return form


def _fitting(form: Form, head: Sequence[Numbered]) -> int:
    return sum(not isinstance(row, Unreadable) and form.fits(row) for _, row in head)


def _nothing_fits(head: Sequence[Numbered], known: Sequence[Form]) -> str:
    columns = columns_of(head)
    if not columns:
        number, row = head[0]
        why = row.reason if isinstance(row, Unreadable) else "it has no columns"
        return f"none of its first {len(head)} rows can be read; row {number}: {why}"
    # Where as much is missing, the forms that people use most come first.
    usual = dict.fromkeys([*forms.PLAIN, *forms.LOOSE, *known])
    near = sorted(usual, key=lambda form: len(form.missing(columns)) / len(form.needs))[:3]
    needs = "; ".join(f"{form.name} needs {form.expects()}" for form in near)
    return (
        f"its rows fit no known form. Columns found: {', '.join(columns)}. Nearest forms: {needs}."
        " Say in the recipe which columns to take, as columns: {prompt: ONE OF THEM, response: ANOTHER}"
    )
