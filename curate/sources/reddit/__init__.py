"""Reddit comments and submissions as published by Pushshift and Arctic Shift: newline-delimited JSON, mostly `.zst`.

Two kinds of file: comments (`RC_2011-03.zst`, `cooking_comments.zst`) and submissions (`RS_2011-03.zst`,
`cooking_submissions.zst`). With both, a submission asks and its best direct comment answers; with comments alone, a
comment asks and its best reply answers. Every comment becomes one row, `t1_<id>`: the example whose response it is, or
a reject. A submission has a row of its own, `t3_<id>`, only where no comment answers it. What the dumps hold belongs to
its authors and no licence is stated, so `license` is null.

Threads are brought together by splitting the posts by submission id into files in the scratch folder and reading these
one after the other, so memory is bounded by one part, not by the dump.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from curate.config import Strict
from curate.errors import InputError
from curate.files import COMPRESSIONS, Sniff, Unreadable, expand, json_frames, json_lines, open_stream, plain_name
from curate.record import Batch, examples, rejects, sliced
from curate.sources import buckets, by_file
from curate.sources.reddit.posts import COMMENT_FIELDS, SUBMISSION_FIELDS, comments, submissions
from curate.sources.reddit.threads import pair

Kind = Literal["comments", "submissions"]
FIELDS: dict[Kind, tuple[str, ...]] = {"comments": COMMENT_FIELDS, "submissions": SUBMISSION_FIELDS}

# Text in one part; joining takes several times as much memory.
PART_BYTES = 2**25
# Compressed, Reddit's JSON is about a tenth of its size, and the fields that are read make up about half of it.
EXPANSION = dict.fromkeys(COMPRESSIONS, 6)
# Every part is two open files while the dumps are read. A month of all Reddit (20 GB) fills larger parts.
MAX_PARTS = 256
# Posts of one thread stay together. Ids are counted up in base 36, so the remainder spreads them evenly.
THREAD = pl.col("link").str.to_integer(base=36, strict=False).fill_null(0)
SNIFFED = 1_000
# Months are `RC_2011-03` without a suffix once the compression is taken away; the rest is somebody's own export.
PREFIXES: dict[str, Kind] = {"rc_": "comments", "rs_": "submissions"}
PARTS: dict[str, Kind] = {"_comments": "comments", "_submissions": "submissions"}
SUFFIXES = (".ndjson", ".jsonl", ".json")

RULES = {
    "nested_reply": "A reply to a comment, where only direct answers to submissions are paired (setting `replies`).",
    "other_subreddit": "The subreddit is not among those asked for (setting `subreddits`).",
}


class Settings(Strict):
    """A file or folder of Reddit dumps."""

    kind: Literal["reddit"]
    path: Path = Field(description="a dump file, or a folder of comments and submissions files")
    join: Literal["all", "month"] = Field(
        default="all",
        description="which files are joined: all of the folder, or only those of one month or subreddit (less work, but "
        "a comment on a submission of the month before finds no question)",
    )
    prompt_from: Literal["title", "body", "title_and_body"] = Field(
        default="title_and_body",
        description="which text of a submission is the prompt; a missing body leaves the title",
    )
    replies: bool | None = Field(
        default=None, description="also pair comments with replies; null: only where there are no submissions"
    )
    subreddits: tuple[str, ...] = Field(default=(), description="only these subreddits; empty: all")


def units(settings: Settings) -> list[tuple[Path, ...]]:
    """The files to be read together: all of them, or per month or subreddit (`join`), comments first.

    Raises InputError where the path holds no dump, or a file that is neither comments nor submissions.
    """
    files = [file for file in expand(settings.path) if settings.path.is_file() or _is_dump(file)]
    if not files:
        raise InputError(
            f"{settings.path}: no Reddit dump in this folder; expected RC_*, RS_*, *_comments*, *_submissions* or "
            f"{', '.join(SUFFIXES)}, plain or compressed"
        )
    kinds = {file: _kind(file) for file in files}
    groups: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: kinds[file]):
        groups.setdefault("" if settings.join == "all" else _joined_by(file), []).append(file)
    return [tuple(group) for _, group in sorted(groups.items())]


def load(name: str, unit: tuple[Path, ...], settings: Settings, scratch: Path) -> Iterator[Batch]:
    """The examples and rejects of one unit: rejects met while reading first, then thread by thread in file order.

    The order of lines within a file changes the order of rows, never what becomes of them. Raises InputError where a
    file is truncated or corrupt.
    """
    kinds = {file: _kind(file) for file in unit}
    replies = settings.replies if settings.replies is not None else "submissions" not in kinds.values()
    n = n_parts(unit)
    with (
        buckets.opened(scratch / "comments", _nothing("comments", settings).schema, THREAD, n) as said,
        buckets.opened(scratch / "submissions", _nothing("submissions", settings).schema, THREAD, n) as asked,
    ):
        sides = {"comments": said, "submissions": asked}
        for number, file in enumerate(unit):
            for posts, rejected in _read(file, number, kinds[file], settings):
                sides[kinds[file]].add(posts)
                if rejected.height:
                    yield Batch(examples(name, []), rejects(name, rejected.iter_rows(named=True)))
        for part in range(n):
            yield from sliced(pair(name, said.take(part), asked.take(part), replies=replies))


def n_parts(files: Sequence[Path]) -> int:
    """How many parts keep each of them within PART_BYTES of memory, by the size of the files."""
    expected = sum(file.stat().st_size * EXPANSION.get(file.suffix.lower(), 1) for file in files)
    return min(MAX_PARTS, 1 + expected // PART_BYTES)


def sniff(path: Path) -> Sniff | None:
    """What the first 1,000 lines of a file are, if any of them is a Reddit comment or submission."""
    with open_stream(path) as stream:
        if not stream.read(2**16).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return None
    found = [_record_kind(record) for _, record in islice(json_lines(path), SNIFFED)]
    counts = {kind: found.count(kind) for kind in FIELDS}
    form = max(counts, key=lambda kind: counts[kind])
    if not counts[form]:
        return None
    return Sniff("reddit", form, len(found), counts[form], "Pushshift or Arctic Shift, one JSON object a line")


forms = by_file.forms(sniff)


def _read(file: Path, number: int, kind: Kind, settings: Settings) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Posts of one file in a common form, and its rejects (columns of REJECT, by name)."""
    where = by_file.name_below(settings.path, file)
    asked = [subreddit.removeprefix("r/").lower() for subreddit in settings.subreddits]
    for frame, unreadable in json_frames(file, FIELDS[kind]):
        lines = frame.with_columns(file=pl.lit(where), n_file=pl.lit(number, pl.Int64))
        posts = _normal(lines, kind, settings)
        other = pl.col("subreddit").str.to_lowercase().is_in(asked).not_().fill_null(value=True)
        rule = pl.when(pl.col("lacks").is_not_null()).then(pl.lit("unreadable"))
        posts = posts.with_columns(rule=rule.when(other).then(pl.lit("other_subreddit")) if asked else rule)
        kept = posts.filter(pl.col("rule").is_null()).drop("rule", "lacks")
        rejected = posts.filter(pl.col("rule").is_not_null()).select(
            pl.when(pl.col("rule") == "unreadable")
            .then(pl.format("{}:{}", "file", "position"))
            .otherwise(pl.col("key"))
            .alias("key"),
            "file", "position", "url", "rule", detail="lacks",
        )  # fmt: skip
        yield kept, pl.concat([rejected, _unreadable(where, unreadable)], how="diagonal")


