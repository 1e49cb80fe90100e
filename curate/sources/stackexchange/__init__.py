"""Stack Exchange dumps: questions and their answers out of `Posts.xml`, plain or inside `.7z`.

Posts come in no reliable order, so one pass sets questions and answers apart by question id, into as many buckets as keep
each of them small; then each bucket is joined on its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from curate.config import Strict
from curate.errors import InputError
from curate.files import Sniff
from curate.record import EXAMPLE, Batch, sliced
from curate.sources import buckets, by_file
from curate.sources.stackexchange import posts_xml, seven_zip, sites
from curate.sources.stackexchange.pairs import ANSWER, QUESTION, Choice, Place, pair, rejects

RULES = {"not_a_post": "The row is a tag wiki or another type of post, neither question (1) nor answer (2)."}

POSTS = "Posts.xml"
# Bytes of Posts.xml whose questions and answers are joined at once; in memory they take some three times as much.
BUCKET_BYTES = 200_000_000
# Each bucket is two open files, and a process may usually hold 1,024.
MAX_BUCKETS = 400
INTEGERS = ("Id", "PostTypeId", "ParentId", "AcceptedAnswerId", "Score")
TEXTS = ("CreationDate", "Body", "Title", "Tags", "ClosedDate", "ContentLicense")
POST = pl.Schema({"position": pl.Int64, **dict.fromkeys(INTEGERS, pl.Int64), **dict.fromkeys(TEXTS, pl.String)})


class Settings(Strict):
    """Where the dumps are and what of a question and its answers becomes an example."""

    kind: Literal["stackexchange"]
    path: Path = Field(description="A Posts.xml, a .7z of a site, or a folder of these or of <site>/Posts.xml.")
    site: str | None = Field(None, description="The site's host, where the folder or archive is not named after it.")
    answers: Literal["best", "all"] = Field("best", description="Best: highest score, then accepted, then smallest id.")
    prompt_from: Literal["title", "body", "title_and_body", "random"] = Field(
        "random", description="What the prompt is; random: title or body, chosen for each question (LIMA, section 2.1)."
    )
    seed: int = Field(0, description="Of the random choice.")


def units(settings: Settings) -> list[tuple[Path, ...]]:
    """One unit a site, sorted by path: its `Posts.xml` or its archive.

    Raises InputError where there is none, two hold the same site, or an archive is of another table.
    """
    path = settings.path
    if path.is_file():
        table = sites.table_of(path)
        if path.suffix.lower() == ".7z" and table not in (None, "Posts"):
            raise InputError(f"{path}: the archive of table {table}; expected the one that ends in -Posts.7z")
        return [(path,)]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder. Check `path` of the source in the recipe")
    found = sorted(file for pattern in ("*", "*/*") for file in path.glob(pattern) if _holds_posts(file))
    if not found:
        raise InputError(f"{path}: no Stack Exchange dump in it; expected <site>/Posts.xml or <site>.7z")
    by_site: dict[str, Path] = {}
    for file in found:
        other = by_site.setdefault(_site(file, settings), file)
        if other is not file:
            raise InputError(
                f"{other} and {file} are both {_site(file, settings)}; a site can be read once: remove one"
            )
    return [(file,) for file in found]


def _holds_posts(file: Path) -> bool:
    is_archive = file.suffix.lower() == ".7z" and sites.table_of(file) in (None, "Posts")
    return (is_archive or file.name.lower() == POSTS.lower()) and not file.name.startswith(".") and file.is_file()


def _site(file: Path, settings: Settings) -> str:
    if settings.site is not None:
        return sites.address(settings.site)
    return sites.address(file.stem if file.suffix.lower() == ".7z" else file.absolute().parent.name)


def sniff(path: Path) -> Sniff | None:
    """What a file is, by the posts of its first megabytes; None where it is not a `<posts>` document or an archive of one.

    Raises InputError where it is one, but damaged.
    """
    is_archive = path.suffix.lower() == ".7z"
    if not path.is_file() or not (_begins_with_posts(path) if path.suffix.lower() == ".xml" else is_archive):
        return None
    if is_archive and seven_zip.find_member(path, POSTS) is None:
        return None
    with _opened(path) as stream:
        posts = _posts(next(posts_xml.read_rows(stream, str(path), (*INTEGERS, *TEXTS))))
    readable = posts.filter(pl.col("problem").is_null() & pl.col("PostTypeId").is_in([1, 2])).height
    site = _site(path, Settings(kind="stackexchange", path=path))
    unknown = "" if sites.is_known(site) else "; no site known here, so name it in `site`"
    form = f"{POSTS} in a 7z archive" if is_archive else POSTS
    return Sniff("stackexchange", form, posts.height, readable, f"{site} ({sites.group(site)}{unknown})")


def count(path: Path) -> int:
    """How many rows a Posts.xml or an archive of one holds; reads all of it. Raises InputError where it is damaged."""
    with _opened(path) as stream:
        return sum(frame.height for frame in posts_xml.read_rows(stream, str(path), ("Id",)))


def _begins_with_posts(path: Path) -> bool:
    with path.open("rb") as handle:
        return b"<posts" in handle.read(4096).replace(b"\0", b"")


forms = by_file.forms(sniff)


def load(name: str, unit: tuple[Path, ...], settings: Settings, scratch: Path) -> Iterator[Batch]:
    """The posts of a site: an example for each best (or each) answer, a reject for every other post.

    A question with an answer is part of that answer's example; each other row of the file is in one example or one
    reject. Examples come by bucket, then by question id. Markup is HTML; a title in a prompt is escaped. Memory is bounded by BUCKET_BYTES.
    Raises InputError where the file is truncated or is not a Posts.xml.
    """
    (path,) = unit
    place = Place(name, _site(path, settings), by_file.name_below(settings.path, path))
    choice = Choice(settings.answers == "all", settings.prompt_from, settings.seed)
    n_buckets = min(MAX_BUCKETS, -(-_n_bytes(path) // BUCKET_BYTES)) or 1
    with (
        buckets.opened(scratch / "questions", QUESTION, pl.col("question"), n_buckets) as questions,
        buckets.opened(scratch / "answers", ANSWER, pl.col("question"), n_buckets) as answers,
    ):
        with _opened(path) as stream:
            for frame in posts_xml.read_rows(stream, str(path), (*INTEGERS, *TEXTS)):
                posts = _posts(frame)
                questions.add(_of_type(posts, 1, QUESTION))
                answers.add(_of_type(posts, 2, ANSWER))
                yield from sliced(Batch(EXAMPLE.to_frame(), _set_aside(posts, place)))
        for bucket in range(n_buckets):
            yield from pair(questions.take(bucket), answers.take(bucket), place, choice)


@contextmanager
def _opened(path: Path) -> Iterator[posts_xml.Readable]:
    if path.suffix.lower() == ".7z":
        with seven_zip.open_member(path, POSTS) as stream:
            yield stream
    else:
        with path.open("rb") as handle:
            yield handle


def _n_bytes(path: Path) -> int:
    member = seven_zip.find_member(path, POSTS) if path.suffix.lower() == ".7z" else None
    return member.n_bytes if member else path.stat().st_size


def _posts(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with schema POST and `problem`: what makes a row unreadable as a post, null for most."""
    posts = rows.with_columns(pl.col(name).cast(pl.Int64, strict=False).alias(f"{name}_") for name in INTEGERS)
    not_integers = [
        pl.when(pl.col(f"{name}_").is_null()).then(
            pl.concat_str(pl.lit(f"{name} is '"), name, pl.lit("', not an integer"))
        )
        for name in INTEGERS
    ]
    is_question, is_answer = (pl.col("PostTypeId_") == kind for kind in (1, 2))
    lacking = [
        pl.when(condition & pl.col(name).is_null()).then(pl.lit(f"the row has no {name}"))
        for name, condition in (
            ("Id", pl.lit(value=True)),
            ("PostTypeId", pl.lit(value=True)),
            ("Title", is_question),
            ("ParentId", is_answer),
            ("Score", is_answer),
            ("Body", is_answer),
        )
    ]
    return posts.select(
        "position",
        *(pl.col(f"{name}_").alias(name) for name in INTEGERS),
        *TEXTS,
        pl.coalesce("problem", *not_integers, *lacking),
    )


def _of_type(posts: pl.DataFrame, kind: int, schema: pl.Schema) -> pl.DataFrame:
    """The readable posts of a type, with the id of the question they belong to."""
    question = pl.col("Id" if kind == 1 else "ParentId").alias("question")
    return (
        posts.filter(pl.col("problem").is_null() & (pl.col("PostTypeId") == kind))
        .with_columns(question)
        .select(schema.names())
    )


def _set_aside(posts: pl.DataFrame, place: Place) -> pl.DataFrame:
    """Rejects: the rows that are unreadable or no posts."""
    row_key = pl.concat_str(pl.lit(f"{place.site}/{POSTS}:"), "position")
    unreadable = posts.filter(pl.col("problem").is_not_null()).with_columns(key=row_key, detail="problem")
    wiki_key = pl.concat_str(pl.lit(f"{place.site}/posts/"), "Id")
    others = posts.filter(pl.col("problem").is_null() & ~pl.col("PostTypeId").is_in([1, 2])).with_columns(
        key=wiki_key, value="PostTypeId"
    )
    return pl.concat([rejects(unreadable, "unreadable", place), rejects(others, "not_a_post", place)])
