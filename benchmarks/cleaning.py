"""HTML to text, ours and the peers, on the same bodies in the same run.

    python benchmarks/cleaning.py [--bodies 10000] [--repeats 3]

The bodies are made up by a seeded generator and look like answers of a Stack Exchange site: about 2 kB each, with
paragraphs, links, emphasis, inline and block code, nested lists, quotes, tables, images and maths. Times are processor seconds of
one process, the best of the repeats; a slow peer sees a part of the bodies. Only ours and markdownify keep code,
numbers of lists and tables. Peers are installed with `pip install -e .[bench]`.
"""

import argparse
import random
import time
from collections.abc import Callable

import polars as pl

from curate import record
from curate.cleaning.html import to_markdown, to_markdown_all
from curate.stages import clean

WORDS = [
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "is",
    "it",
    "you",
    "that",
    "for",
    "on",
    "are",
    "with",
    "as",
    "this",
    "be",
    "by",
    "or",
    "an",
    "not",
    "can",
    "if",
    "which",
    "from",
    "when",
    "at",
    "have",
    "use",
    "will",
    "one",
    "value",
    "state",
    "yeast",
    "function",
    "memory",
    "circuit",
    "water",
    "temperature",
    "method",
    "result",
    "server",
    "pressure",
    "list",
    "error",
    "key",
    "quantum",
    "measurement",
    "time",
    "because",
    "however",
    "simply",
    "usually",
    "example",
    "number",
    "compiler",
    "gate",
    "sugar",
    "different",
    "between",
    "should",
]


def sentence(dice: random.Random) -> str:
    words = [dice.choice(WORDS) for _ in range(dice.randint(8, 22))]
    place = dice.randrange(1, len(words) - 2)
    roll = dice.random()
    if roll < 0.07:
        words[place] = (
            f'<a href="https://example.org/{dice.randrange(9999)}" rel="nofollow noreferrer">{words[place]} {words[place + 1]}</a>'
        )
    elif roll < 0.14:
        words[place] = f"<code>{words[place]}_{words[place + 1]}()</code>"
    elif roll < 0.19:
        words[place] = f"<em>{words[place]}</em>"
    elif roll < 0.23:
        words[place] = f"<strong>{words[place]}</strong>"
    elif roll < 0.29:
        words[place] = rf"$x_{{{dice.randrange(9)}}} \le \frac{{a_i}}{{b^*}}$"
    elif roll < 0.33:
        words[place] = "&quot;R&amp;D&quot; &gt; 3"
    elif roll < 0.34:
        words[place] = f"10<sup>{dice.randrange(9)}</sup>"
    return (" ".join(words) + ".").capitalize()


def paragraph(dice: random.Random) -> str:
    return "<p>" + " ".join(sentence(dice) for _ in range(dice.randint(1, 5))) + "</p>"


def code(dice: random.Random) -> str:
    lines = [
        f"{'    ' * dice.randrange(3)}{dice.choice(WORDS)} = {dice.choice(WORDS)}[{n}] &lt; 1"
        for n in range(dice.randint(2, 9))
    ]
    return '<pre class="lang-py prettyprint-override"><code>' + "\n".join(lines) + "\n</code></pre>"


def listing(dice: random.Random) -> str:
    kind = dice.choice(("ul", "ol"))
    items = [f"<li>{sentence(dice)}</li>" for _ in range(dice.randint(2, 5))]
    if dice.random() < 0.06:
        items.append(f"<li>{sentence(dice)}\n<ul>\n<li>{sentence(dice)}</li>\n<li>{sentence(dice)}</li>\n</ul></li>")
    return f"<{kind}>\n" + "\n".join(items) + f"\n</{kind}>"


def grid(dice: random.Random) -> str:
    def row(cell: str) -> str:
        return "<tr>\n" + "\n".join(f"<{cell}>{dice.choice(WORDS)}</{cell}>" for _ in range(3)) + "\n</tr>"

    body = "\n".join(row("td") for _ in range(dice.randint(2, 5)))
    return f'<div class="s-table-container"><table>\n<thead>\n{row("th")}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def quote(dice: random.Random) -> str:
    return f"<blockquote>\n<p>{sentence(dice)}</p>\n</blockquote>"


