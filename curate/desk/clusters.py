"""Clusters of duplicates among the candidates, and the one decision that settles one: keep this, drop the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curate.desk.model import Desk
from curate.review.log import Decision

STAGES = ("exact", "near", "meaning")
DUPLICATE = "duplicate"


class Member(NamedTuple):
    """One of a cluster: `similarity` to the one it gave way to (1 for equal texts), None for the one that stayed."""

    row: int
    similarity: float | None
    stage: str | None


def clusters(desk: Desk, stages: Sequence[str] = STAGES) -> pl.DataFrame:
    """The clusters that these stages found, largest first: `kept` (row of the one that stayed), `size`, `members` (List: the
    rows of all, the kept one first), `stages` (List: those that found it, in order).

    Members are linked by who gave way to whom, whatever the number of steps. Of several that gave way to nobody the one
    that the build kept stands first, then the first in input order.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = _edges(desk, stages)
    n = desk.candidates.height
    gone, stayed = edges["row"].to_numpy(), edges["other"].to_numpy()
    _, label = connected_components(coo_matrix((np.ones(len(gone), bool), (gone, stayed)), (n, n)), directed=False)
    inside = pl.concat([edges["row"], edges["other"]]).unique().sort()
    members = pl.DataFrame({"row": inside, "cluster": label[inside.to_numpy()]}).with_columns(
        gave_way=pl.col("row").is_in(edges["row"].implode()), dropped=desk.candidates["fate"].gather(inside) != "kept"
    )
    ordered = members.sort("gave_way", "dropped", "row")
    found = ordered.group_by("cluster", maintain_order=True).agg(
        kept=pl.col("row").first(), size=pl.len().cast(pl.Int64), members=pl.col("row")
    )
    by = edges.with_columns(cluster=pl.Series(label[gone])).group_by("cluster").agg(stages=pl.col("stage").unique())
    ranked = pl.col("stages").list.eval(pl.element().sort_by(pl.element().replace_strict(list(STAGES), [0, 1, 2])))
    joined = found.join(by.with_columns(ranked), on="cluster", how="left")
    return joined.sort("size", "kept", descending=[True, False]).select("kept", "size", "members", "stages")


def members(desk: Desk, rows: Sequence[int], stages: Sequence[str] = STAGES) -> list[Member]:
    """These rows of a cluster, the ones that gave way to nobody first, then the most similar."""
    closest = _edges(desk, stages).filter(pl.col("row").is_in(rows)).sort("value", descending=True)
    best = {row["row"]: row for row in closest.unique("row", keep="first", maintain_order=True).to_dicts()}
    found = [
        Member(row, best[row]["value"], best[row]["stage"]) if row in best else Member(row, None, None) for row in rows
    ]
    return sorted(found, key=lambda member: (member.similarity is not None, -(member.similarity or 0.0)))


def keep_one(desk: Desk, kept: int, rows: Sequence[int], reviewer: str, session: str, act: str) -> list[Decision]:
    """The decisions of one act, `act` its token: keep `kept`, reject the other rows as duplicates.

    Decisions are on texts: a row with the very text of the kept one is decided with it, not against it.
    """
    names = desk.candidates[list(dict.fromkeys([kept, *rows]))].select("content", "id")
    texts = names.unique("content", keep="first", maintain_order=True).to_dicts()
    return [
        Decision(
            reviewer,
            session,
            f"{act} {number}",
            text["content"],
            text["id"],
            "reject" if number else "keep",
            (DUPLICATE,) if number else (),
        )._replace(act=act)
        for number, text in enumerate(texts)
    ]


def _edges(desk: Desk, stages: Sequence[str]) -> pl.DataFrame:
    """Who gave way to whom: `row`, `other`, `stage`, `value` (the similarity; of equal texts 1: their verdict counts copies)."""
    value = pl.when(pl.col("stage") == "exact").then(1.0).otherwise("value")
    mine = desk.verdicts.filter(pl.col("stage").is_in(stages) & pl.col("other").is_not_null())
    return mine.select("row", "other", "stage", value=value)
