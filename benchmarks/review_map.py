"""The map of a run in a browser: first paint, lasso to count, colour change, hover to title, in milliseconds.

    python benchmarks/review_map.py URL [--rounds 30]

URL is that of an app that serves the run. `measure` is what benchmarks/review.py calls. Every lasso is another one, drawn by
the mouse around a third to two thirds of the map; the time is from the release of the button to the count on the screen,
which is what the server says and not what the browser guesses.
"""

import argparse
import contextlib
import json
import math
import random
import statistics
import time
from typing import Any

from playwright.sync_api import Page, TimeoutError, sync_playwright  # noqa: A004 - playwright's own

CHROMIUM = "/usr/bin/chromium"
LIMITS = {"lasso_to_count": 200.0, "first_paint": 3000.0}


def measure(page: Page, url: str, rounds: int = 30, seed: int = 1) -> dict[str, dict[str, float]]:
    """Of each interaction `p50` and `p95` (milliseconds) and `n`; `page` is an open page of a browser.

    Also `sent`: bytes that the browser sends for a lasso, `painted`: the points.
    """
    found: dict[str, list[float]] = {"first_paint": [], "lasso_to_count": [], "colour": [], "hover_to_title": []}
    rng = random.Random(seed)
    for _ in range(4):
        start = time.perf_counter()
        page.goto(f"{url}/map", wait_until="commit")
        page.wait_for_selector("canvas[data-painted]", timeout=60_000)
        found["first_paint"].append((time.perf_counter() - start) * 1000)
    # The first opening prepares what all later ones share.
    found["first_paint"] = found["first_paint"][1:]
    canvas = page.locator("canvas[data-painted]")
    painted = int(canvas.get_attribute("data-painted") or 0)
    page.evaluate(CLOCK)
    page.locator("[data-mode=lasso]").click()
    box = canvas.bounding_box() or {}
    for _ in range(rounds):
        _draw(page, box, rng)
        found["lasso_to_count"].append(_took(page, "count"))
    for name in ("topic", "source", "decision", "fate") * 3:
        page.locator("select[data-part=by]").select_option(name)
        found["colour"].append(_took(page, "count"))
    page.locator("[data-mode=move]").click()
    for _ in range(rounds):
        page.mouse.move(box["x"] + 3, box["y"] + 3)
        page.evaluate("() => { window.lapidary.begun = performance.now() }")
        page.mouse.move(
            box["x"] + box["width"] * rng.uniform(0.3, 0.7), box["y"] + box["height"] * rng.uniform(0.3, 0.7)
        )
        # Between points there is nothing to say.
        with contextlib.suppress(TimeoutError):
            found["hover_to_title"].append(_took(page, "title", 2_000))
    figures = {name: _figures(times) for name, times in found.items() if times}
    return {**figures, "points": {"n": float(painted)}}


# The clock runs in the page: what playwright itself takes to notice is not the app's.
CLOCK = """() => {
  const root = document.querySelector('canvas[data-painted]') ?
    document : [...document.querySelectorAll('*')].map(node => node.shadowRoot).find(root => root && root.querySelector('canvas[data-painted]'));
  const status = root.querySelector('[data-part=status]'), tip = root.querySelector('[data-part=tip]');
  window.lapidary = { begun: 0, count: 0, title: 0 };
  root.querySelector('canvas').addEventListener('pointerup', () => { window.lapidary.begun = performance.now() }, true);
  root.querySelector('select').addEventListener('change', () => { window.lapidary.begun = performance.now() }, true);
  const painted = (name) => requestAnimationFrame(() => { window.lapidary[name] = performance.now() });
  new MutationObserver(() => painted('count')).observe(status, { attributes: true, attributeFilter: ['data-seq'] });
  new MutationObserver(() => { if (!tip.hidden && tip.textContent !== '…') painted('title') })
    .observe(tip, { attributes: true, childList: true });
}"""


def _took(page: Page, what: str, timeout: float = 20_000) -> float:
    page.wait_for_function(f"() => window.lapidary.{what} > window.lapidary.begun", timeout=timeout, polling="raf")
    return float(page.evaluate(f"() => window.lapidary.{what} - window.lapidary.begun"))


def _draw(page: Page, box: dict[str, float], rng: random.Random) -> None:
    radius = rng.uniform(0.15, 0.33)
    a, b = rng.uniform(radius, 1 - radius), rng.uniform(radius, 1 - radius)
    for step in range(41):
        angle, wide = step / 40 * 2 * math.pi, radius * rng.uniform(0.9, 1)
        x, y = (a + wide * math.cos(angle)) * box["width"], (b + wide * math.sin(angle)) * box["height"]
        page.mouse.move(box["x"] + x, box["y"] + y)
        if step == 0:
            page.mouse.down()
    page.mouse.up()


def _figures(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)],
        "n": float(len(ordered)),
    }


def main() -> None:
    """Measure the app at a URL; fails where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found: dict[str, Any] = measure(
            browser.new_page(viewport={"width": 1400, "height": 1000}), options.url, options.rounds
        )
        browser.close()
    print(json.dumps(found, indent=2))
    late = [name for name, most in LIMITS.items() if found[name]["p95"] > most]
    if late:
        raise SystemExit(f"too slow: {', '.join(late)}")


if __name__ == "__main__":
    main()
