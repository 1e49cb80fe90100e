"""The sections of a board's page about its judges: controls, what sways them, agreement, what survives them."""

from collections.abc import Sequence
from typing import Any

from . import tables
from .markup import ends, note, share, table

Row = dict[str, Any]


def calibration(board: Row) -> str:
    """Each judge's win rates beside those of the controls, and how far it says what they say."""
    rows = board["panel"]["by_judge"]
    if not rows:
        return ""
    judges = sorted({row["judge"] for row in rows}, key=lambda name: (name in board["controls"], name))
    cells = {(row["judge"], row["model"]): row for row in rows}
    models = [row["model"] for row in board["models"] if any((judge, row["model"]) in cells for judge in judges)]
    lines = [[judge, *(_rate(cells.get((judge, model))) for model in models)] for judge in judges]
    text = (
        "Win rate in percent by each judge, and by controls on the same pairs: a coin, the place shown first, more characters."
        " A judge near a control measures what the control does."
    )
    alike = [
        [row["judge"], row["control"], f"{row['n']:,}", share(row["tie_discounted"]), ends(row, "tie_discounted")]
        for row in board["panel"]["calibration"]
    ]
    agreed = table(["judge", "control", "pairs", "tie-discounted agreement", "95 %"], alike, words=2)
    return note(text) + table(["judge", *models], lines) + agreed


def _rate(row: Row | None) -> str:
    return "–" if row is None else tables.number(row["win_rate"])


def judges(rows: Sequence[Row]) -> str:
    """What place and length do to each judge, and what it cost."""
    head = ["judge", "judgements", "failed", "chose the first place", "95 %", "in both orders", "changed its mind", "95 %",
            "chose the longer", "95 %", "cost"]  # fmt: skip
    lines = [
        [row["judge"], f"{row['judgements']:,}", f"{row['failed']:,}", share(row["first"]), ends(row, "first"),
         tables.number(row["both_orders"], 0), share(row["flip_rate"]), ends(row, "flip"), share(row["longer"]), ends(row, "longer"),
         tables.number(row["cost"], 2)]
        for row in rows
    ]  # fmt: skip
    text = (
        "Half of a judge's choices fall on the first place if order does not sway it and orders are balanced. The longer answer may"
        " be the better one: compare judges on the same pairs."
    )
    return note(text) + table(head, lines) if lines else ""


def agreement(found: Row | None) -> str:
    """How far every two judges agree, and all of them."""
    if found is None:
        return ""
    figures = ("raw", "tie_discounted", "cohen_kappa", "gwet_ac1")
    lines = [
        [row["a"], row["b"], f"{row['n']:,}", *(f"{tables.number(row[name], 2)} {ends(row, name, 2)}".strip() for name in figures)]
        for row in found["pairs"]
        if row["n"]
    ]  # fmt: skip
    text = "Tie-discounted: 1 where two say the same, ½ where one of them says tie (LIMA). Verdicts of both orders count as one."
    alpha, kappa = found["krippendorff_alpha"], found["fleiss_kappa"]
    text += f" Krippendorff's α {tables.number(alpha, 3)}, Fleiss's κ {tables.number(kappa, 3)} over {found['fleiss_rows']:,} pairs."
    return note(text) + table(
        ["judge", "judge", "pairs", "raw", "tie-discounted", "Cohen's κ", "Gwet's AC1"], lines, words=2
    )


def conclusions(about: Row) -> str:
    """How alike the judges order the models, and which conclusions hold by each of them."""
    if not about["order"]:
        return ""
    order = [
        [row["judge_a"], row["judge_b"], f"{row['models']:,}", tables.number(row["kendall_tau"], 2),
         tables.interval({"t_low": row["low"], "t_high": row["high"]}, "t", 2)]
        for row in about["order"]
    ]  # fmt: skip
    rows = [row for row in about["conclusions"] if row["judges"] > 1]
    lines = [
        [row["better"], row["worse"], f"{row['judges']}", f"{row['confirmed']}", f"{row['contradicted']}", _held(row)]
        for row in rows
    ]
    agreed = sum(row["confirmed"] == row["judges"] for row in rows)
    contradicted = sum(row["contradicted"] > 0 for row in rows)
    text = (
        f"Conclusions on which several judges can speak: {len(rows):,}; confirmed by each of them, at 95 % by its own ratings: {agreed:,};"
        f" contradicted by one of them: {contradicted:,}. The first table says how alike two judges order the models."
    )
    first = table(["judge", "judge", "models", "Kendall's τ", "95 %"], order, words=2)
    return note(text) + first + table(["better", "worse", "judges", "confirm", "contradict", "holds"], lines, words=2)


def _held(row: Row) -> str:
    if row["contradicted"]:
        return "no"
    return "yes" if row["confirmed"] == row["judges"] else "open"
