"""From what was won and lost back to the data: the training examples nearest to each prompt, and what was dropped near it.

Nearness is cosine of sentence embeddings of the questions. It says where a prompt's neighbourhood in the training set is,
not what made the model answer as it did: influence would need gradients, and the tables here claim no cause.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

RESAMPLES = 2000
# What is dropped so near to a lost prompt, or taught so near to it, that a person should look: so many of each a prompt.
SUGGESTED = 3


class Traced(NamedTuple):
    """`taught`: prompt_id, id, cosine, place (1 is nearest) of the k nearest training examples; `nearer`: prompt_id, id, cosine
    of dropped candidates that are nearer to the prompt than every training example.
    """

    taught: pl.DataFrame
    nearer: pl.DataFrame


def trace(prompts: pl.DataFrame, kept: pl.DataFrame, dropped: pl.DataFrame, nearest: int) -> Traced:
    """Each prompt's neighbourhood. All frames have an id (`prompt_id` or `id`) and a unit `vector`, an Array of one width."""
    asked, ours, gone = (_matrix(frame) for frame in (prompts, kept, dropped))
    near = asked @ ours.T
    order = np.argsort(-near, axis=1, kind="stable")[:, :nearest]
    rows, places = np.repeat(np.arange(len(asked)), order.shape[1]), np.tile(np.arange(order.shape[1]), len(asked))
    taught = pl.DataFrame(
        {
            "prompt_id": prompts["prompt_id"].gather(rows),
            "id": kept["id"].gather(order.ravel()),
            "cosine": np.take_along_axis(near, order, 1).ravel(),
            "place": places + 1,
        }
    )
    beside = asked @ gone.T
    at = np.nonzero(beside > near.max(axis=1, keepdims=True))
    nearer = pl.DataFrame(
        {"prompt_id": prompts["prompt_id"].gather(at[0]), "id": dropped["id"].gather(at[1]), "cosine": beside[at]}
    )
    return Traced(taught, nearer.sort("prompt_id", "cosine", "id", descending=[False, True, False]))


