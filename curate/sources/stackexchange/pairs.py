"""Questions and answers into examples: which answer, what prompt, and what becomes of the rest."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Literal, NamedTuple

import polars as pl

from curate.record import BATCH_ROWS, EXAMPLE, REJECT, Batch, conform, example_ids, sliced
from curate.sources.stackexchange import sites

# `question` is the id of the question that a post is or answers; the other names are the dump's own.
_POST = {
    "question": pl.Int64,
    "Id": pl.Int64,
    "position": pl.Int64,
    "CreationDate": pl.String,
    "Body": pl.String,
    "ContentLicense": pl.String,
}
QUESTION = pl.Schema(
    {**_POST, "AcceptedAnswerId": pl.Int64, "Title": pl.String, "Tags": pl.String, "ClosedDate": pl.String}
)
ANSWER = pl.Schema({**_POST, "Score": pl.Int64})

# What html.escape of the standard library does: a title is plain text, and it stands in a column of HTML.
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}


class Place(NamedTuple):
    """What all posts of a file share: the name of the source, the site's host, the file as the user sees it."""

    source: str
    site: str
    file: str


class Choice(NamedTuple):
    """What becomes an example: every answer or the best one, and the part of the question that is the prompt."""

    all_answers: bool
    prompt_from: Literal["title", "body", "title_and_body", "random"]
    seed: int


def pair(questions: pl.DataFrame, answers: pl.DataFrame, place: Place, choice: Choice) -> Iterator[Batch]:
    """Examples and rejects of posts (schemas QUESTION and ANSWER) that belong together, sorted by question.

    The best answer has the highest score; among equals the accepted one, then the one with the smallest id.
    """
    questions, questions_again = _first_of_each(questions, ["question"])
    answers, answers_again = _first_of_each(answers, ["question", "Id"])
    # Texts stay where they are until they are needed: only the numbers are sorted and joined.
    asked = questions.select("question", "AcceptedAnswerId", question_at=pl.int_range(pl.len()))
    ranked = (
        answers.select("question", "Id", "Score", answer_at=pl.int_range(pl.len()))
        .join(asked, on="question", how="left")
        .with_columns(accepted=(pl.col("Id") == pl.col("AcceptedAnswerId")).fill_null(value=False))
        .sort("question", "Score", "accepted", "Id", descending=[False, True, True, False])
        .with_columns(is_best=pl.col("question").is_first_distinct())
    )
    paired = ranked.filter(pl.col("question_at").is_not_null())
    for part in (paired if choice.all_answers else paired.filter("is_best")).iter_slices(BATCH_ROWS):
        yield Batch(_examples(questions, answers, part, place, choice), REJECT.to_frame())
    alone = answers[ranked.filter(pl.col("question_at").is_null())["answer_at"]]
    no_question = alone.with_columns(
        key=_key(place, "a", "Id"),
        url=_url(place, "a", "Id"),
        detail=pl.concat_str(pl.lit("its question "), "question", pl.lit(f" is not in {place.file}")),
    )
    unanswered = questions.join(answers, on="question", how="anti")
    no_answer = unanswered.with_columns(key=_key(place, "q", "Id"), url=_url(place, "q", "Id"))
    repeated = [_again(questions_again, place, "q"), _again(answers_again, place, "a")]
    left = [rejects(no_question, "no_question", place), rejects(no_answer, "no_answer", place), *repeated]
    if not choice.all_answers:
        left.append(_not_best(answers, paired, place))
    yield from sliced(Batch(EXAMPLE.to_frame(), pl.concat(left)))


def rejects(posts: pl.DataFrame, rule: str, place: Place) -> pl.DataFrame:
    """Posts with a `key` (and any of `url`, `value`, `limit`, `other`, `detail`) as rejects of one rule."""
    return conform(_located(posts, place).with_columns(rule=pl.lit(rule)), REJECT)


def _located(posts: pl.DataFrame, place: Place) -> pl.DataFrame:
    return posts.with_columns(
        example_ids(place.source, posts["key"]),
        source=pl.lit(place.source),
        file=pl.lit(place.file),
        license=sites.licence(pl.col("ContentLicense"), pl.col("CreationDate")),
    )


def _key(place: Place, kind: Literal["a", "q"], number: str) -> pl.Expr:
    # Not pl.format: polars 2.1 panics where it has a literal and no rows.
    return pl.concat_str(pl.lit(f"{place.site}/{kind}/"), number)


def _url(place: Place, kind: Literal["a", "q"], number: str) -> pl.Expr:
    return pl.concat_str(pl.lit("https://"), _key(place, kind, number))


