"""Selection: quotas with back-fill, strata sampled with temperature, a chooser, and two baselines at the same size.

Each *bucket* (a source, or one topic group of a source) has a quota; what a bucket cannot fill goes to those that can.
Inside a bucket, places are shared out over strata in proportion to n^(1/temperature), n being a stratum's size; who gets
them is decided by an order (votes, quality, ...) or by a chooser that looks at the whole bucket (facility location, ...)
and passes over strata that are full. The ranking interleaves the strata, so every prefix of it is balanced. What a reviewer
kept takes the first places of its bucket, and a chooser fills those that are left.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate import embed
from curate.config import Strict
from curate.diversity.geometry import similarities
from curate.diversity.shares import share_out
from curate.errors import ConfigError
from curate.record import Decision, verdicts
from curate.text import Part, part

if TYPE_CHECKING:
    from curate.diversity.places import Chosen, Places

NEEDS = ("source", "decision", "group", "stratum", "score", "response_chars", "lot", "quality", "vector")

RULES = {
    "not_selected": (
        "Good enough, but the set was full: its rank is beyond the size of the set (LIMA section 2.1 samples 200 + 200"
        " Stack Exchange answers over exchanges with temperature 3)."
    ),
    "too_similar": (
        "Its cosine to a better example that is in the set is above this limit (DEITA, Liu et al. 2024: best first, and only"
        " what is at most 0.9 similar to all that is selected already)."
    ),
}

Order = Literal[
    "score",
    "random",
    "longest",
    "quality",
    "facility_location",
    "mix",
    "k_center",
    "deita",
    "novelselect",
    "kmeans",
    "dpp",
]

# What comes first inside a stratum: column, descending. All other orders are choosers, which look at vectors.
ORDERS = {
    "score": ("score", True),
    "random": ("lot", False),
    "longest": ("response_chars", True),
    "quality": ("worth", True),
}
# Choosers that would rather take an outlier than anything else leave out this share of the lowest quality first.
OUTLIER_CLIP = {"k_center": 0.1, "dpp": 0.1}
NEED_QUALITY = ("quality", "mix", "deita")
# What a chooser makes of a row: its turn in the bucket and what it added, and the row that it is too similar to.
_PICK: dict[str, Any] = {"row": pl.UInt32, "pick": pl.Int64, "gain": pl.Float64}
_TWIN: dict[str, Any] = {"row": pl.UInt32, "twin": pl.Int64}


class Settings(Strict):
    """How many examples, from where, in which order."""

    size: int | None = Field(None, ge=1, description="examples in the set; by default the sum of the quotas, or all")
    quotas: dict[str, int] = Field({}, description="places for a `source` or for one `source/group` of it")
    temperature: float = Field(1.0, ge=1, description="tau in p ~ n^(1/tau) over strata; 1 = proportional, LIMA: 3")
    order: Order = Field(
        "score",
        description="what comes first inside a stratum (score, quality, longest, random), or what chooses among all of a bucket"
        " that cannot all stay: facility_location covers the pool; mix weighs that against quality; deita takes the best that are"
        " not too similar; kmeans one of each cluster; k_center, novelselect and dpp spread out",
    )
    of: Part = Field("prompt", description="the text that is embedded")
    encoder: embed.Settings = Field(embed.Settings(), description="the model that embeds, for choosers and diversity")
    diversity: bool = Field(
        default=False, description="embed whatever the order, so that the report has the measures on vectors"
    )
    alpha: float = Field(
        0.5, ge=0, le=1, description="mix: weight of the pool's coverage; 1 - alpha is that of the mean quality"
    )
    threshold: float = Field(0.9, ge=-1, le=1, description="deita: the largest cosine to what is selected already")
    clip: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of a bucket, lowest in quality, that a chooser leaves out first; null: 0.1 for k_center and dpp, which"
        " love outliers, 0 for the others",
    )
    seed: int = Field(1, description="seed of the random order, of ties, and of choosers that sample")


def measured_by(settings: Settings) -> object:
    """What of the settings `measure` depends on: the seed and, where vectors are wanted, the text and the model."""
    return [settings.seed, [settings.of, embed.fingerprint(settings.encoder)] if _wants_vectors(settings) else None]


def _wants_vectors(settings: Settings) -> bool:
    return settings.diversity or settings.order not in ORDERS


def measure(shard: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`id`, `lot` (String): the example's place in a seeded shuffle, the same on every machine; and `vector`.

    `vector` (Array(Float32, d), length 1) is null, and no model is loaded, where neither the order nor `diversity` asks for it.
    """
    lots = [blake2b(f"{settings.seed}\0{id_}".encode(), digest_size=8).hexdigest() for id_ in shard["id"]]
    measured = shard.select("id", pl.Series("lot", lots, dtype=pl.String), vector=pl.lit(None))
    if not _wants_vectors(settings):
        return measured
    texts = shard.select(vector=part(settings.of).fill_null(""))["vector"]
    return measured.with_columns(embed.column(texts, settings.encoder))


