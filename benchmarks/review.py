"""The review app on many candidates, in a browser: what a reviewer waits for, in milliseconds, against its limits.

    python benchmarks/review.py [--run RUN] [--candidates 100000] [--rounds 60] [--only card]

Makes a run of 100,000 candidates with a log of 5,000 decisions (benchmarks/review_data.py) unless `--run` names one, serves
it, and drives the Review page, the plain page and the map with real keys. The clocks run in the page: from the event of the
key to the frame in which the next example was painted. Decisions are written to a copy of the run. Fails past a limit.
"""

import argparse
import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from review_data import make
from review_map import measure as map_figures

from curate.desk.model import open_desk
from curate.review.log import Decision, record
from curate.review.store import opened

ROOT = Path(__file__).parents[1]
CHROMIUM = "/usr/bin/chromium"
# 95 of 100 within so many milliseconds.
LIMITS = {
    "key → next example painted": 60,
    "undo → painted": 60,
    "plain page: key → next": 150,
    "decision durable": 20,
    "queue changed": 400,
    "words searched": 400,
    "first paint": 3000,
    "lasso_to_count": 200,
}
QUEUES = ("near_threshold", "undecided", "audit", "dropped", "quota_gaps", "most_valuable")

# begun: the event; ended: the frame after the page had what `look` waits for.
CLOCK = """
window.clock = {begun: 0, ended: 0, acknowledged: 0}
const start = () => { window.clock.begun = performance.now(); window.clock.ended = window.clock.acknowledged = 0 }
for (const name of ['keydown', 'click']) document.addEventListener(name, (event) => event.isTrusted && start(), true)
const find = () => [...document.querySelectorAll('.stBidiComponent *')].find((e) => e.shadowRoot?.querySelector('.card'))
let last = '', queue = '', card = null
const check = () => {
  const plain = card ? null : document.querySelector('.plain-example')
  const id = card ? card.dataset.painted : plain?.dataset.id
  const name = card?.querySelector('.queue-name')?.textContent
  if (id && (id !== last || name !== queue)) {
    last = id; queue = name
    window.clock.ended ||= performance.now()
  }
  if (card?.dataset.pending === '0' && window.clock.ended) window.clock.acknowledged ||= performance.now()
}
const look = () => {
  if (!card?.isConnected) {
    card = find()?.shadowRoot.querySelector('.card') ?? null
    if (card) new MutationObserver(check).observe(card, {attributeFilter: ['data-painted', 'data-pending']})
  }
  check()
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


def took(page: Page, what: str = "ended") -> float:
    """Milliseconds from the event to what it caused, once that is there."""
    page.wait_for_function(f"() => window.clock.{what} > window.clock.begun", polling="raf", timeout=60_000)
    return float(page.evaluate(f"() => window.clock.{what} - window.clock.begun"))


def seen(page: Page) -> None:
    """Wait until the example on the screen may be decided on."""
    page.wait_for_selector(".card[data-seen]:not([data-seen=''])", timeout=120_000)


def card_figures(page: Page, url: str, rounds: int) -> Iterator[tuple[str, float]]:
    """The Review page."""
    for number in range(5):
        start = time.perf_counter()
        page.goto(f"{url}/?reviewer=bench{number}", wait_until="commit")
        page.wait_for_selector(".card[data-painted]:not([data-painted=''])", timeout=300_000)
        # The first opening reads the desk, which all later ones share.
        yield ("first paint" if number else "first paint after the start"), 1000 * (time.perf_counter() - start)
    for number in range(rounds):
        seen(page)
        page.keyboard.press("Space" if number % 5 == 4 else "k")
        yield "key → next example painted", took(page)
        yield "key → acknowledged", took(page, "acknowledged")
    for _ in range(rounds // 3):
        seen(page)
        page.keyboard.press("u")
        yield "undo → painted", took(page)
        took(page, "acknowledged")
    for number, name in enumerate(QUEUES * 5):
        box = page.locator(".st-key-queue input")
        box.click()
        option = page.get_by_role("option", name=names()[name], exact=True)
        option.wait_for()
        option.click()
        # What a queue is first asked for after the start, later ones share.
        yield ("queue changed" if number >= len(QUEUES) else "queue changed, its first time"), took(page)
    page.goto(f"{url}/?reviewer=bench&queue=undecided")
    for word in ("bread", "python", "river", "history", "music", "water"):
        seen(page)
        box = page.locator(".st-key-words input")
        box.fill(word)
        box.press("Enter")
        yield "words searched", took(page)


def plain_figures(page: Page, url: str, rounds: int) -> Iterator[tuple[str, float]]:
    """The plain page."""
    page.goto(f"{url}/plain?reviewer=plain&queue=undecided")
    page.wait_for_selector(".plain-example", timeout=120_000)
    for _ in range(rounds // 2):
        page.wait_for_function("() => document.querySelector('.stApp').dataset.testScriptState === 'notRunning'")
        page.wait_for_timeout(200)
        page.keyboard.press("k")
        yield "plain page: key → next", took(page)


def log_figures(run: Path, rounds: int) -> Iterator[tuple[str, float]]:
    """One decision in the log, on the disk, as the page writes it."""
    names_ = open_desk(run).candidates.select("content", "id").head(rounds * 4).rows()
    for number, (content, example) in enumerate(names_):
        start = time.perf_counter()
        with opened(run / "decisions.sqlite") as log:
            record(log, [Decision("disk", "bench", str(number), content, example, "keep", shown_ms=1000)])
        yield "decision durable", 1000 * (time.perf_counter() - start)


def names() -> dict[str, str]:
    """Queue to the name that the page shows."""
    import tomllib

    texts = tomllib.loads((ROOT / "ui/words/review.toml").read_text(encoding="utf-8"))
    return {name: texts[f"queue_{name}"]["en"] for name in QUEUES}


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of the app on this run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.headless=true", f"--server.port={port}", "--server.address=127.0.0.1"]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *options]
    environment = {**os.environ, "LAPIDARY_RUN": str(run)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def measured(run: Path, rounds: int, only: str | None) -> dict[str, list[float]]:
    """Of each thing that was waited for, the milliseconds."""
    found: dict[str, list[float]] = {}
    for name, figure in log_figures(run, rounds):
        found.setdefault(name, []).append(figure)
    with served(run) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.add_init_script(CLOCK)
        for part, figures in (("card", card_figures), ("plain", plain_figures)):
            for name, figure in figures(page, url, rounds) if only in (None, part) else ():
                found.setdefault(name, []).append(figure)
        if only in (None, "map"):
            for name, spread in map_figures(browser.new_page(), url).items():
                if "p95" in spread and name in LIMITS:
                    found[name] = [spread["p50"], spread["p95"]]
        browser.close()
    return found


def main() -> None:
    """Measure, print a table, and fail past a limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--only", choices=("card", "plain", "map"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "runs" / "big"
        if given.run:
            shutil.copytree(given.run, run)
        else:
            make(run, given.candidates, dimensions=384, decisions=5_000, seed=1)
        started = time.perf_counter()
        open_desk(run)
        print(f"prepared in {time.perf_counter() - started:.1f} s")
        found = measured(run, given.rounds, given.only)
    print("\n| what | n | p50 ms | p95 ms | limit |\n| --- | ---: | ---: | ---: | ---: |")
    late = []
    for name, times in found.items():
        ordered = sorted(times)
        p50, p95 = statistics.median(ordered), ordered[math.ceil(0.95 * len(ordered)) - 1]
        print(f"| {name} | {len(times)} | {p50:.0f} | {p95:.0f} | {LIMITS.get(name, '')} |")
        if p95 > LIMITS.get(name, math.inf):
            late.append(name)
    if late:
        raise SystemExit(f"too slow: {', '.join(late)}")


if __name__ == "__main__":
    main()