def heading(dice: random.Random) -> str:
    return f"<h{(level := dice.randint(1, 3))}>{dice.choice(WORDS).capitalize()} {dice.choice(WORDS)}</h{level}>"


def image(dice: random.Random) -> str:
    return f'<p><img src="https://example.org/{dice.randrange(9999)}.png" alt="enter image description here" /></p>'


def maths(dice: random.Random) -> str:
    return f"<p>$$\n\\begin{{aligned}}\n  \\rho_{dice.randrange(9)} &amp;= \\sum_i p_i |i\\rangle \\\\\n  &amp;\\ge 0\n\\end{{aligned}}\n$$</p>"


def body(dice: random.Random) -> str:
    """One body: paragraphs with a block of another kind after every second, until the length drawn for it is reached."""
    length = max(300, dice.gauss(2000, 700))
    blocks, size = [], 0
    while size < length:
        if dice.random() < 0.62:
            make = paragraph
        else:
            (make,) = dice.choices((code, listing, quote, heading, image, maths, grid), (8, 7, 4, 3, 3, 0.5, 0.3))
        blocks.append(make(dice))
        size += len(blocks[-1])
    return "\n\n".join(blocks) + "\n"


def seconds(convert: Callable[[list[str]], object], bodies: list[str], repeats: int) -> float:
    """Processor seconds per body, the best of `repeats`."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        convert(bodies)
        best = min(best, (time.process_time() - start) / len(bodies))
    return best


def each(convert: Callable[[str], object]) -> Callable[[list[str]], object]:
    return lambda bodies: [convert(html) for html in bodies]


def ours(bodies: list[str]) -> object:
    return to_markdown_all(pl.Series(bodies))


def stage_seconds(bodies: list[str], repeats: int) -> float:
    """Wall seconds per row of the whole stage, on every core polars has."""
    rows = [
        {"key": str(n), "prompt": "How does it work?", "response": html, "markup": "html"}
        for n, html in enumerate(bodies)
    ]
    shard = record.examples("bench", rows)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        clean.measure(shard, clean.Settings())
        best = min(best, (time.perf_counter() - start) / len(bodies))
    return best


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bodies", type=int, default=10_000)
    arguments.add_argument("--repeats", type=int, default=3)
    given = arguments.parse_args()

    import bs4
    import markdownify
    from resiliparse.extract.html2text import extract_plain_text
    from selectolax.lexbor import LexborHTMLParser

    dice = random.Random(7)
    bodies = [body(dice) for _ in range(given.bodies)]
    tags = sum(html.count("<") for html in bodies) / len(bodies)
    print(f"{len(bodies):,} bodies, mean {sum(map(len, bodies)) / len(bodies):,.0f} characters and {tags:.0f} tags")
    ours(bodies)  # compiles, or loads what was compiled before
    peers: dict[str, tuple[Callable[[list[str]], object], int]] = {
        "ours": (ours, 1),
        "ours, one by one": (each(to_markdown), 4),
        "resiliparse extract_plain_text": (each(extract_plain_text), 4),
        "selectolax lexbor text()": (each(lambda html: LexborHTMLParser(html).text()), 4),
        "BeautifulSoup get_text (html.parser)": (
            each(lambda html: bs4.BeautifulSoup(html, "html.parser").get_text()),
            50,
        ),
        "BeautifulSoup get_text (lxml)": (each(lambda html: bs4.BeautifulSoup(html, "lxml").get_text()), 50),
        "markdownify": (each(markdownify.markdownify), 50),
    }
    times = {name: seconds(convert, bodies[::part], given.repeats) for name, (convert, part) in peers.items()}
    print(f"{'':40}{'bodies/s':>10}{'ours is faster by':>20}")
    for name, cost in times.items():
        print(f"{name:40}{1 / cost:>10,.0f}{cost / times['ours']:>19.2f}x")
    print(f"{'the whole clean stage, wall time':40}{1 / stage_seconds(bodies, given.repeats):>10,.0f}")
    print(f"polars threads: {pl.thread_pool_size()}")


if __name__ == "__main__":
    main()
