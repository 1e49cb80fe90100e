"""Every pair of an example and a test item that may be a leak, with what was measured of it. Imported only where it runs."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from curate import embed
from curate.contamination import ngrams
from curate.contamination.evidence import compare
from curate.contamination.schema import FLOOR_COSINE, LEAK, LEAKS
from curate.contamination.words import Words, words
from curate.duplicates import cosine

Array = np.ndarray[Any, Any]

# A short item stands whole in many texts: it counts where it is a whole turn, or from so many words on a whole sentence.
SENTENCE_WORDS = 4
# Characters of a prompt that evidence is taken from, where no run says which part of it matters.
EVIDENCE_CHARS = 4_000
_BEFORE, _AFTER = tuple("\n.!?:\"'“”‘’*#>`|([{"), tuple("\n.!?:\"'“”‘’*`|)]}")


class Tests(NamedTuple):
    """Test items ready to be searched for: `entries` (`item`, `part`, `text`), and what stands for them by number."""

    entries: pl.DataFrame
    runs: ngrams.Index
    answers: dict[str, str]  # by item
    vectors: Array | None  # (entries, d); None without an encoder


def tests(items: pl.DataFrame, entries: pl.DataFrame, n: int, encoder: embed.Settings | None) -> Tests:
    """`items` (schema ITEM) and what of them is searched for (`items.searched`), for runs of `n` words."""
    answers = dict(items.filter(pl.col("answer").str.contains(r"\w")).select("item", "answer").iter_rows())
    asked = (entries["part"] == "question").to_numpy()
    vectors = None
    if encoder is not None:
        found = embed.vectors(entries["text"].filter(asked), encoder)
        # A row of zeros has no twin: of questions alone the meaning is compared.
        vectors = np.zeros((entries.height, found.shape[1]), np.float32)
        vectors[asked] = found
    return Tests(entries, ngrams.index(entries["text"], n), answers, vectors)


def leaks(examples: pl.DataFrame, tests: Tests, encoder: embed.Settings | None) -> pl.Series:
    """The pairs of each EXAMPLE row with test items, as a series `leaks` of LEAKS, pairs by item and part.

    Every pair is there whose words cover `ngrams.FLOOR` of an entry, or whose prompt and question have a cosine of
    FLOOR_COSINE, or where an item stands whole; not only the nearest.
    """
    pairs = _by_words(examples, tests).select("row", "entry", *_MEASURED, "excerpt")
    vectors = None if encoder is None or tests.vectors is None else embed.vectors(examples["prompt"], encoder)
    if vectors is not None and tests.vectors is not None:
        near = _near(vectors, tests.vectors).join(pairs, on=["row", "entry"], how="anti")
        covered = ngrams.cover(words(examples["prompt"]), tests.runs, near)
        excerpt = examples["prompt"].gather(near["row"]).str.slice(0, EVIDENCE_CHARS)
        pairs = pl.concat([pairs, covered.with_columns(excerpt=excerpt).select(pairs.columns)])
    pairs = pairs.with_columns(_cosines(pairs, vectors, tests)).sort("row", "entry")
    return _grouped(_with_evidence(pairs, examples, tests), examples.height)


_MEASURED = ("whole", "run", "coverage", "weighted")


def _by_words(examples: pl.DataFrame, tests: Tests) -> pl.DataFrame:
    """Pairs by shared words: `row`, `entry`, the measures, and `excerpt`, the part of the example that was matched.

    Each turn is searched by itself, so that no question is put together from two; question and answer in the whole.
    """
    parts = set(tests.entries["part"])
    texts = []
    if parts - {"question_and_answer"}:
        texts.append(_turns(examples))
    if "question_and_answer" in parts:
        both = pl.concat_str("prompt", "response", separator="\n")
        texts.append(
            examples.with_row_index("row").select("row", asked=pl.lit(value=False), both=pl.lit(value=True), text=both)
        )
    turns = pl.concat(texts)
    found = words(turns["text"])
    pairs = pl.concat([ngrams.matches(found, tests.runs), _equal(found, tests.runs)]).unique(
        ["row", "entry"], keep="last"
    )
    pairs = pairs.sort("row", "entry")
    part = tests.entries["part"].gather(pairs["entry"])
    place = turns[pairs["row"].to_numpy()] if pairs.height else turns.clear()
    keep = (part == "question_and_answer") == place["both"]
    keep &= _counts(pairs, found, tests.runs, place["asked"])
    excerpts = [found.text(first, last) for first, last in pairs.filter(keep).select("first", "last").iter_rows()]
    pairs = pairs.with_columns(row=place["row"]).filter(keep).with_columns(excerpt=pl.Series(excerpts, dtype=pl.String))
    # Of several turns of an example with the same item, the one that has most of it.
    return pairs.sort("weighted", "run", descending=True, maintain_order=True).unique(
        ["row", "entry"], keep="first", maintain_order=True
    )


def _turns(examples: pl.DataFrame) -> pl.DataFrame:
    """Every turn as a row: `row` of the example, `asked` (the user's words), `both` (false), `text`."""
    rows = examples.with_row_index("row")
    single = [
        rows.select("row", asked=pl.lit(value=name == "prompt"), text=name).drop_nulls("text")
        for name in ("prompt", "response", "system")
    ]
    turn = pl.col("history").struct
    history = rows.filter(pl.col("history").list.len() > 0).select("row", "history").explode("history")
    told = history.select("row", asked=turn.field("role") == "user", text=turn.field("content"))
    return pl.concat([*single, told]).select("row", "asked", both=pl.lit(value=False), text="text")


def _equal(found: Words, index: ngrams.Index) -> pl.DataFrame:
    """Pairs (a frame of PAIR) of texts and entries that are equal word for word, however short."""
    counts = np.diff(found.offsets)
    frame = {
        "row": np.arange(counts.size),
        "first": found.offsets[:-1],
        "run": counts,
        "hash": ngrams.sequence_hashes(found),
    }
    ours = pl.DataFrame({"hash": ngrams.sequence_hashes(index.entries), "run": np.diff(index.entries.offsets)})
    pairs = pl.DataFrame(frame).filter(pl.col("run") > 0).join(ours.with_row_index("entry"), on=["hash", "run"])
    ones = {"coverage": pl.lit(1.0), "weighted": pl.lit(1.0), "whole": pl.lit(value=True)}
    return (
        pairs.with_columns(last=pl.col("first") + pl.col("run") - 1, **ones)
        .select(ngrams.PAIR.names())
        .cast(ngrams.PAIR)
    )


def _counts(pairs: pl.DataFrame, found: Words, index: ngrams.Index, asked: pl.Series) -> pl.Series:
    """Whether a pair counts. Of a short entry (under n words): where it is a turn or a sentence of the user's. Of others: in
    the user's words always; elsewhere whole or by a run of n words, since answers say much that questions say too.
    """
    lengths = np.diff(index.entries.offsets)[pairs["entry"].to_numpy()] if pairs.height else np.zeros(0, np.int64)
    keep = (lengths >= index.n) & (asked | pairs["whole"] | (pairs["run"] >= index.n)).to_numpy()
    for number in np.flatnonzero((lengths < index.n) & asked.to_numpy()):
        row, first, last = pairs.select("row", "first", "last").row(int(number))
        is_turn = first == found.offsets[row] and last == found.offsets[row + 1] - 1
        keep[number] = is_turn or (lengths[number] >= SENTENCE_WORDS and _is_sentence(found, row, first, last))
    return pl.Series(keep, dtype=pl.Boolean)


def _is_sentence(found: Words, row: int, first: int, last: int) -> bool:
    """Whether words `first` to `last` of a text begin and end where a sentence, a line or a quotation does."""
    before = found.data[found.ends[first - 1] : found.starts[first]] if first > found.offsets[row] else b"\n"
    after = found.data[found.ends[last] : found.starts[last + 1]] if last + 1 < found.offsets[row + 1] else b"\n"
    return any(mark in bytes(before).decode() for mark in _BEFORE) and any(
        mark in bytes(after).decode() for mark in _AFTER
    )


def _near(rows: Array, entries: Array) -> pl.DataFrame:
    """Pairs (`row`, `entry`, UInt32) of unit vectors whose cosine is FLOOR_COSINE or more."""
    found = cosine.matches(rows, entries, FLOOR_COSINE)
    return pl.DataFrame({"row": found.left, "entry": found.right}).cast(pl.UInt32)


def _cosines(pairs: pl.DataFrame, vectors: Array | None, tests: Tests) -> pl.Series:
    """The cosine of each pair's prompt and question, to four decimals: the last bit depends on the machine."""
    if vectors is None or tests.vectors is None or not pairs.height:
        return pl.Series("cosine", [None] * pairs.height, dtype=pl.Float64)
    ours, theirs = vectors[pairs["row"].to_numpy()], tests.vectors[pairs["entry"].to_numpy()]
    found = np.einsum("ij,ij->i", ours.astype(np.float64), theirs.astype(np.float64)).round(4)
    asked = tests.entries["part"].gather(pairs["entry"]) == "question"
    return pl.select(pl.when(asked).then(pl.Series(found))).to_series().alias("cosine")


def _with_evidence(pairs: pl.DataFrame, examples: pl.DataFrame, tests: Tests) -> pl.DataFrame:
    """`pairs` with the other fields of LEAK: what differs, and whether the response has the answer."""
    entries = tests.entries[pairs["entry"].to_numpy()] if pairs.height else tests.entries.clear()
    rows = []
    for part, text, excerpt in zip(entries["part"], entries["text"], pairs["excerpt"], strict=True):
        seen = compare(text, excerpt)
        # What an answer ends with is no question.
        seen = seen._replace(asks_else=seen.asks_else and part == "question")
        rows.append(
            {
                "same_numbers": not seen.numbers_missing and not seen.numbers_extra,
                "changed_numbers": bool(seen.numbers_missing and seen.numbers_extra),
                "changed_words": bool(seen.words_missing and seen.words_extra),
                "asks_else": seen.asks_else,
                "detail": seen.detail(),
            }
        )
    evidence = pl.DataFrame(rows, schema={field.name: field.dtype for field in LEAK.fields if field.name in _EVIDENCE})
    return pl.concat([pairs, entries.select("item", "part"), evidence], how="horizontal").with_columns(
        _answered(pairs, entries, examples, tests)
    )


_EVIDENCE = ("same_numbers", "changed_numbers", "changed_words", "asks_else", "detail")


def _answered(pairs: pl.DataFrame, entries: pl.DataFrame, examples: pl.DataFrame, tests: Tests) -> pl.Series:
    """Whether the response of each pair has the item's answer, word for word; null where the item has none."""
    wanted = pl.Series([tests.answers.get(item) for item in entries["item"]], dtype=pl.String)
    said = examples["response"].gather(pairs["row"])
    plain = [_plain(series) for series in (wanted, said)]
    return pl.DataFrame({"wanted": plain[0], "said": plain[1]}).select(
        answer=pl.col("said").str.contains(pl.col("wanted"), literal=True)
    )["answer"]


def _plain(texts: pl.Series) -> pl.Series:
    """The words of a text between single spaces, with one at each end."""
    folded = (
        pl.col("t").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    )
    return texts.alias("t").to_frame().select(" " + folded + " ").to_series()


def _grouped(pairs: pl.DataFrame, n_rows: int) -> pl.Series:
    """One list of LEAK a row, empty where there is none; of an item that is searched for in two texts, the stronger."""
    fields = [field.name for field in LEAK.fields]
    key = ["row", "item", "part"]
    best = pairs.with_columns(pl.col("cosine").max().over(key)).sort(
        *key, "whole", "weighted", "run", "entry", descending=[False] * 3 + [True] * 3 + [False]
    )
    best = best.unique(key, keep="first", maintain_order=True)
    lists = best.group_by("row", maintain_order=True).agg(leaks=pl.struct(fields)).cast({"leaks": LEAKS})
    rows = pl.DataFrame({"row": pl.int_range(n_rows, dtype=pl.UInt32, eager=True)})
    joined = rows.join(lists, on="row", how="left", maintain_order="left")
    return joined["leaks"].fill_null(pl.Series([[]], dtype=LEAKS))
