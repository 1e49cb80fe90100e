"""What the rows of `perplexity` say: figures of documents and corpora, and which models may be ranked by which.

A perplexity per token compares models that read the texts as the same tokens, and no others: of two tokenizers the one with
longer tokens has the higher perplexity at the same skill. Per word and per byte, and in bits per byte, what is divided by
does not depend on the model.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curate.coefficients import ratio
from curate.errors import ConfigError, InputError

from . import intervals
from .intervals import Floats

Row = dict[str, Any]

# A view of a document, and what the names of its columns begin with.
VIEWS = {"answers": "answer_", "whole": ""}
FIGURES = ("token_perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte")
_SHOWN = 5


def figures(nats: float | None, tokens: float, words: float, text_bytes: float) -> dict[str, float | None]:
    """Perplexity per token, word and byte, exp(nats / count), and bits per byte, nats / (ln 2 · bytes).

    The formulas of lm-eval (`word_perplexity`, `byte_perplexity`, `bits_per_byte`); None where nothing is counted.
    """
    counts = (tokens, words, text_bytes)
    per = [None if nats is None or not count else nats / count for count in counts]
    found = [None if one is None else math.exp(min(one, 700.0)) for one in per]
    bits = None if per[-1] is None else per[-1] / math.log(2)
    return dict(zip(FIGURES, [*found, bits], strict=True))


def report(rows: Sequence[Row], by: str, view: str | None = None, rounds: int = 1000, seed: int = 1) -> Row:
    """The corpus figures of each model in both views, and the models ranked by one figure, the best first.

    Sums run over the documents that every model could measure. `low`, `high` (95 %) of bits per byte come from drawing
    documents anew, the same for all models; `behind` is the difference from the best of the view, in bits per byte, null
    where templates wrote different texts. The ranking is of `view`, by default of the answers where there are any. Raises
    ConfigError where `by` cannot compare these models: per token with different tokenizers, the whole text where templates
    wrote different ones; InputError where no document was measured for all.
    """
    names = list(dict.fromkeys(row["model"] for row in rows))
    table = {(row["model"], row["id"]): row for row in rows}
    ids = list(dict.fromkeys(row["id"] for row in rows))
    shared = [one for one in ids if all(table.get((name, one), {}).get("status") == "ok" for name in names)]
    if not shared:
        states = ", ".join(sorted({row["status"] for row in rows}))
        raise InputError(f"no document was measured for all of {', '.join(names)} (status: {states})")
    corpora = {view: _corpus(table, names, shared, view, rounds, seed) for view in VIEWS}
    chosen = view or ("answers" if corpora["answers"] else "whole")
    if not corpora[chosen]:
        raise ConfigError("--view answers: none of the documents has an assistant's turn; take --view whole")
    alike = _same(table, names, shared, "tokenization")
    if len(names) > 1:
        _check_rank(table, names, shared, by, chosen, alike=alike)
    order = sorted(corpora[chosen], key=lambda row: (row[by] is None, row[by] or 0.0, row["model"]))
    found: Row = {
        "documents": len(shared),
        "tokenizers_differ": not alike,
        "rank_by": by,
        "view": chosen,
        "ranking": [row["model"] for row in order],
        "models": [row for view in VIEWS for row in corpora[view]],
        "empty": [one for one in ids if any(table.get((n, one), {}).get("status") == "empty" for n in names)],
        "not_finite": [one for one in ids if any(table.get((n, one), {}).get("status") == "not_finite" for n in names)],
        "unanswered": [one for one in shared if table[names[0], one]["answer_tokens"] is None]
        if corpora["answers"]
        else [],
    }
    return {**found, "notes": _notes(found, table, names, shared)}


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _corpus(
    table: Mapping[tuple[str, str], Row], names: Sequence[str], shared: Sequence[str], view: str, rounds: int, seed: int
) -> list[Row]:
    """One row a model; none where the view has nothing."""
    lead = VIEWS[view]
    ids = [one for one in shared if all(table[name, one][f"{lead}nats"] is not None for name in names)]
    if not ids:
        return []
    columns = {
        kind: np.array([[table[name, one][f"{lead}{kind}"] for name in names] for one in ids], dtype=np.float64)
        for kind in ("nats", "tokens", "words", "bytes")
    }
    sums = {kind: values.sum(axis=0) for kind, values in columns.items()}
    rate = _bits(sums["nats"], sums["bytes"])
    # A difference between models is one on the same bytes.
    same = bool((columns["bytes"] == columns["bytes"][:, [0]]).all())
    best = int(np.nanargmin(rate)) if not np.isnan(rate).all() else 0
    # Of one document there is nothing to draw.
    draws = [
        _bits(weights @ columns["nats"], weights @ columns["bytes"])
        for weights in intervals.resamples(len(ids), rounds if len(ids) > 1 else 0, seed, len(names))
    ]
    drawn = np.concatenate(draws) if draws else np.full((1, len(names)), np.nan)
    low, high = intervals.percentiles(drawn, 0.95)
    near, far = intervals.percentiles(drawn - drawn[:, [best]], 0.95)
    return [
        {
            "model": name,
            "view": view,
            "documents": len(ids),
            **{kind: int(sums[kind][i]) for kind in ("tokens", "words", "bytes")},
            "nats": float(sums["nats"][i]),
            **figures(float(sums["nats"][i]), *(float(sums[kind][i]) for kind in ("tokens", "words", "bytes"))),
            **{key: _number(values[i]) for key, values in (("low", low), ("high", high))},
            "behind": _number(rate[i] - rate[best]) if same else None,
            **{
                key: _number(values[i]) if same else None
                for key, values in (("behind_low", near), ("behind_high", far))
            },
        }
        for i, name in enumerate(names)
    ]


def _bits(nats: Floats, text_bytes: Floats) -> Floats:
    return ratio(nats, text_bytes * math.log(2))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _same(table: Mapping[tuple[str, str], Row], names: Sequence[str], shared: Sequence[str], field: str) -> bool:
    return all(len({table[name, one][field] for name in names}) == 1 for one in shared)


def _check_rank(
    table: Mapping[tuple[str, str], Row],
    names: Sequence[str],
    shared: Sequence[str],
    by: str,
    view: str,
    *,
    alike: bool,
) -> None:
    if view == "whole" and not _same(table, names, shared, "bytes"):
        raise ConfigError(
            "--view whole: the models' chat templates write different texts, so there is nothing to compare. Give all of"
            " them one --template, or rank by the answers: --view answers"
        )
    if by == "token_perplexity" and not alike:
        counts = ", ".join(
            f"{name} {sum(table[name, one][f'{VIEWS[view]}tokens'] or 0 for one in shared):,}" for name in names
        )
        raise ConfigError(
            f"--rank {by}: these models read the same texts as different tokens ({counts}), so a perplexity per token of one"
            " says nothing beside that of another. Take --rank bits_per_byte"
        )


def _notes(found: Row, table: Mapping[tuple[str, str], Row], names: Sequence[str], shared: Sequence[str]) -> list[str]:
    notes = []
    if found["tokenizers_differ"]:
        notes.append(
            "the models read the texts as different tokens: perplexities per token are each model's own and are not"
            f" compared; ranked by {found['rank_by']}"
        )
    if any(row["view"] == "whole" and row["behind"] is None for row in found["models"]):
        notes.append(
            "the models' chat templates write different texts: their figures of the whole text are not compared"
        )
    for kind, words in (
        ("empty", "documents without a token, left out"),
        ("not_finite", "documents with a probability that is no number, left out"),
        ("unanswered", "documents without an assistant's turn, counted in the whole text alone"),
    ):
        if found[kind]:
            notes.append(f"{words}: {len(found[kind]):,} ({listed(found[kind])})")
    for name in names:
        unknown = sum(table[name, one]["unknown"] for one in shared)
        if unknown:
            notes.append(
                f"{name}: {unknown:,} tokens stand for text that its tokenizer cannot write, so its figures are too good"
            )
    return notes