def _first_of_each(posts: pl.DataFrame, by: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Posts sorted by id, and those whose id came earlier in the file: joining both would multiply rows."""
    ordered = posts.sort(*by, "position")
    is_first = ordered.select(pl.struct(by).is_first_distinct()).to_series()
    return ordered.filter(is_first), ordered.filter(~is_first)


def _again(posts: pl.DataFrame, place: Place, kind: Literal["a", "q"]) -> pl.DataFrame:
    first = _key(place, kind, "Id")
    posts = posts.with_columns(
        key=pl.concat_str(first, pl.lit(f"#{place.file}:"), "position"), first=first, url=_url(place, kind, "Id")
    )
    return rejects(posts.with_columns(other=example_ids(place.source, posts["first"])), "repeated_key", place)


def _not_best(answers: pl.DataFrame, paired: pl.DataFrame, place: Place) -> pl.DataFrame:
    """The answers that another one beat: `value` is their score, `limit` and `other` the score and id of the best."""
    best = paired.filter("is_best").select("question", limit="Score", best="Id")
    beaten = paired.filter(~pl.col("is_best")).join(best, on="question", how="left", maintain_order="left")
    beaten = pl.concat([answers[beaten["answer_at"]], beaten.select("limit", "best")], how="horizontal")
    beaten = beaten.with_columns(key=_key(place, "a", "Id"), best=_key(place, "a", "best"), url=_url(place, "a", "Id"))
    other = example_ids(place.source, beaten["best"]).alias("other")
    return rejects(beaten.with_columns(other, value="Score"), "not_best_answer", place)


def _examples(
    questions: pl.DataFrame, answers: pl.DataFrame, pairs: pl.DataFrame, place: Place, choice: Choice
) -> pl.DataFrame:
    """The examples (schema EXAMPLE) of `pairs`: row numbers `question_at` and `answer_at`, and whether `accepted`."""
    asked = questions[pairs["question_at"]].select(
        "question", "Title", "Tags", "ClosedDate", question_body=pl.col("Body").fill_null("")
    )
    answered = answers[pairs["answer_at"]].drop("question")
    posts = pl.concat([asked, answered, pairs.select("accepted")], how="horizontal")
    posts = posts.with_columns(_is_title_chosen(posts["Title"], choice)).with_columns(
        key=_key(place, "a", "Id"),
        context=pl.col("question_body").str.replace_all(r"<[^>]*>", "").str.strip_chars().str.len_chars(),
        heading=pl.col("Title").str.replace_many(list(ESCAPES), list(ESCAPES.values())),
    )
    both = pl.concat_str(pl.lit("<p>"), "heading", pl.lit("</p>\n\n"), "question_body")
    # A body without text (an image, say) asks nothing.
    is_title = pl.col("is_title") | (pl.col("context") == 0)
    single = pl.when(is_title).then("heading").otherwise("question_body")
    is_both = choice.prompt_from == "title_and_body"
    flags = [
        pl.when(pl.col("ClosedDate").is_not_null()).then(pl.lit("closed")),
        pl.when("accepted").then(pl.lit("accepted")),
    ]
    return conform(
        _located(posts, place).with_columns(
            url=_url(place, "a", "Id"),
            group=pl.lit(sites.group(place.site)),
            stratum=pl.lit(place.site),
            prompt=both if is_both else single,
            response="Body",
            markup=pl.lit("html"),
            title="Title",
            context_chars=pl.when(is_title & (not is_both)).then("context").otherwise(0),
            score="Score",
            date="CreationDate",
            # Two spellings: <a><b> until about 2023, |a|b| since.
            tags=pl.col("Tags").str.extract_all(r"[^<>|]+"),
            flags=pl.concat_list(flags).list.drop_nulls(),
        ),
        EXAMPLE,
    )


def _is_title_chosen(titles: pl.Series, choice: Choice) -> pl.Series:
    """Whether the title is the prompt, for each question.

    At random it depends on the seed and the title alone, so that a question asked twice is prompted alike and its copies
    can be told to be equal.
    """

    def toss(title: str) -> bool:
        return bool(blake2b(f"{choice.seed}\0{title}".encode(), digest_size=1).digest()[0] & 1)

    if choice.prompt_from == "random":
        return pl.Series("is_title", map(toss, titles), dtype=pl.Boolean)
    return pl.Series("is_title", [choice.prompt_from == "title"], dtype=pl.Boolean).new_from_index(0, len(titles))
