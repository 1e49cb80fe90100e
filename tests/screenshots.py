"""`python -m tests.screenshots OUT [PAGE …]`: photograph the pages of the review app for the documentation, light and dark.

Builds the sample, lets two reviewers work on it as a review does, makes a blind plan of two files of answers with some votes,
serves the app and writes OUT/<page>-light.png and OUT/<page>-dark.png, and the review card on a telephone. Look at what it
wrote before committing it: nothing here says whether a page is beautiful.
"""

import io
import os
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import orjson
import polars as pl
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from curate import recipe as recipes
from curate.build import build
from curate.desk import adjudication, bulk
from curate.desk.model import Desk, cluster, open_desk, texts
from curate.review import log, saved
from curate.review.reasons import NAMES
from curate.review.store import opened, transaction
from evaluate import blinding, people
from evaluate.__main__ import main as evaluate
from tests.ui.server import App

# What each page is opened with, beside the reviewer.
PAGES = {
    "review": "queue=near_threshold",
    "plain": "queue=audit",
    "pairwise": "",
    "adjudicate": "",
    "browse": "words=water",
    "map": "topic=1",
    "coverage": "",
    "dropped": "rule=refers_to_others",
    "duplicates": "found=meaning",
    "contamination": "",
    "progress": "",
    "reports": "",
    "setup": "",
}
COLORS, PATIENCE = 128, 90_000
ANNA, BEN = "anna", "ben"


# --- a run that two people have worked on -----------------------------------------------------------------------------


def reviewed(folder: Path) -> Path:
    """The sample run with a log: keeps, rejects with reasons, edits, flags, skips, hidden repeats, disagreements, a bulk act."""
    run = folder / "runs" / "sample"
    build(recipes.load("sample"), run)
    desk, draw = open_desk(run), random.Random(7)
    rows = desk.candidates.sample(fraction=1, shuffle=True, seed=7)["row"].to_list()
    alone = [row for row in rows if len(cluster(desk, row)) == 1]
    first, second, last = alone[:74], alone[6:34], alone[74:98]
    with opened(run / "decisions.sqlite") as journal:
        days = datetime.now(UTC).replace(hour=9, minute=5, second=0, microsecond=0) - timedelta(days=3)
        _decide_before(journal, desk, alone[100], days)
        _decide(journal, desk, ANNA, first, draw, days, hours=24)
        _decide(journal, desk, BEN, second, draw, days + timedelta(hours=25), differs=0.2)
        # What comes again unsaid.
        _decide(
            journal,
            desk,
            ANNA,
            [*first[:7], *first[8:12]],
            draw,
            days + timedelta(hours=49),
            role="repeat",
            differs=0.1,
        )
        _decide(journal, desk, ANNA, last, draw, days + timedelta(hours=50))
        duplicates = desk.candidates.filter(pl.col("fate") == "duplicate")["row"].to_list()
        bulk.decide(journal, desk, BEN, "bulk", "1", duplicates[:6], "reject", (NAMES[6],))
        case = adjudication.open_cases(desk, journal)[-1]
        example = desk.candidates["id"][case.row]
        adjudication.settle(journal, ANNA, "settle", "1", case.content, example, "keep")
        plants = desk.candidates.filter(pl.col("title").str.contains("(?i)plant|rose|tomato"))
        saved.save(journal, "garden", plants["content"].to_list())
    return run