def outcomes(values: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """`values` (prompt_id, value) with `outcome`: won above the threshold, lost below, even at it."""
    value = pl.col("value")
    outcome = (
        pl.when(value > threshold)
        .then(pl.lit("won"))
        .when(value < threshold)
        .then(pl.lit("lost"))
        .otherwise(pl.lit("even"))
    )
    return values.with_columns(outcome=outcome).sort("prompt_id")


def leanings(taught: pl.DataFrame, traits: pl.DataFrame, judged: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """How much the neighbourhoods of won and of lost prompts are made of each trait of the training examples.

    `traits`: id and one column a kind of trait (source, topic …); `judged`: of `outcomes`. A row: kind, trait, `won` and `lost`
    (the mean share of the nearest examples that have the trait), `difference` = won - lost with its 95 % interval `low`,
    `high` (prompts resampled), `set` (the trait's share of the training set). Sorted by kind and the size of the difference.
    """
    found = []
    for kind in (name for name in traits.columns if name != "id"):
        named = traits.select("id", trait=pl.col(kind).cast(pl.String).fill_null("none"))
        shares = (
            taught.join(named, on="id")
            .group_by("prompt_id", "trait")
            .len("n")
            .with_columns(share=pl.col("n") / pl.col("n").sum().over("prompt_id"))
        )
        whole = named.group_by("trait").agg(set=pl.len() / named.height)
        found.append(
            _contrast(shares, judged, seed).join(whole, on="trait", how="left").with_columns(kind=pl.lit(kind))
        )
    return _sorted(found, ["kind"])


def crowded_out(nearer: pl.DataFrame, rules: pl.DataFrame, judged: pl.DataFrame, seed: int = 1) -> pl.DataFrame:
    """Which rules dropped candidates that are nearer to a prompt than anything in the training set.

    `rules`: id, rule (one row a verdict). A row: trait (the rule), `won` and `lost` (the share of won and of lost prompts with such
    a candidate), `difference` = won - lost with its interval, `candidates` (different ones). Sorted by `lost`.
    """
    hits = nearer.join(rules, on="id").select("prompt_id", "id", trait="rule")
    any_hit = hits.unique(["prompt_id", "trait"]).select("prompt_id", "trait", share=pl.lit(1.0))
    count = hits.group_by("trait").agg(candidates=pl.col("id").n_unique())
    return _contrast(any_hit, judged, seed).join(count, on="trait", how="left").sort(
        ["lost", "trait"], descending=[True, False]
    )  # fmt: skip


def suggestions(traced: Traced, judged: pl.DataFrame) -> pl.DataFrame:
    """What a reviewer should look at next: id, prompt_id, cosine, `why` (taught: in the set, near a lost prompt; missing: dropped,
    nearer to it than anything in the set). Worst prompt first; an example once, for the worst prompt it is near to.
    """
    lost = judged.filter(pl.col("outcome") == "lost").sort("value", "prompt_id").with_row_index("worst")
    taught = traced.taught.filter(pl.col("place") <= SUGGESTED).select(
        "prompt_id", "id", "cosine", why=pl.lit("taught")
    )
    missing = traced.nearer.group_by("prompt_id", maintain_order=True).head(SUGGESTED)
    both = pl.concat([missing.with_columns(why=pl.lit("missing")).select(taught.columns), taught])
    ranked = lost.select("prompt_id", "worst").join(both, on="prompt_id")
    ordered = ranked.sort(["worst", "why", "cosine", "id"], descending=[False, False, True, False])
    return ordered.unique("id", keep="first", maintain_order=True).select("id", "prompt_id", "cosine", "why")


def _contrast(shares: pl.DataFrame, judged: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Means of `share` (prompt_id, trait, share; absent is 0) over won and over lost prompts, and their difference."""
    prompts = judged.filter(pl.col("outcome") != "even")
    names = shares["trait"].unique().sort()
    table = np.zeros((prompts.height, len(names)))
    places = shares.join(prompts.select("prompt_id").with_row_index("row"), on="prompt_id").join(
        names.to_frame("trait").with_row_index("column"), on="trait"
    )
    table[places["row"].to_numpy(), places["column"].to_numpy()] = places["share"].to_numpy()
    won = (prompts["outcome"] == "won").to_numpy()
    generator = np.random.default_rng(seed)
    means, drawn = [], []
    for group in (table[won], table[~won]):
        n = max(len(group), 1)
        weights = generator.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n if len(group) else np.zeros((RESAMPLES, 0))
        means.append(group.mean(0) if len(group) else np.full(len(names), np.nan))
        drawn.append(weights @ group if len(group) else np.full((RESAMPLES, len(names)), np.nan))
    low, high = np.quantile(drawn[0] - drawn[1], (0.025, 0.975), axis=0)
    columns = {"won": means[0], "lost": means[1], "difference": means[0] - means[1], "low": low, "high": high}
    return pl.DataFrame({"trait": names, **columns}, schema_overrides={"trait": pl.String}).fill_nan(None)


def _sorted(found: list[pl.DataFrame], first: list[str]) -> pl.DataFrame:
    schema = {
        "kind": pl.String,
        "trait": pl.String,
        **dict.fromkeys(("won", "lost", "difference", "low", "high", "set"), pl.Float64),
    }
    table = pl.concat([frame.select(list(schema)) for frame in found]) if found else pl.DataFrame(schema=schema)
    return table.sort(
        [*first, pl.col("difference").abs(), "trait"], descending=[False] * len(first) + [True, False], nulls_last=True
    )


def _matrix(frame: pl.DataFrame) -> np.ndarray:
    dtype = frame.schema["vector"]
    width = dtype.shape[0] if isinstance(dtype, pl.Array) else 0
    return frame["vector"].to_numpy().reshape(-1, width) if frame.height else np.zeros((0, width), dtype=np.float32)