def decide(corpus: pl.DataFrame, settings: Settings) -> Decision:
    """A verdict for every example beyond the set's size, and for all: `bucket`, `rank`, `gain`, `random_rank`, `longest_rank`.

    Ranks count from 1 over all examples that reach selection; the first are the set. `gain` (Float64) is what an example added
    to the chooser's objective when it was chosen, null for the others and where no chooser was at work. The baselines rank the
    same examples by lot and by response length: their first `size` are what the chosen set has to beat. `deita` may leave
    places free: what is too similar to the chosen gets a verdict of its own with cosine, limit and the example in the set.
    Quality is the column `quality`, or the votes' percentile within their source where no example has one (the middle for a
    source without votes). Raises ConfigError where an order needs quality and there is neither.
    """
    wanted = sum(settings.quotas.values()) if settings.size is None and settings.quotas else settings.size
    size = corpus.height if wanted is None else min(wanted, corpus.height)
    rows = corpus.sort("id").with_row_index("row")
    bucketed = _bucketed(_with_worth(rows.drop("vector"), settings), settings.quotas)
    bucketed = bucketed.with_columns(held=(pl.col("decision") == "keep").fill_null(value=False))
    strata = bucketed.group_by("bucket", "stratum").agg(n=pl.len(), held=pl.sum("held")).sort("bucket", "stratum")
    places = share_out(strata, settings.quotas or {"all": size}, size, settings.temperature)
    placed = bucketed.join(places.drop("held"), on=["bucket", "stratum"])
    if settings.order not in ORDERS:
        placed = placed.join(_picked(rows, placed, settings), on="row", how="left")
    else:
        placed = placed.with_columns(pick=pl.lit(None, pl.Int64), gain=pl.lit(None, pl.Float64), twin=pl.lit(None))
    ranked = _rank(placed, settings.order)
    scores = ranked.select(
        "id",
        "bucket",
        "rank",
        pl.col("gain").round_sig_figs(6),
        random_rank=pl.struct("lot", "id").rank("ordinal").cast(pl.Int64),
        longest_rank=pl.struct(-pl.col("response_chars").cast(pl.Int64), "id").rank("ordinal").cast(pl.Int64),
    ).sort("id")
    return Decision(_verdicts(ranked, rows, settings), scores)


