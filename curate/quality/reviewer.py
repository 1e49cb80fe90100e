"""A score learned from the reviewer's own decisions to keep or reject."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from curate import files
from curate.chat import Message
from curate.decisions import hashes
from curate.errors import ConfigError, InputError

# Below this many decisions a cross-validated AUC says next to nothing: its interval is wider than 0.4.
MIN_DECISIONS = 30
FOLDS = 5
# Inverse strength of the L2 penalty. With LIMA's examples to keep and Alpaca's to reject, 0.1, 1, 10 and 100 rank unseen
# examples with AUC 0.908, 0.924, 0.933 and 0.933 after 100 decisions.
STRENGTH = 10.0
Z95 = 1.959963984540054


class Auc(NamedTuple):
    """Area under the ROC curve of predictions out of fold, and its 95 % interval."""

    value: float
    low: float
    high: float


class Learned(NamedTuple):
    """`scores`: for each row the probability of "keep", shape (n,); how well they hold; decisions that were learned from."""

    scores: np.ndarray
    auc: Auc
    decisions: int


def decisions(path: Path) -> pl.DataFrame:
    """`content` (String: `curate.text.content_hashes`) and `keep` (Boolean) of a log of decisions, one row a content.

    The log is JSON Lines: {"content": hash, "decision": "keep" | "reject", ...}; of several decisions on one content the
    last counts. A line with "messages" is an edit, and a keep of the text that it makes too, unless a line says otherwise.
    Raises ConfigError where the file is missing, InputError where a line is anything else.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected the reviewer's decisions as JSON Lines (content, decision)")
    found: dict[str, bool] = {}
    made: list[list[Message]] = []
    for number, row in files.json_lines(path):
        if isinstance(row, files.Unreadable):
            raise InputError(f"{path}:{number}: {row.reason}")
        content, decision = row.get("content"), row.get("decision")
        if not isinstance(content, str) or decision not in ("keep", "reject"):
            raise InputError(
                f"{path}:{number}: content {content!r}, decision {decision!r}; expected a hash and 'keep' or 'reject'"
            )
        found[content] = decision == "keep"
        if row.get("messages"):
            made.append(row["messages"])
    found = dict.fromkeys(_hashes(made, path), True) | found
    schema = {"content": pl.String, "keep": pl.Boolean}
    return pl.DataFrame({"content": list(found), "keep": list(found.values())}, schema=schema)


def _hashes(made: list[list[Message]], path: Path) -> list[str]:
    try:
        return hashes(made)
    except InputError as error:
        raise InputError(f"{path}: the messages of an edit: {error}") from error


def learn(values: np.ndarray, vectors: np.ndarray, contents: pl.Series, decided: pl.DataFrame) -> Learned:
    """A logistic regression on `values` (n, r) and `vectors` (n, d) of the rows that `decided` speaks of, for all rows.

    `contents` (n,) says which row is which content; of a content that stands in several rows the first is learned from. Each
    feature is standardised over all n rows, a missing one (NaN) is its mean, and each block is divided by the square root
    of its number of features, so that hundreds of dimensions of an embedding weigh as much as all rule values. The AUC is
    that of predictions by models that did not see the row (stratified folds; those do not depend on the order of rows).
    Raises ConfigError below 30 decisions, or where fewer than 2 are to keep or to reject.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rows = (
        pl.DataFrame({"content": contents}).with_row_index("row").unique("content", keep="first", maintain_order=True)
    )
    labelled = rows.join(decided, on="content").sort("content")
    keep, places = labelled["keep"].to_numpy().astype(int), labelled["row"].to_numpy()
    _refuse(keep, decided.height)
    features = np.hstack([_block(values), _block(vectors)])
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    folds = StratifiedKFold(min(FOLDS, int(np.bincount(keep).min())), shuffle=True, random_state=0)
    out_of_fold = cross_val_predict(model, features[places], keep, cv=folds, method="decision_function")
    scores = model.fit(features[places], keep).predict_proba(features)[:, 1]
    return Learned(scores, auc(out_of_fold, keep), len(keep))


def _refuse(keep: np.ndarray, decided: int) -> None:
    kept, rejected = int(keep.sum()), int((1 - keep).sum())
    if len(keep) < MIN_DECISIONS or min(kept, rejected) < 2:
        raise ConfigError(
            f"quality.reviewer: {len(keep)} of {decided} decisions speak of examples that reach this stage, {kept} to keep"
            f" and {rejected} to reject; a score is learned from {MIN_DECISIONS}, at least 2 of each: review more, or set"
            " quality.reviewer to null"
        )


def _block(features: np.ndarray) -> np.ndarray:
    """Features (n, k) with mean 0, variance 1 and no gaps, divided by the square root of how many of them vary."""
    features = features.astype(np.float64)
    known = np.isfinite(features)
    mean = np.divide(np.where(known, features, 0).sum(0), np.maximum(known.sum(0), 1))
    centred = np.where(known, features - mean, 0.0)
    spread = np.sqrt((centred**2).mean(0)) if len(centred) else np.zeros(features.shape[1])
    # A constant has no spread but rounding's.
    varies = spread > 1e-9 * np.maximum(np.abs(mean), 1)
    scaled: np.ndarray = centred[:, varies] / spread[varies] / np.sqrt(max(int(varies.sum()), 1))
    return scaled


def auc(predicted: np.ndarray, positive: np.ndarray) -> Auc:
    """P(a positive ranks above a negative), ties half, and its 95 % interval; both arguments of shape (n,).

    The interval is Newcombe's method 5 (Statistics in Medicine 25, 2006, p. 559): the areas whose own standard error, by
    Hanley and McNeil with N = n/2 in place of both group sizes, puts the observed one within 1.96 of them. It stays in
    [0, 1] and does not shrink to nothing where the ranking is perfect.
    """
    from scipy.optimize import brentq
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score(positive, predicted))
    m, n = int(positive.sum()), int(len(positive) - positive.sum())
    half = (m + n) / 2 - 1

    def beyond(a: float) -> float:
        variance = a * (1 - a) * (1 + half * (1 - a) / (2 - a) + half * a / (1 + a)) / (m * n)
        return float((area - a) ** 2 - Z95**2 * variance)

    # The observed area itself is left out: a perfect one has no standard error and would be its own bound.
    step = 1e-9
    low = brentq(beyond, 0, area - step) if area > step else 0.0
    high = brentq(beyond, area + step, 1) if area < 1 - step else 1.0
    return Auc(area, float(low), float(high))
