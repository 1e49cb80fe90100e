"""A board's models as CSV, Markdown, a table for the terminal, and JSON."""

import csv
import io
import math
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

Row = dict[str, Any]

# More than these nobody reads; the first are the checks' own, warnings before notes.
MOST_WARNINGS = 25


class Column(NamedTuple):
    """A column of a table: its head, how it shows a model's row, and what it means."""

    head: str
    show: Callable[[Row], str]
    about: str


def number(value: float | None, digits: int = 1) -> str:
    """A number with its thousands set apart, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def interval(row: Row, name: str, digits: int = 1) -> str:
    """`[low, high]` of a figure, or nothing where it has none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or high is None else f"[{low:,.{digits}f}, {high:,.{digits}f}]"


def _rate(row: Row) -> str:
    return number(row["win_rate"]) + (f" ± {row['standard_error']:.1f}" if row["standard_error"] is not None else "")


def _controlled(row: Row) -> str:
    error = row["lc_standard_error"]
    return number(row["lc_win_rate"]) + (f" ± {error:.1f}" if error is not None else "")


def _ranks(row: Row) -> str:
    best, worst = row["rank_best"], row["rank_worst"]
    return "–" if best is None else f"{best}" if best == worst else f"{best}–{worst}"


def _name(row: Row) -> str:
    return f"{row['model']} (baseline)" if row["is_baseline"] else str(row["model"])


MODEL = Column(
    "model", _name, "The model, the best first: by win rate against the baseline, by rating where there is none."
)
RATE = Column(
    "win rate %", _rate,
    "Share of prompts won, ties half, in percent, ± its standard error (sd / √n, as AlpacaEval).",
)  # fmt: skip
RATE_INTERVAL = Column("95 %", lambda row: interval(row, "win_rate"), "Its 95 % interval, over prompts.")
CONTROLLED = Column(
    "length-controlled %", _controlled,
    "The win rate if answers were as long as the baseline's (Dubois et al. 2024), ± its standard error.",
)  # fmt: skip
RATING = Column(
    "rating", lambda row: number(row["rating"], 0),
    "Bradley–Terry strength on Elo's scale, 1,000 on average; 400 points are a factor of ten in the odds.",
)  # fmt: skip
RATING_INTERVAL = Column(
    "95 %", lambda row: interval(row, "rating", 0), "Its 95 % interval: prompts drawn anew with all their votes."
)
RANK = Column("ranks", _ranks, "The ranks that the rating's differences leave open, at 95 %.")
GRADE = Column("grade", lambda row: number(row["grade"], 2), "Mean grade of single answers.")
GRADE_INTERVAL = Column("95 %", lambda row: interval(row, "grade", 2), "Its 95 % interval, Student's t over prompts.")
GRADED = Column("grades", lambda row: number(row["n_grades"], 0), "Grades given.")
UNGRADED = Column("failed", lambda row: number(row["n_failed_grades"], 0), "Grades that failed: never a grade.")
LENGTH = Column("length", lambda row: number(row["avg_length"], 0), "Mean characters of the answers.")
JUDGED = Column("judged", lambda row: number(row["n_total"], 0), "Pairs with a verdict.")
FAILED = Column(
    "failed", lambda row: number(row["n_failed_judgements"], 0),
    "Judgements without a verdict: never a score; what they could change stands under Ties and failures.",
)  # fmt: skip


def warnings(board: Row) -> list[str]:
    """The warnings that fit on a page, and how many more the JSON has."""
    more = len(board["warnings"]) - MOST_WARNINGS
    return [*board["warnings"][:MOST_WARNINGS], *([f"{more:,} more are in leaderboard.json"] if more > 0 else [])]


def columns(board: Row) -> list[Column]:
    """The columns that a board has something for."""
    rows = board["models"]
    groups = {
        "win_rate": [RATE, RATE_INTERVAL],
        "lc_win_rate": [CONTROLLED],
        "rating": [RATING, RATING_INTERVAL, RANK],
        "grade": [GRADE, GRADE_INTERVAL, GRADED, UNGRADED],
        "avg_length": [LENGTH],
    }
    chosen = [
        column for name, group in groups.items() if any(row[name] is not None for row in rows) for column in group
    ]
    has_pairs = any(row["n_total"] or row["n_failed"] for row in rows)
    return [MODEL, *chosen, *([JUDGED, FAILED] if has_pairs else [])]


