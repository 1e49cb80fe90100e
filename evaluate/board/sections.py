"""The sections of a board's page: tables and charts of its figures, each with what it means."""

from collections.abc import Sequence
from html import escape
from typing import Any

from curate import charts

from . import correlated, judge_sections, side_by_side, tables
from .markup import note, table

Row = dict[str, Any]

# What the tests compare (`leaderboard.board`), in words.
_COMPARED = {
    "win rate": "on the prompts that they share, the difference of their win rates in percentage points,",
    "share won": "on the prompts where they met, how far the share won by the better lies above 50 %, in percentage points,",
    "grade": "on the prompts that they share, the difference of their mean grades",
}
# A chart stays readable up to here; the tables have all.
CHARTED = 40
# Of more models than this, a page has the tests of neighbours on the board; the JSON has all.
ALL_TESTED = 7


def sections(board: Row) -> list[tuple[str, str]]:
    """Heads and contents, of those that the board has something for."""
    about = board["panel"]
    parts = [
        ("Models", _models(board) + _charts(board)),
        ("Ties and failures", _ties(board)),
        ("Other ratings of the same votes", _other_ratings(board)),
        ("By category", _categories(board)),
        ("Is the difference real?", _tests(board)),
        ("What judges that know nothing would say", judge_sections.calibration(board)),
        ("What sways the judges", judge_sections.judges(about["judges"])),
        ("How far the judges agree", judge_sections.agreement(about["agreement"])),
        ("Does the ranking depend on the judge?", judge_sections.conclusions(about)),
        ("Grades of single answers", _grades(board["grades"])),
        ("Does perplexity tell quality?", correlated.panel(board["correlation"]) if board.get("correlation") else ""),
    ]
    return [(title, content) for title, content in parts if content]


def _models(board: Row) -> str:
    columns = tables.columns(board)
    meaning = "".join(f"<dt>{escape(column.head)}<dd>{escape(column.about)}" for column in columns)
    shown = table(
        [column.head for column in columns], [[column.show(row) for column in columns] for row in board["models"]]
    )
    compat = ""
    if board["compat"]:
        compat = note(
            "Length control as AlpacaEval publishes it: difficulties by the number of the row, and as its error the spread of"
            " the fitted rates, which leaves out the error of the fit. The chart has intervals from drawing prompts anew."
        )
    return f"{shown}{compat}<details><summary>What the columns mean</summary><dl>{meaning}</dl></details>"


def _charts(board: Row) -> str:
    kinds = (("Win rate, %", "win_rate", "win_rate", 50.0), ("Length-controlled win rate, %", "lc_win_rate", "lc", 50.0),
             ("Rating", "rating", "rating", None), ("Grade", "grade", "grade", None))  # fmt: skip
    drawn = []
    for title, name, ends, reference in kinds:
        rows = [row for row in board["models"] if row[name] is not None][:CHARTED]
        points = [
            charts.Interval(side_by_side.shorten(row["model"], 28), row[name], row[f"{ends}_low"], row[f"{ends}_high"])
            for row in rows
        ]
        if len(points) > 1:
            drawn.append(charts.intervals(title, points, "with its 95 % interval over prompts", reference))
    return f"<div class=charts>{''.join(f'<div>{one}</div>' for one in drawn)}</div>" if drawn else ""


def _ties(board: Row) -> str:
    rows = [row for row in board["models"] if row["n_total"] or row["n_failed"]]
    head = [
        "model",
        "won",
        "tied",
        "lost",
        "ties ½ %",
        "ties dropped %",
        "ties lost %",
        "failed",
        "if failed were lost %",
        "if won %",
    ]
    counts = ("n_wins", "n_draws", "n_losses")
    rates = ("win_rate", "win_rate_ties_dropped", "win_rate_ties_lost")
    lines = [
        [row["model"], *(f"{row[name]:,}" for name in counts), *(tables.number(row[name]) for name in rates),
         f"{row['n_failed_judgements']:,}", tables.number(row["worst_case"]), tables.number(row["best_case"])]
        for row in rows
    ]  # fmt: skip
    text = (
        "A judgement that failed is never a score. The last two columns bound what the failed ones could change: all of them"
        " lost, all of them won."
    )
    return note(text) + table(head, lines) if lines else ""