def _decide(
    journal: sqlite3.Connection,
    desk: Desk,
    reviewer: str,
    rows: list[int],
    draw: random.Random,
    begin: datetime,
    *,
    hours: float = 0,
    role: str | None = None,
    differs: float = 0.0,
) -> None:
    """Each row once, as one sits down to it: a few seconds to half a minute apart, halfway through the next day."""
    at, number = begin, count()
    for place, row in enumerate(rows):
        decision, reasons, messages = _opinion(desk, row, place, odd=not differs)
        if draw.random() < differs:
            decision, reasons = ("reject", (NAMES[5],)) if decision == "keep" else ("keep", ())
            messages = None
        content, example = desk.candidates.select("content", "id").row(row)
        seconds = draw.uniform(4, 26)
        at += timedelta(seconds=seconds)
        if hours and place == len(rows) // 2:
            at += timedelta(hours=hours)
        one = log.Decision(
            reviewer, f"{reviewer} {begin:%d%H}", str(next(number)), content, example, decision, reasons, messages,
            shown_ms=round(seconds * 900), role=role,
        )  # fmt: skip
        with transaction(journal):
            log.recorded(journal, one, at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def _opinion(
    desk: Desk, row: int, place: int, *, odd: bool
) -> tuple[str, tuple[str, ...], list[dict[str, str]] | None]:
    """What somebody may say of a row: mostly what the build says, the same each time, but for the `odd` edit, flag and skip."""
    draw = random.Random(row)
    what = {7: "edit", 12: "flag", 16: "skip"}.get(place % 20) if odd else None
    if what == "edit":
        (text,) = texts(desk, [row])
        messages = [dict(message) for message in text.messages]
        messages[-1]["content"] = f"{messages[-1]['content'].rsplit('. ', 1)[0]}."
        return what, (), messages
    if what:
        return what, (), None
    # How often people like what the build kept, what fell to a limit, and what is broken.
    likes = {"kept": 0.85, "place": 0.85, "limit": 0.3}.get(desk.candidates["fate"][row], 0.0)
    if draw.random() < likes:
        return "keep", (), None
    return "reject", (NAMES[draw.choice((1, 2, 2, 3, 3, 4, 5, 5, 5, 8))],), None


def _decide_before(journal: sqlite3.Connection, desk: Desk, row: int, at: datetime) -> None:
    """An edit on the text that this example had in an earlier build: it is stale now."""
    (text,) = texts(desk, [row])
    before = [dict(message) for message in text.messages]
    before[-1]["content"] += " In short: it depends."
    example = desk.candidates["id"][row]
    old = log.Decision(BEN, "earlier", "1", "0" * 32, example, "edit", (), before, shown_ms=9000)
    with transaction(journal):
        log.recorded(journal, old, (at - timedelta(days=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def planned(folder: Path, run: Path) -> Path:
    """A blind plan: the answers of the set, against themselves cut short; with a few votes of both reviewers."""
    lines = (run / "dataset.jsonl").read_bytes().splitlines()
    talks = [talk for line in lines if len((talk := orjson.loads(line)["messages"])[-1]["content"]) > 300]
    written = []
    for model, share in (("base", 0.3), ("mine", 1.0)):
        answers = [
            {"prompt_id": f"p{number}", "instruction": talk[-2]["content"], "messages": talk[:-1], "generator": model}
            | {"output": _shortened(talk[-1]["content"], share)}
            for number, talk in enumerate(talks[:24])
        ]
        written.append(folder / f"{model}.jsonl")
        written[-1].write_bytes(b"".join(orjson.dumps(answer) + b"\n" for answer in answers))
    out = folder / "answers" / "blind"
    if evaluate(["blind", "--answers", *map(str, written), "--out", str(out), "--title", "Short answers or long ones"]):
        raise SystemExit("no plan was written")
    plan, draw = blinding.read(out), random.Random(7)
    for person, votes in ((ANNA, 9), (BEN, 4)):
        shown = people.schedule(plan, person)
        for showing in shown[:votes]:
            vote = {"act": "vote", "id": showing.id, "token": showing.id, "choice": draw.choice(people.CHOICES)}
            seen = {"shown_ms": draw.randint(9_000, 31_000), "reasons": [], "both_bad": False}
            people.cast(plan, person, shown, [{**vote, **seen}])
    return out


def _shortened(text: str, share: float) -> str:
    """The sentences that stand in this share of a text."""
    return text if share == 1 else f"{text[: round(len(text) * share)].rsplit('. ', 1)[0].rstrip('.')}."


# --- the photographs --------------------------------------------------------------------------------------------------


def photograph(app: App, browser: Browser, out: Path, pages: list[str]) -> Iterator[Path]:
    """The pages one after the other; each file as it is written."""
    out.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme=scheme, locale="en-GB")
        context.set_default_timeout(PATIENCE)
        for name in pages:
            yield _photograph(context.new_page(), app, name, out / f"{name}-{scheme}.png")
        context.close()
    if "review" in pages:
        phone = browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", has_touch=True, is_mobile=True, color_scheme="light"
        )
        phone.set_default_timeout(PATIENCE)
        yield _photograph(phone.new_page(), app, "review", out / "review-phone.png")
        phone.close()


def _photograph(page: Page, app: App, name: str, path: Path) -> Path:
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    # The first page has no path of its own.
    path_of_page = "" if name == "review" else name
    page.goto(f"{app.url}/{path_of_page}?reviewer={ANNA}&{PAGES[name]}")
    page.locator(".stApp[data-test-script-state=notRunning]").wait_for()
    if name in {"review", "map", "pairwise"}:
        ready = {"review": "[data-seen]:not([data-seen=''])", "map": "canvas[data-painted]", "pairwise": ".pair .text"}
        page.locator(ready[name]).first.wait_for()
    page.evaluate("() => document.fonts.ready")
    # What streamlit still animates in.
    page.wait_for_timeout(1500)
    page.locator(".stApp[data-test-script-state=notRunning]").wait_for()
    if page.locator(".stException").count():
        said.append(page.locator(".stException").first.inner_text())
    if said:
        raise SystemExit(f"{name}: {said[0]}")
    _small(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).save(path, optimize=True)
    page.close()
    return path


def _small(whole: Image.Image) -> Image.Image:
    """The picture in COLORS colours: those of the large areas as they are, and as many that cover the rest, as in a chart."""
    often = sorted(whole.getcolors(whole.width * whole.height) or [], reverse=True)[: COLORS // 2]
    rest = whole.quantize(COLORS - len(often), method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = np.array([value for _, colour in often for value in colour] + rest, dtype=np.int32).reshape(-1, 3)[
        :COLORS
    ]
    # Not by quantize(palette=...), which rounds: large areas would change their colour.
    colours, places = np.unique(np.asarray(whole).reshape(-1, 3), axis=0, return_inverse=True)
    nearest = ((colours[:, None, :].astype(np.int32) - palette) ** 2).sum(axis=2).argmin(axis=1)
    small = Image.fromarray(nearest[places].reshape(whole.height, whole.width).astype(np.uint8), mode="P")
    small.putpalette(palette.astype(np.uint8).tobytes())
    return small


def main() -> None:
    """See above."""
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(PAGES):
        raise SystemExit(f"usage: python -m tests.screenshots OUT [PAGE …]; pages: {', '.join(PAGES)}")
    out, pages = Path(sys.argv[1]), sys.argv[2:] or list(PAGES)
    with tempfile.TemporaryDirectory(prefix="lapidary-") as folder:
        run = reviewed(Path(folder))
        os.environ["LAPIDARY_ANSWERS"] = str(planned(Path(folder), run))
        app = App(run).start()
        try:
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                for path in photograph(app, browser, out, pages):
                    sys.stdout.write(f"{path}  {path.stat().st_size / 1000:.0f} kB\n")
        finally:
            app.kill()


if __name__ == "__main__":
    main()
