"""Fields of comments and submissions in one common form, whatever their type in the year of the dump."""

import polars as pl

COMMENT_FIELDS = (
    "id", "link_id", "parent_id", "body", "author", "subreddit", "score", "score_hidden", "created_utc", "permalink",
    "stickied", "locked", "distinguished", "removal_reason", "over_18",
)  # fmt: skip
SUBMISSION_FIELDS = (
    "id", "title", "selftext", "is_self", "author", "subreddit", "created_utc", "permalink", "link_flair_text",
    "stickied", "locked", "distinguished", "removed_by_category", "over_18",
)  # fmt: skip

SITE = "https://www.reddit.com"

# What stands in place of a text: "[deleted]", "[removed]", "[deleted by user]", "[ Removed by Reddit ]" and variants.
DELETED = r"(?i)^\s*\[\s*deleted\b[^\]]*\]\s*$"
REMOVED = r"(?i)^\s*\[\s*removed\b[^\]]*\]\s*$"
# Accounts that say so in their name, and some old well-known ones that do not.
BOT = r"^(?:AutoModerator|autowikibot|sneakpeekbot|haikusbot|imguralbumbot|TotesMessenger|autotldr)$|[_-][Bb]ot$|[a-z0-9]B(?:ot|OT)$"
# "I am a bot, and this action was performed automatically" closes the comments of many.
BOT_FOOTER = r"(?i)\bI(?: am|['’]m) a bot\b"

# Tags of one word in brackets before or after a title: "[WP] A dragon ..." (r/WritingPrompts), "Why ...? [Serious]".
TAG = r"\[[A-Za-z]{1,12}\]"
LEADING_TAGS = rf"^\s*((?:{TAG}[\s,:–—-]*)+)"
TRAILING_TAGS = rf"((?:\s*{TAG})+)\s*$"


def comments(lines: pl.DataFrame) -> pl.DataFrame:
    """Comments as `id` (without t1_), `link` (the submission's id), `parent_id`, its `parent_kind` (t1, t3 or null) and
    `parent` (without it), `response` (the body), `score` (Int64), `date`, `flags`, `chosen_first`, `url`, `key`, `lacks`.

    `lines` holds COMMENT_FIELDS as text with `file`, `n_file` and `position`. `lacks` names the missing field that
    makes a line unreadable. `chosen_first` is false for what should answer only where nothing else does: deleted,
    removed, bots' and stickied comments.
    """
    author, body = pl.col("author").fill_null(""), pl.col("body")
    removed = body.str.contains(REMOVED) | pl.col("removal_reason").is_not_null()
    marks = {
        "deleted": body.str.contains(DELETED),
        "removed": removed,
        "bot": author.str.contains(BOT) | body.str.contains(BOT_FOOTER),
        "score_hidden": _is_true("score_hidden"),
        **_marks(),
    }
    parent_kind, parent = pl.col("parent_id").str.extract(r"^(t[13])_"), pl.col("parent_id").str.replace(r"^t\d_", "")
    # A direct answer belongs to the thread it answers, should the two fields ever disagree.
    link = pl.when(parent_kind == "t3").then(parent).otherwise(pl.col("link_id").str.strip_prefix("t3_"))
    built = pl.format("/r/{}/comments/{}/_/{}/", "subreddit", link, _bare_id("t1_"))
    poor = pl.any_horizontal(marks["deleted"], removed, marks["bot"], marks["stickied"])
    return lines.select(
        *_common("t1_", built, ("id", "link_id", "parent_id", "body")),
        link=link,
        parent_id="parent_id",
        parent_kind=parent_kind,
        parent=parent,
        response=body,
        score=pl.col("score").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
        flags=_flags(marks),
        chosen_first=~poor.fill_null(value=False),
    )


