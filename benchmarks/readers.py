"""Reading dumps: ours beside the libraries one would otherwise use, on the same records in the same run.

    python benchmarks/readers.py                    both readers, 120,000 posts and 200,000 comments
    python benchmarks/readers.py --load 1000000     also the whole Stack Exchange source over that many posts

The records are made up here, in the containers of the real dumps. Figures are wall
seconds, best of three, and the processor seconds of that run, which a busy machine disturbs less.
"""

import argparse
import html
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import polars as pl
import zstandard
from lxml import etree

from curate import files
from curate.sources import stackexchange
from curate.sources.stackexchange import posts_xml as reader

ATTRIBUTES = (*stackexchange.INTEGERS, *stackexchange.TEXTS)
WORDS = """the a kettle valve of water boils when pressure falls below what its seal can hold and then steam finds every
gap so we measured each joint twice with a gauge before we wrote anything down because numbers copied from memory are
wrong more often than anyone at this bench would like to admit café naïve ½ → loop index buffer return value queue""".split()  # noqa: SIM905


def body(rng: random.Random) -> str:
    """About 2 kB of HTML: paragraphs, a list, code, a link."""
    parts = []
    for _ in range(rng.randint(2, 6)):
        words = " ".join(rng.choices(WORDS, k=rng.randint(30, 80)))
        parts.append(
            f'<p>{words}, "{rng.choice(WORDS)}" &amp; <a href="https://example.org/{rng.random()}">more</a>.</p>\n'
        )
        if rng.random() < 0.3:
            parts.append("<pre><code>if (a &lt; b) {\n    return a;\n}\n</code></pre>\n")
        if rng.random() < 0.2:
            parts.append("<ul>\n<li>" + "</li>\n<li>".join(rng.choices(WORDS, k=4)) + "</li>\n</ul>\n")
    return "".join(parts)


def rows(n_posts: int) -> Iterator[str]:
    """Rows as a dump has them: a question, its answers, now and then a tag wiki; 2,000 bodies, told apart by their ids."""
    rng = random.Random(7)
    escape = {"\n": "&#xA;", "\r": "&#xD;"}
    bodies = [
        html.escape(body(rng), quote=True).replace("\n", escape["\n"]).replace("&#x27;", "'") for _ in range(2000)
    ]
    question = 0
    for number in range(1, n_posts + 1):
        date = f"20{rng.randint(10, 24)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T12:00:00.000"
        rest = f'CreationDate="{date}" Score="{rng.randint(-3, 60)}" Body="{bodies[number % 2000]}" OwnerUserId="{number % 977}"'
        last = f'LastActivityDate="{date}" CommentCount="{number % 7}" ContentLicense="CC BY-SA 4.0" />'
        kind = rng.random()
        if kind < 0.4 or not question:
            question = number
            title = " ".join(rng.choices(WORDS, k=8)).capitalize()
            yield (
                f'<row Id="{number}" PostTypeId="1" AcceptedAnswerId="{number + 1}" ViewCount="{number % 5000}" {rest} '
                f'Title="{title}?" Tags="&lt;steam&gt;&lt;valves&gt;" AnswerCount="2" {last}'
            )
        elif kind < 0.99:
            yield f'<row Id="{number}" PostTypeId="2" ParentId="{question}" {rest} {last}'
        else:
            yield f'<row Id="{number}" PostTypeId="5" {rest} {last}'


def write_posts(path: Path, n_posts: int) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\r\n<posts>\r\n')
        file.writelines(f"  {row}\r\n" for row in rows(n_posts))
        file.write("</posts>")


def write_comments(path: Path, n_comments: int) -> None:
    rng = random.Random(7)
    texts = [body(rng) for _ in range(2000)]
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with path.open("wb") as file, compressor.stream_writer(file) as out:
        for number in range(n_comments):
            comment = {
                "id": f"c{number}",
                "author": f"u{number % 977}",
                "score": rng.randint(-3, 900),
                "created_utc": 1300000000,
            }
            out.write(orjson.dumps(comment | {"link_id": f"t3_{number // 9}", "body": texts[number % 2000]}) + b"\n")


def best_of(runs: int, work: Callable[[], int]) -> tuple[float, float, int]:
    """Wall and processor seconds of the fastest run, and the rows it read."""
    measured = []
    for _ in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        n_rows = work()
        measured.append((time.perf_counter() - wall, time.process_time() - processor, n_rows))
    return min(measured)


def compare(title: str, n_bytes: int, peers: dict[str, Callable[[], int]]) -> None:
    """One line a reader: seconds, MB/s, and how many times the first one's speed it has."""
    print(f"\n{title}, {n_bytes / 1e6:.0f} MB")
    baseline = None
    for name, work in peers.items():
        seconds, processor, n_rows = best_of(3, work)
        baseline = baseline or seconds
        speed = f"{n_bytes / 1e6 / seconds:6.0f} MB/s  x{baseline / seconds:.2f}"
        print(f"  {name:44} {seconds:6.2f} s {speed}  ({processor:.2f} processor s)  {n_rows:,} rows")


