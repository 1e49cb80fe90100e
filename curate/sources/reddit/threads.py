"""Questions and their best answers among the posts of whole threads."""

import polars as pl

from curate.record import EXAMPLE, REJECT, Batch, conform, example_ids


def pair(name: str, comments: pl.DataFrame, submissions: pl.DataFrame, *, replies: bool) -> Batch:
    """Examples and rejects of the threads in `comments` and `submissions` (columns as in `posts`).

    The best answer to a question is the one with the highest integer score, ties by smallest id (read as a number),
    among those that are not deleted, removed, written by a bot or stickied; only where all are, the best of these,
    which keeps its flags so that a named rule drops it. Flags of the question count too. With `replies`, comments are
    questions as well. Of a post that stands in the files twice, the first copy counts. Rows keep the order of the files.
    """
    comments, said_again = _once(comments)
    submissions, asked_again = _once(submissions)
    again = pl.concat([said_again, asked_again], how="diagonal")
    nested = (pl.col("parent_kind") == "t1").fill_null(value=False) & pl.lit(not replies)
    found = comments.filter(~nested).join(
        _questions(submissions, comments if replies else comments.clear()),
        on=["link", "parent_kind", "parent"],
        how="left",
    )
    ranked = _ranked(found.filter(pl.col("prompt").is_not_null()))
    best, others = ranked.filter("is_best"), ranked.filter(~pl.col("is_best"))
    answered = best.filter(pl.col("parent_kind") == "t3").select(id="parent")
    answers_to = pl.lit("answers ") + pl.col("parent_id")
    rejected = [
        others.with_columns(
            rule=pl.lit("not_best_answer"),
            value=pl.col("score").cast(pl.Float64),
            limit=pl.col("best_score").cast(pl.Float64),
            other=example_ids(name, others["best_key"]),
            detail=pl.when(~pl.col("chosen_first")).then(pl.col("flags").list.join(", ")),
        ),
        comments.filter(nested).with_columns(rule=pl.lit("nested_reply"), detail=answers_to),
        found.filter(pl.col("prompt").is_null()).with_columns(rule=pl.lit("no_question"), detail=answers_to),
        submissions.join(answered, on="id", how="anti").with_columns(rule=pl.lit("no_answer")),
        again.with_columns(
            rule=pl.lit("repeated_key"), key=pl.format("{}:{}", "file", "position"), detail=pl.col("key")
        ),
    ]
    flags = pl.concat_list("flags", "question_flags").list.unique().list.sort()
    best = best.with_columns(flags=flags, group="subreddit", stratum="subreddit", markup=pl.lit("markdown"))
    return Batch(_identified(name, best, EXAMPLE), _identified(name, pl.concat(rejected, how="diagonal"), REJECT))


def _once(posts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`posts` in file order, each id once, and the later copies."""
    ordered = posts.sort("n_file", "position")
    first = ordered["id"].is_first_distinct()
    return ordered.filter(first), ordered.filter(~first)


def _questions(submissions: pl.DataFrame, comments: pl.DataFrame) -> pl.DataFrame:
    """What can be answered, by `parent_kind` and `parent`, once each."""
    asked = submissions.select(
        "link", "prompt", "title", "context_chars", "tags",
        parent_kind=pl.lit("t3"), parent="id", question_flags="flags",
    )  # fmt: skip
    replied_to = comments.select(
        "link", parent_kind=pl.lit("t1"), parent="id", prompt="response", question_flags="flags"
    )
    return pl.concat([asked, replied_to], how="diagonal")


def _ranked(answers: pl.DataFrame) -> pl.DataFrame:
    """`answers` with `is_best`, and `best_key` and `best_score` of the best answer to the same question, in file order."""
    question = ["parent_kind", "parent"]
    ids_as_numbers = [pl.col("id").str.len_chars(), pl.col("id")]  # base 36 without leading zeros
    ranked = answers.sort(
        pl.col("chosen_first"), pl.col("score"), *ids_as_numbers, "n_file", "position",
        descending=[True, True, False, False, False, False], nulls_last=True,
    )  # fmt: skip
    return ranked.with_columns(
        is_best=pl.struct(question).is_first_distinct(),
        best_key=pl.col("key").first().over(question),
        best_score=pl.col("score").first().over(question),
    ).sort("n_file", "position")


def _identified(name: str, rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    ordered = rows.sort("n_file", "position")
    return conform(ordered.with_columns(example_ids(name, ordered["key"]), source=pl.lit(name)), schema)