def _other_ratings(board: Row) -> str:
    rows = [row for row in board["models"] if row["rating"] is not None]
    head = ["model", "Bradley–Terry", "Davidson (ties)", "at equal style", "Elo in order", "mean win rate %", "votes"]
    names = (("rating", 0), ("rating_ties", 0), ("rating_style", 0), ("elo", 0), ("mean_win_rate", 1), ("votes", 0))
    lines = [[row["model"], *(tables.number(row[name], digits) for name, digits in names)] for row in rows]
    effects = ", ".join(f"{row['feature']} {row['coefficient']:+.2f}" for row in board["style"])
    text = "Elo depends on the order of the votes, and the mean win rate on who met whom; the others do not."
    if effects:
        text += f" Style in log odds for a typical difference: {effects}."
    return note(text) + table(head, lines) if lines else ""


def _categories(board: Row) -> str:
    rows = board["categories"]
    if not rows:
        return ""
    names = list(dict.fromkeys(row["category"] for row in rows))
    cells = {(row["model"], row["category"]): row for row in rows}
    models = [row["model"] for row in board["models"] if any((row["model"], name) in cells for name in names)]
    sizes = {name: max(row["n_total"] for row in rows if row["category"] == name) for name in names}
    lines = [[model, *(_cell(cells.get((model, name))) for name in names)] for model in models]
    head = ["model", *(f"{name} ({sizes[name]:,})" for name in names)]
    return note("Win rate in percent with its 95 % interval over prompts; in brackets the pairs of a model.") + table(
        head, lines
    )


def _cell(row: Row | None) -> str:
    if row is None or row["win_rate"] is None:
        return "–"
    return f"{row['win_rate']:.1f} {tables.interval(row, 'win_rate', 0)}".rstrip()


def _tests(board: Row) -> str:
    rows = board["tests"]
    if not rows:
        return ""
    place = {row["model"]: row["place"] for row in board["models"]}
    ordered = sorted(
        (_better_first(row, place) for row in rows), key=lambda row: (place[row["model_a"]], place[row["model_b"]])
    )
    text = "Every two models: "
    if len(board["models"]) > ALL_TESTED:
        ordered = [row for row in ordered if place[row["model_b"]] - place[row["model_a"]] == 1]
        text = "Neighbours on the board (leaderboard.json has every two): "
    text += _COMPARED[board["compared"]]
    text += " with its 95 % interval; p after Holm's correction for all of them. Told apart: the interval leaves out 0, and p"
    text += " is below 0.05."
    if board["detectable"] is not None:
        text += f" A typical pair here must differ by {board['detectable']:.1f} to be told apart four times in five."
    head = ["better", "worse", "difference", "95 %", "prompts", "better on", "worse on", "p (Holm)", "told apart"]
    lines = [
        [row["model_a"], row["model_b"], f"{row['difference']:+.1f}", tables.interval({"d_low": row["low"], "d_high": row["high"]}, "d"),
         f"{row['prompts']:,}", f"{row['a_better']:,}", f"{row['b_better']:,}", _p(row["p_holm"]),
         _seen(row)]
        for row in ordered
    ]  # fmt: skip
    return note(text) + table(head, lines, words=2)


def _better_first(row: Row, place: dict[str, int]) -> Row:
    if place[row["model_a"]] < place[row["model_b"]]:
        return row
    low, high = row["low"], row["high"]
    return {
        **row,
        "model_a": row["model_b"],
        "model_b": row["model_a"],
        "a_better": row["b_better"],
        "b_better": row["a_better"],
        "difference": -row["difference"],
        "low": None if high is None else -high,
        "high": None if low is None else -low,
    }


def _seen(row: Row) -> str:
    low, high = row["low"], row["high"]
    return "yes" if row["p_holm"] < 0.05 and low is not None and (low > 0 or high < 0) else "no"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _grades(rows: Sequence[Row]) -> str:
    lines = [
        [row["model"], row["judge"], row["scale"], tables.number(row["mean"], 2),
         tables.interval({"g_low": row["low"], "g_high": row["high"]}, "g", 2), f"{row['grades']:,}", f"{row['prompts']:,}",
         f"{row['failed']:,}", tables.number(row["mean_worst"], 2), tables.number(row["mean_best"], 2), tables.number(row["within"], 2)]
        for row in rows
    ]  # fmt: skip
    head = ["model", "judge", "scale", "mean", "95 %", "grades", "prompts", "failed", "if failed were lowest", "if highest",
            "sd within a prompt"]  # fmt: skip
    return (
        note("Means over all grades; two-sided 95 % intervals, Student's t over prompts.") + table(head, lines, words=3)
        if lines
        else ""
    )