def submissions(lines: pl.DataFrame, prompt_from: str) -> pl.DataFrame:
    """Submissions as `id` (without t3_), `link` (the same), `prompt`, `title` (without its tags), `context_chars`,
    `tags` (of the title, then the flair), `flags`, `url`, `key`, `lacks`; other columns as for `comments`.

    A body that was deleted or removed is not part of a prompt, but leaves its flag where it should have been.
    """
    title, body = pl.col("title"), pl.col("selftext").str.strip_chars()
    deleted, removed = body.str.contains(DELETED), body.str.contains(REMOVED)
    text = pl.when(~deleted & ~removed & (body != "")).then(body)
    shown = _untagged(title)
    prompts = {
        "title": shown,
        "body": pl.coalesce(text, shown),
        "title_and_body": pl.concat_str([shown, text], separator="\n\n", ignore_nulls=True),
    }
    wants_body = pl.lit(prompt_from != "title")
    taken_down = pl.col("removed_by_category")
    marks = {
        "deleted": (deleted & wants_body) | title.str.contains(DELETED) | (taken_down == "deleted"),
        "removed": (removed & wants_body) | title.str.contains(REMOVED) | (taken_down != "deleted"),
        "bot": pl.col("author").str.contains(BOT),
        "link": pl.col("is_self").str.to_lowercase() == "false",
        **_marks(),
    }
    brackets = pl.concat_str(title.str.extract(LEADING_TAGS), title.str.extract(TRAILING_TAGS), ignore_nulls=True)
    return lines.select(
        *_common("t3_", pl.format("/r/{}/comments/{}/", "subreddit", _bare_id("t3_")), ("id", "title")),
        link=_bare_id("t3_"),
        prompt=prompts[prompt_from],
        title=shown,
        context_chars=pl.lit(0, pl.Int64)
        if prompt_from != "title"
        else text.str.len_chars().fill_null(0).cast(pl.Int64),
        tags=pl.concat_list(brackets.str.extract_all("[A-Za-z]+"), "link_flair_text")
        .list.drop_nulls()
        .list.unique(maintain_order=True),
        flags=_flags(marks),
    )


def _common(prefix: str, path: pl.Expr, needed: tuple[str, ...]) -> list[pl.Expr]:
    """The columns that comments and submissions share."""
    lacks = pl.coalesce(pl.when(pl.col(field).is_null()).then(pl.lit(f"no {field}")) for field in needed)
    # Beyond the year 9999 a date cannot be written; a wrong time is not worth losing a post for.
    seconds = pl.col("created_utc").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    moment = pl.from_epoch(pl.when(seconds.is_between(0, 253_402_300_799)).then(seconds), time_unit="s")
    permalink = pl.when(pl.col("permalink").str.starts_with("/")).then(pl.col("permalink"))
    return [
        _bare_id(prefix).alias("id"),
        (pl.lit(prefix) + _bare_id(prefix)).alias("key"),
        pl.col("file", "n_file", "position", "subreddit"),
        moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("date"),
        (pl.lit(SITE) + pl.coalesce(permalink, path)).alias("url"),
        lacks.alias("lacks"),
    ]


def _bare_id(prefix: str) -> pl.Expr:
    return pl.col("id").str.strip_prefix(prefix)


def _is_true(field: str) -> pl.Expr:
    return pl.col(field).str.to_lowercase() == "true"


def _marks() -> dict[str, pl.Expr]:
    flags = {flag: _is_true(flag) for flag in ("over_18", "stickied", "locked")}
    return {**flags, "distinguished": pl.col("distinguished").is_not_null()}


def _flags(marks: dict[str, pl.Expr]) -> pl.Expr:
    """The names whose condition holds, as a list of text."""
    return pl.concat_list([pl.when(mark).then(pl.lit(name)) for name, mark in marks.items()]).list.drop_nulls()


def _untagged(title: pl.Expr) -> pl.Expr:
    """A title without its tags; one that is nothing but tags stays as it is."""
    rest = title.str.replace(LEADING_TAGS, "").str.replace(TRAILING_TAGS, "").str.strip_chars()
    return pl.when(rest != "").then(rest).otherwise(title)