def to_csv(board: Row) -> str:
    """Every figure of every model, one row a model, at full precision; empty where there is none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(board["models"][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(board["models"])
    return out.getvalue()


def to_json(board: Row) -> bytes:
    """The board as it is, at full precision; what is not a number is null."""
    return orjson.dumps(finite(board), option=orjson.OPT_INDENT_2) + b"\n"


def to_markdown(board: Row) -> str:
    """Title, lead, the table of models and the warnings."""
    shown = columns(board)
    head = [column.head for column in shown]
    rows = [[column.show(row) for column in shown] for row in board["models"]]
    lines = [_line(head), _line(["---", *["---:"] * (len(shown) - 1)]), *map(_line, rows)]
    notes = [f"- {_plain(warning)}" for warning in warnings(board)]
    parts = [f"# {_plain(board['title'])}", _plain(board["lead"]), "\n".join(lines), "\n".join(notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_text(board: Row) -> str:
    """The lead, the table of models and the warnings, for a terminal."""
    shown = columns(board)
    cells = [[column.show(row) for column in shown] for row in board["models"]]
    notes = "\n".join(f"note: {_visible(warning)}" for warning in warnings(board))
    table = aligned([column.head for column in shown], cells)
    return "\n\n".join(part for part in (_visible(board["lead"]), table, notes) if part)


def agreement_to_text(found: Row) -> str:
    """What `agreement.agreement` found, for a terminal: every two raters, all together, each against the people."""
    figures = ["raw", "tie_discounted", "cohen_kappa", "gwet_ac1"]
    figures += [name for name in ("cohen_kappa_linear", "cohen_kappa_quadratic") if name in found["pairs"][0]]
    rows = [
        [f"{row['a']} · {row['b']}", f"{row['n']:,}", *(_figure(row, name) for name in figures)]
        for row in found["pairs"]
    ]
    head = ["raters", "rows", *(name.replace("_", " ") for name in figures)]
    alpha = [name for name in found if name.startswith("krippendorff_alpha") and not name.endswith(("_low", "_high"))]
    everyone = [[name.replace("_", " "), _figure(found, name)] for name in ("fleiss_kappa", *alpha)]
    alone = [[row["label"], f"{row['n']:,}", _figure(row, "agreement")] for row in found["leave_one_out"]]
    parts = [
        f"{found['items']:,} items, {found['rows']:,} rows; in brackets 95 % intervals, items drawn anew",
        aligned(head, rows),
        aligned([f"all {len(found['labels'])} raters", "value"], everyone),
        aligned(["against the others' majority", "rows", "agreement"], alone),
    ]
    return "\n\n".join(parts)


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts under their heads, the first column to the left and the others to the right."""
    cells = [[_visible(cell) for cell in row] for row in (head, *rows)]
    widths = [max(_width(row[place]) for row in cells) for place in range(len(head))]
    lines = []
    for first, *others in cells:
        padded = [" " * (width - _width(cell)) + cell for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first + " " * (widths[0] - _width(first)), *padded]).rstrip())
    return "\n".join(lines)


def _figure(row: Row, name: str) -> str:
    return f"{number(row[name], 3)} {interval(row, name, 2)}".rstrip()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    escaped = "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in " ".join(text.split()))
    return escaped.replace("&", "&amp;")


def _visible(text: str) -> str:
    """A text without control characters: a name from a file must not steer the terminal."""
    return "".join(sign if unicodedata.category(sign)[0] != "C" else "�" for sign in " ".join(text.split()))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else unicodedata.combining(sign) == 0 for sign in text)


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value of a board with null where a number is not finite, which JSON has no word for."""
    if isinstance(value, dict):
        return {str(name): finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