def _normal(lines: pl.DataFrame, kind: Kind, settings: Settings) -> pl.DataFrame:
    return comments(lines) if kind == "comments" else submissions(lines, settings.prompt_from)


def _nothing(kind: Kind, settings: Settings) -> pl.DataFrame:
    numbers = {"position": pl.Int64, "n_file": pl.Int64}
    no_lines = pl.DataFrame(schema={**dict.fromkeys([*FIELDS[kind], "file"], pl.String), **numbers})
    return _normal(no_lines, kind, settings).drop("lacks")


def _unreadable(where: str, lines: list[tuple[int, Unreadable]]) -> pl.DataFrame:
    rows = [(f"{where}:{line}", where, line, "unreadable", reason) for line, (reason,) in lines]
    schema = {"key": pl.String, "file": pl.String, "position": pl.Int64, "rule": pl.String, "detail": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _is_dump(file: Path) -> bool:
    return _kind_by_name(file) is not None or plain_name(file).lower().endswith(SUFFIXES)


def _kind_by_name(file: Path) -> Kind | None:
    name = plain_name(file).lower()
    by_prefix = next((kind for prefix, kind in PREFIXES.items() if name.startswith(prefix)), None)
    by_part = next((kind for part, kind in PARTS.items() if part in name), None)
    return by_prefix or by_part


def _joined_by(file: Path) -> str:
    """What a comments file has in common with its submissions file: the folder, and the month or the subreddit."""
    name = plain_name(file).lower()
    for part in (*PREFIXES, *PARTS):
        name = name.replace(part, "", 1)
    return (file.parent / name).as_posix()


def _kind(file: Path) -> Kind:
    named = _kind_by_name(file)
    if named:
        return named
    found = sniff(file)
    if not found:
        raise InputError(
            f"{file}: neither comments (link_id, parent_id, body) nor submissions (title, subreddit, selftext or url) "
            "in its first lines; expected a Pushshift or Arctic Shift dump"
        )
    return "comments" if found.form == "comments" else "submissions"


def _record_kind(record: object) -> Kind | None:
    if not isinstance(record, dict):
        return None
    if record.keys() >= {"id", "link_id", "parent_id", "body"}:
        return "comments"
    is_submission = record.keys() >= {"id", "title", "subreddit"} and record.keys() & {
        "selftext",
        "url",
        "num_comments",
    }
    return "submissions" if is_submission else None
