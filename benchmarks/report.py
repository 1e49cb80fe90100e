"""The report of a run with 1,000 and with 10,000 kept examples: bytes, seconds to write, milliseconds to open in a browser.

    python benchmarks/report.py [--kept 1000 10000] [--model FOLDER] [--keep FOLDER]

The examples are made of the embedded sample's own sentences, so that no two are equal: for each kept one there are 1.8 that
came in, from three sources, with a trusted set, a test set, duplicates and faults among them. `--model` embeds with another
model than the default one (a static one is faster), for the map, the topics and the measures on vectors. Every page is opened
five times in a headless chromium, with all its details open and closed; the best of the five counts. Fails where a page weighs
more than a megabyte, takes a second or more to open, asks the network for anything or writes to the console.
"""

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from curate import recipe as recipes
from curate import report, runs
from curate.build import build

SAMPLE = Path(__file__).parents[1] / "curate/recipes/sample"
CHROMIUM = "/usr/bin/chromium"
MAX_BYTES, MAX_MS = 1_000_000, 1_000
# From navigation to the end of loading and to the first picture on the screen.
TIMES = """() => new Promise(done => new PerformanceObserver(list => {
  const painted = list.getEntriesByName('first-contentful-paint')[0];
  if (painted) done([performance.getEntriesByType('navigation')[0].loadEventEnd, painted.startTime]);
}).observe({type: 'paint', buffered: true}))"""


def records(number: int, seed: int) -> Iterator[dict[str, str]]:
    """Prompts of the sample with a sentence of another, answers of one to twelve sentences; one in thirty is a copy."""
    rng = random.Random(seed)
    found = [row for row in json.loads((SAMPLE / "alpaca.json").read_text()) if isinstance(row, dict)]
    rows = [row for row in found if isinstance(row.get("output"), str)]
    said = [part for row in rows for part in re.split(r"(?<=[.!?])\s+", row["output"]) if len(part) > 20]
    asked = [
        row["instruction"] for row in rows if isinstance(row.get("instruction"), str) and len(row["instruction"]) > 10
    ]
    last: dict[str, str] = {}
    for at in range(number):
        if last and at % 30 == 0:
            yield last
            continue
        prompt = f"{rng.choice(asked)} Take number {at} of {seed} into account: {rng.choice(said)}"
        last = {"instruction": prompt, "input": "", "output": " ".join(rng.choices(said, k=rng.randint(1, 12)))}
        yield last


def recipe(folder: Path, kept: int, model: str | None) -> recipes.Recipe:
    """The recipe over records written into `folder`."""
    sources: dict[str, Any] = {}
    for seed, (name, share) in enumerate({"first": 0.9, "second": 0.6, "third": 0.3}.items()):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(list(records(round(share * kept), seed))))
        sources[name] = {"kind": "instructions", "path": str(path)}
    text = {
        "name": f"report-{kept}",
        "sources": sources,
        "trusted": {"kind": "instructions", "path": str(SAMPLE / "alpaca.json")},
        "filters": {"min_chars": 60, "max_chars": 1500, "first_person": 2},
        "near": {"threshold": 0.9},
        "decontaminate": {
            "tests": {"planted": {"path": str(SAMPLE / "tests.jsonl"), "question": "question"}},
            "encoder": None,
        },
        "select": {"size": kept, "diversity": True},
    } | ({"encoder": {"model": model}} if model else {})
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(text))
    return recipes.load(str(path))


def opened(page: Path) -> tuple[float, float]:
    """Milliseconds until loaded and until first painted, the best of five; fails where the page asks for or says anything."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = []
        for _ in range(5):
            tab = browser.new_page()
            asked: list[str] = []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.on("console", lambda message, asked=asked: asked.append(message.text))
            tab.goto(page.as_uri())
            found.append(tuple(tab.evaluate(TIMES)))
            assert asked == [page.as_uri()], asked
            tab.close()
        browser.close()
    return min(loaded for loaded, _ in found), min(painted for _, painted in found)


def all_open(page: Path, folder: Path) -> Path:
    """The page with every fold open, in a file of its own."""
    copy = folder / "open.html"
    copy.write_text(page.read_text().replace("<details", "<details open"))
    return copy


def main() -> None:
    """Print one row for each size; exit with 1 where a page is too large or too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kept", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--model", help="folder or name of a sentence-embedding model")
    parser.add_argument("--keep", type=Path, help="leave the runs in this folder")
    args = parser.parse_args()
    fits = True
    print(
        "    kept   bytes of html   of json   written in s   loaded ms   painted ms   all open: loaded ms   painted ms"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for kept in args.kept:
            folder = (args.keep or Path(scratch)) / str(kept)
            folder.mkdir(parents=True, exist_ok=True)
            build(recipe(folder, kept, args.model), folder / "run")
            started = time.perf_counter()
            report.again(folder / "run")
            seconds = time.perf_counter() - started
            page = folder / "run/report.html"
            size, numbers = page.stat().st_size, (folder / "run/report.json").stat().st_size
            folded, unfolded = opened(page), opened(all_open(page, folder))
            actual = runs.open_run(folder / "run")["kept"]
            print(
                f"{actual:8,}{size:16,}{numbers:10,}{seconds:15.1f}{folded[0]:12.0f}{folded[1]:13.0f}"
                f"{unfolded[0]:22.0f}{unfolded[1]:13.0f}",
                flush=True,
            )
            fits = fits and size <= MAX_BYTES and max(*folded, *unfolded) < MAX_MS
    if not fits:
        raise SystemExit(f"a page weighs more than {MAX_BYTES:,} bytes or takes {MAX_MS:,} ms and more to open")


if __name__ == "__main__":
    main()