def by_lxml(path: Path) -> int:
    """The usual loop: iterparse, take the attributes, clear; into the same columns as ours."""
    found = []
    for _, element in etree.iterparse(path, tag="row"):
        found.append([element.get(name) for name in ATTRIBUTES])
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return pl.DataFrame(found, schema=dict.fromkeys(ATTRIBUTES, pl.String), orient="row").height


def by_lxml_body_only(path: Path) -> int:
    """The same loop with four attributes and no columns at the end."""
    n_rows = 0
    for _, element in etree.iterparse(path, tag="row"):
        _ = [element.get(name) for name in ("Id", "PostTypeId", "Score", "Body")]
        n_rows += 1
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return n_rows


def by_us(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(frame.height for frame in reader.read_rows(stream, path.name, ATTRIBUTES))


def posts_xml(folder: Path, n_posts: int = 120_000) -> None:
    """`Posts.xml` to columns: lxml's iterparse beside ours."""
    path = folder / "Posts.xml"
    write_posts(path, n_posts)
    peers = {
        f"lxml {etree.__version__} iterparse, {len(ATTRIBUTES)} columns": lambda: by_lxml(path),
        "lxml iterparse, 4 attributes, no columns": lambda: by_lxml_body_only(path),
        f"curate.sources.stackexchange.posts_xml, {len(ATTRIBUTES)} columns": lambda: by_us(path),
    }
    compare(f"Posts.xml, {n_posts:,} rows", path.stat().st_size, peers)
    path.unlink()


def ndjson_zst(folder: Path, n_comments: int = 200_000) -> None:
    """`.zst` of JSON lines: zstandard and orjson beside polars, which decompresses by itself."""
    path = folder / "RC.zst"
    write_comments(path, n_comments)
    with path.open("rb") as file:
        n_bytes = sum(len(chunk) for chunk in zstandard.ZstdDecompressor().read_to_iter(file))
    schema = {
        "id": pl.String,
        "author": pl.String,
        "score": pl.Int64,
        "created_utc": pl.Int64,
        "link_id": pl.String,
        "body": pl.String,
    }

    def by_orjson() -> int:
        with path.open("rb") as file, zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file) as stream:
            rest, n_rows = b"", 0
            while chunk := stream.read(2**20):
                *lines, rest = (rest + chunk).split(b"\n")
                n_rows += sum(orjson.loads(line)["score"] is not None for line in lines)
        return n_rows

    peers = {
        "zstandard + orjson, dictionaries": by_orjson,
        "curate.files.json_frames, columns": lambda: sum(
            frame.height for frame, _ in files.json_frames(path, list(schema))
        ),
        "polars read_ndjson": lambda: pl.read_ndjson(path, schema=schema).height,
        "polars scan_ndjson, streaming": lambda: (
            pl.scan_ndjson(path, schema=schema).select(pl.all().count()).collect(engine="streaming")["score"][0]
        ),
    }
    compare(f".zst of JSON lines, {n_comments:,} rows", n_bytes, peers)
    path.unlink()


def load(folder: Path, n_posts: int) -> None:
    """The whole source over one site: seconds, and the most memory this process ever held."""
    path = folder / "physics.stackexchange.com" / "Posts.xml"
    path.parent.mkdir()
    write_posts(path, n_posts)
    settings = stackexchange.Settings(kind="stackexchange", path=path.parent.parent)
    scratch = folder / "scratch"
    scratch.mkdir()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    examples = rejects = 0
    for (unit,) in stackexchange.units(settings):
        for batch in stackexchange.load("se", (unit,), settings, scratch):
            examples, rejects = examples + batch.examples.height, rejects + batch.rejects.height
    seconds, n_bytes = time.perf_counter() - start, path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"\nstackexchange.load, {n_posts:,} posts, {n_bytes / 1e6:,.0f} MB: {seconds:.1f} s, {n_bytes / 1e6 / seconds:.0f} MB/s"
    )
    print(
        f"  {examples:,} examples, {rejects:,} rejects; peak memory {peak / 1024:,.0f} MiB ({before / 1024:,.0f} before)"
    )
    path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=120_000)
    parser.add_argument("--comments", type=int, default=200_000)
    parser.add_argument("--load", type=int, default=0, metavar="POSTS")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.load:
            load(Path(folder), chosen.load)
        if chosen.posts:
            posts_xml(Path(folder), chosen.posts)
        if chosen.comments:
            ndjson_zst(Path(folder), chosen.comments)


if __name__ == "__main__":
    main()