def _verdicts(ranked: pl.DataFrame, rows: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    out = ranked.filter(~pl.col("in_set"))
    limit = pl.lit(float(ranked.height - out.height))
    full = out.filter(pl.col("twin").is_null()).select("id", value="rank", limit=limit)
    found = [verdicts("select", "not_selected", full)]
    similar = out.filter(pl.col("twin").is_not_null())
    if similar.height:
        mine, theirs = (embed.matrix(rows["vector"].gather(similar[name])) for name in ("row", "twin"))
        cosine = pl.Series(np.einsum("ij,ij->i", mine, theirs).astype(np.float64)).round(4)
        evidence = similar.select(
            "id", other=rows["id"].gather(similar["twin"]), value=cosine, limit=pl.lit(settings.threshold)
        )
        found.append(verdicts("select", "too_similar", evidence))
    return pl.concat(found)


def _with_worth(rows: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`rows` with `worth` (Float64 in (0, 1], null where nothing is known): the percentile of quality, or of votes by source."""
    measured = rows["quality"].count() > 0
    if (
        rows.height
        and not measured
        and rows["score"].count() == 0
        and (settings.order in NEED_QUALITY or (_clip(settings) > 0 and settings.order not in ORDERS))
    ):
        hint = "" if settings.order in NEED_QUALITY else ", set select.clip: 0"
        raise ConfigError(
            f"select.order: {settings.order} needs to know good examples from bad ones, but none has a quality or votes."
            f" Have a quality measured (quality.use){hint}, or choose another order."
        )
    by_quality = pl.col("quality").cast(pl.Float64).rank("average") / pl.col("quality").count()
    # Of a source that has no votes nothing is known: its examples are neither good nor bad.
    voted = pl.when(pl.col("score").count() > 0).then(pl.col("score").rank("average") / pl.col("score").count())
    by_votes = voted.otherwise(0.5).over("source")
    return rows.with_columns(worth=by_quality if measured else by_votes)


def _clip(settings: Settings) -> float:
    return OUTLIER_CLIP.get(settings.order, 0.0) if settings.clip is None else settings.clip


def _bucketed(corpus: pl.DataFrame, quotas: dict[str, int]) -> pl.DataFrame:
    """`corpus` with its `bucket`: the narrowest quota that names it, else `source` where quotas exist, else one for all."""
    narrow = pl.concat_str("source", pl.col("group").fill_null(""), separator="/")
    bucket = pl.when(narrow.is_in(list(quotas))).then(narrow).otherwise("source") if quotas else pl.lit("all")
    # Two sources may call a stratum alike; they are two strata all the same.
    stratum = pl.concat_str("source", pl.col("stratum").fill_null(""), separator="/")
    return corpus.with_columns(bucket=bucket, stratum=stratum)


def _picked(rows: pl.DataFrame, placed: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """What the chooser took: `row`, `pick` (0, 1, ... in each bucket), `gain`, and `twin`: the row that one is too similar to."""
    found = [_picked_of(rows, mine, settings) for mine in _buckets(placed)]
    return pl.concat(found) if found else pl.DataFrame(schema=_PICK | _TWIN)


def _buckets(placed: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for _, mine in sorted(placed.group_by("bucket")):
        yield mine.sort("row")


def _picked_of(rows: pl.DataFrame, mine: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    from curate.diversity.places import Places

    # What a reviewer kept comes first, as far as there is room; a chooser fills the places that are left.
    held = mine.filter("held").sort("worth", "row", descending=[True, False], nulls_last=True)
    held = held.filter(pl.int_range(pl.len()).over("stratum") < pl.col("places"))
    taken = held.group_by("stratum").agg(taken=pl.len().cast(pl.Int64))
    lowest = mine.sort("worth", "row", nulls_last=False).head(int(_clip(settings) * mine.height))
    open_ = mine.join(lowest, on="row", how="anti").filter(~pl.col("held"))
    similar = _similar_to(held, open_, rows, settings)
    able = open_.join(similar, on="row", how="anti").join(taken, on="stratum", how="left")
    able = able.with_columns(pl.col("places") - pl.col("taken").fill_null(0)).sort("row")
    strata = able.select(pl.col("stratum").rank("dense") - 1).to_series().to_numpy().astype(np.int64)
    capacity = able.group_by("stratum").agg(pl.col("places").first()).sort("stratum")["places"].to_numpy()
    places = Places(strata, capacity)
    at = able["row"].to_numpy().astype(np.int64)
    twin = np.full(able.height, -1, dtype=np.int64)
    # Where all can stay there is nothing to choose, but for deita, which asks each whether it is new.
    if able.height and (places.total < able.height or settings.order == "deita"):
        vectors = embed.matrix(rows["vector"].gather(at))
        found, twin = _choose(vectors, places, able["worth"].fill_null(0).to_numpy(), settings)
        order, gain = found
    else:
        order, gain = np.empty(0, dtype=np.int64), np.empty(0)
    first = held["row"].to_numpy().astype(np.int64)
    pick = pl.DataFrame(
        {
            "row": np.concatenate([first, at[order]]),
            "pick": np.arange(len(first) + len(order)),
            "gain": [None] * len(first) + gain.tolist(),
        },
        schema=_PICK,
    )
    twins = pl.DataFrame({"row": at, "twin": np.where(twin >= 0, at[twin], -1)}, schema=_TWIN)
    twins = pl.concat([held.select("row", twin=pl.lit(-1, pl.Int64)), twins, similar])
    return twins.join(pick, on="row", how="left").select("row", "pick", "gain", pl.col("twin").replace(-1, None))


def _similar_to(held: pl.DataFrame, others: pl.DataFrame, rows: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Which of `others` the order deita refuses because they are too similar to one of `held`, as it does with its own choice.

    `row`, and `twin`: the one that it is most similar to; none for other orders.
    """
    if settings.order != "deita" or held.is_empty() or others.is_empty():
        return pl.DataFrame(schema=_TWIN)
    cosine = similarities(*(embed.matrix(rows["vector"].gather(frame["row"])) for frame in (others, held)))
    nearest = held["row"].gather(cosine.argmax(axis=1)).cast(pl.Int64)
    found = others.select("row").with_columns(nearest.alias("twin"))
    return found.filter(pl.Series(cosine.max(axis=1) > settings.threshold))


def _choose(
    vectors: np.ndarray, places: "Places", worth: np.ndarray, settings: Settings
) -> "tuple[Chosen, np.ndarray]":
    """What the order chooses of `vectors` (n, d), and for each row the chosen one that it is too similar to, or -1."""
    from curate.diversity import choosers
    from curate.diversity.facility import facility_location

    if settings.order == "deita":
        return choosers.deita(vectors, places, quality=worth, threshold=settings.threshold)
    if settings.order == "mix":
        found = facility_location(vectors, places, quality=worth, alpha=settings.alpha, seed=settings.seed)
    elif settings.order == "facility_location":
        found = facility_location(vectors, places, seed=settings.seed)
    elif settings.order == "kmeans":
        found = choosers.k_means(vectors, places, seed=settings.seed)
    else:
        chooser = {"k_center": choosers.k_center, "novelselect": choosers.novelselect, "dpp": choosers.dpp}
        found = chooser[settings.order](vectors, places)
    return found, np.full(len(vectors), -1, dtype=np.int64)


def _rank(placed: pl.DataFrame, order: str) -> pl.DataFrame:
    """`placed` in the order of `rank`, and whether each row is `in_set`."""
    if order == "deita":
        # A place that only twins could take stays free.
        placed = placed.with_columns(places=pl.col("pick").count().over("bucket", "stratum").cast(pl.Int64))
    first, descending = ORDERS.get(order, ORDERS["score"])
    # The j-th of a stratum with t places stands (j + 1/2)/t of the way along: below 1 exactly for those with a place.
    return (
        placed.sort(
            ["bucket", "stratum", "held", "pick", first, "lot", "id"],
            descending=[False, False, True, False, descending, False, False],
            nulls_last=True,
        )
        .with_columns(j=pl.int_range(pl.len()).over("bucket", "stratum"))
        .with_columns(way=(pl.col("j") + 0.5) / pl.when(pl.col("places") > 0).then("places").otherwise(0.5))
        .with_columns(in_set=pl.col("j") < pl.col("places"))
        .sort(~pl.col("in_set"), "way", "bucket", "stratum", "j")
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    )
