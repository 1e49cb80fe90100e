"""The source's own marks, and explicit words: deleted posts, bots, adult content."""

import polars as pl

_FLAGS = pl.col("flags")

# What Reddit writes in place of a text that is gone.
PLACEHOLDER = r"^\s*\[(?:deleted|removed)(?: by (?:user|reddit|moderator))?\]\s*$"

# Words that hardly occur outside of pornography, and the marks that posters set; small letters, found anywhere in a text
# whatever its case. Words of anatomy, medicine and abuse are not here: health advice and news use them.
EXPLICIT = (
    *(
        "blowjob",
        "blow job",
        "handjob",
        "hand job",
        "rimjob",
        "cumshot",
        "cum shot",
        "creampie",
        "gangbang",
        "gang bang",
    ),
    *("bukkake", "deepthroat", "hentai", " milf ", " milfs", "wet pussy", "hard cock", "huge cock", "suck my dick"),
    *(
        "jerk off",
        "jerking off",
        "jerked off",
        "pornhub",
        "xvideos",
        "xhamster",
        "[nsfw]",
        "(nsfw)",
        "nsfw,",
        "nsfw:",
        "nsfw!",
        "porn site",
        "porn star",
        "porn video",
    ),
)


def _explicit(text: pl.Expr) -> pl.Expr:
    return text.str.extract_many(list(EXPLICIT), ascii_case_insensitive=True).list.len()


EXPRESSIONS: dict[str, pl.Expr] = {
    "deleted": _FLAGS.list.contains("deleted")
    | _FLAGS.list.contains("removed")
    | pl.col("response").str.contains(PLACEHOLDER)
    | pl.col("prompt").str.contains(PLACEHOLDER),
    "bot": _FLAGS.list.contains("bot"),
    "over_18": _FLAGS.list.contains("over_18"),
    "stickied": _FLAGS.list.contains("stickied"),
    "nsfw": _explicit(pl.col("prompt")) + _explicit(pl.col("response")),
}
