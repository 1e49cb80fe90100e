"""What `correlate` found, in words and tables: lines for a terminal, and the panel of a board."""

import json
from pathlib import Path
from typing import Any

from curate.errors import InputError

from . import figure9
from .markup import note, table

Row = dict[str, Any]

_NAMES = {"pearson": "Pearson", "spearman": "Spearman", "kendall": "Kendall"}
MEANING = "Below 0: the better a model predicts, the better it is judged. Above 0: the other way round, as in LIMA's Figure 9."


def to_text(found: Row) -> str:
    """The models, the correlations and the regret, as tables for a terminal."""
    notes = [f"note: {one}" for one in found["notes"]]
    return "\n\n".join(
        [
            head(found),
            _columns(*models(found)),
            _columns(*correlations(found)),
            MEANING + "\n" + regret(found),
            "\n".join(notes),
        ]
    ).rstrip()


def head(found: Row) -> str:
    """What was held against what, in one sentence."""
    # One row may be a total over many.
    prompts, documents = (f", {found[name]:,} {name}" if found[name] > 1 else "" for name in ("prompts", "documents"))
    name = figure9.quality_name(found)
    judged = "Quality" if name == "quality" else f"Judged quality ({name}{prompts})"
    return (
        f"{judged} against {figure9.against_name(found)}"
        f" ({documents.removeprefix(', ') or 'totals'}) of {len(found['models'])} models"
    )


def models(found: Row) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the models, in the order of their steps, else the best first."""
    rows = found["models"]
    has_steps, has_lengths = (any(row[name] is not None for row in rows) for name in ("step", "length"))
    order = sorted(rows, key=lambda row: row["step"]) if has_steps else sorted(rows, key=lambda row: -row["quality"])
    columns = [
        "model",
        *(["step"] if has_steps else []),
        figure9.quality_name(found),
        "",
        figure9.against_name(found),
        "",
    ]
    columns += [*(["characters"] if has_lengths else []), "chosen by"]
    regret = found["regret"]
    lines = []
    for row in order:
        marks = [word for word, key in (("judge", "best"), ("perplexity", "chosen")) if regret[key] == row["model"]]
        lines.append(
            [
                row["model"],
                *([f"{row['step']:,.0f}"] if has_steps else []),
                _quality(found, row["quality"]),
                _interval(row["quality_low"], row["quality_high"], found),
                f"{row['value']:.4f}",
                "" if row["value_low"] is None else f"[{row['value_low']:.4f}, {row['value_high']:.4f}]",
                *([f"{row['length']:,.0f}"] if has_lengths else []),
                ", ".join(marks),
            ]
        )
    return columns, lines


def correlations(found: Row) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the coefficients, and of the partial ones."""
    columns = ["correlation", "value", "documents and prompts anew", "p", "models anew"]
    lines = [
        [_NAMES[name], _signed(row["value"]), _signed_interval(row), _p(row["p"]), _signed_interval(row, "models_")]
        for name, row in found["coefficients"].items()
    ]
    lines += [
        [
            f"{_NAMES[row['kind']]} given {' and '.join(row['given'])}",
            _signed(row["value"]),
            _signed_interval(row),
            _p(row["p"]),
            "",
        ]
        for row in found["partial"]
    ]
    return columns, lines


def regret(found: Row) -> str:
    """What choosing by perplexity costs, in one or two sentences."""
    own = found["regret"]
    by = {row["model"]: row["quality"] for row in found["models"]}
    again = (
        ""
        if own["chosen_again"] is None
        else f" Other documents would choose it again in {own['chosen_again']:.0%} of draws."
    )
    if own["best"] == own["chosen"]:
        return f"Perplexity chooses {own['chosen']}, as the judge does.{again}"
    cost = _quality(found, own["value"]).replace(" %", " points")
    interval = _interval(own["low"], own["high"], found)
    return (
        f"Perplexity chooses {own['chosen']} ({_quality(found, by[own['chosen']])}), the judge {own['best']}"
        f" ({_quality(found, by[own['best']])}): choosing by perplexity costs {cost} {interval}".rstrip()
        + f".{again}"
    )


def panel(found: Row) -> str:
    """The panel of a board's page: what choosing by perplexity costs, the pictures, correlations, models."""
    drawn = (figure9.over_steps(found), figure9.against(found))
    pictures = "".join(f"<div>{one}</div>" for one in drawn if one)
    return (
        f"{note(regret(found))}<div class=charts>{pictures}</div>{table(*correlations(found))}{note(MEANING)}"
        f"{table(*models(found))}"
    )


def read(path: Path) -> Row:
    """What `correlate --json` or `--out` wrote. Raises InputError where it is something else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected the correlation.json of correlate --out"
        ) from error
    if not isinstance(found, dict) or not {"models", "coefficients", "regret", "against"} <= found.keys():
        raise InputError(f"{path}: is no correlation; expected the correlation.json of correlate --out")
    return found


def _quality(found: Row, value: float) -> str:
    return f"{100 * value:.1f} %" if found["quality"] == "win rate" else f"{value:.3f}"


def _interval(low: float | None, high: float | None, found: Row) -> str:
    if low is None or high is None:
        return ""
    return f"[{100 * low:.1f}, {100 * high:.1f}]" if found["quality"] == "win rate" else f"[{low:.3f}, {high:.3f}]"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _signed_interval(row: Row, lead: str = "") -> str:
    low, high = row[f"{lead}low"], row[f"{lead}high"]
    return "" if low is None or high is None else f"[{low:+.3f}, {high:+.3f}]"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"


def _columns(names: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (names, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)
