"""Fits the weights of the sarcasm cues and measures the score: every figure of docs/quality-of-rules.md, Sarcasm.

    python benchmarks/sarcasm_quality.py [../shared/data]

Prints the fitted constant and weights beside those in the code, then the tables. Nothing is random but the bootstrap,
which is seeded.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from lxml import etree
from scipy.optimize import minimize
from scipy.stats import rankdata
from selectolax.lexbor import LexborHTMLParser

from curate.rules import sarcasm
from curate.rules.sarcasm_cues import CUES

DATA = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data")
# In the fit each labelled set weighs 1,000 sarcastic and 1,000 plain texts, and each set of plain answers 3,000, so that
# a quarter of all weight is sarcastic. The headlines stay out: their genre shares no cue with the others.
FITTED = ("forum (Sarcasm V2 GEN)", "reddit (FigLang 2020)", "tweets (iSarcasmEval)")
HEADLINES = "headlines (Onion/HuffPost)"
PLAIN = ("wikiHow", "Stack Exchange")
RIDGE = 10.0
STRICT = 0.8
LONG = 300


def labelled() -> dict[str, pl.DataFrame]:
    """Frames of text and label (true: sarcastic). The forum set writes `:rolleyes:` as `emoticonXRolleyes`."""
    folder = DATA / "sarcasm"
    gen = pl.read_csv(folder / "GEN-sarc-notsarc.csv").select(
        text=pl.col("text").str.replace_all(r"(?i)emoticonx(\w+)", ":${1}:"), label=pl.col("class") == "sarc"
    )
    reddit = pl.read_ndjson(folder / "figlang2020_reddit_train.jsonl").select(
        text="response", label=pl.col("label") == "SARCASM"
    )
    tweets = pl.read_csv(folder / "isarcasm_train.En.csv").select(text="tweet", label=pl.col("sarcastic") == 1)
    headlines = pl.read_ndjson(folder / "Sarcasm_Headlines_Dataset.json").select(
        text="headline", label=pl.col("is_sarcastic") == 1
    )
    return dict(zip((*FITTED, HEADLINES), (gen, reddit, tweets.drop_nulls(), headlines), strict=True))


def plain() -> dict[str, pl.DataFrame]:
    """Answers taken for not sarcastic."""
    wikihow = pl.read_csv(DATA / "raw/wikihow/wikihow_lists.csv", infer_schema=False)["result"].drop_nulls()
    sites = ("beer", "quantumcomputing")
    answers = [text for site in sites for text in stackexchange(DATA / f"raw/stackexchange/{site}/Posts.xml")]
    lima = [example["output"] for example in json.loads((DATA / "instruction/lima/lima.json").read_text("utf-8"))]
    alpaca = [example["output"] for example in json.loads((DATA / "instruction/alpaca_5000.json").read_text("utf-8"))]
    texts = {"wikiHow": wikihow.to_list(), "Stack Exchange": answers, "LIMA": lima, "Alpaca": alpaca}
    return {name: pl.DataFrame({"text": of, "label": [False] * len(of)}) for name, of in texts.items()}


def stackexchange(path: Path) -> list[str]:
    texts = []
    for _, row in etree.iterparse(path, tag="row"):
        if row.get("PostTypeId") == "2":
            body = LexborHTMLParser(row.get("Body"))
            body.strip_tags(["pre", "code", "blockquote"])
            texts.append(body.text().strip())
    return texts


def values(frame: pl.DataFrame) -> np.ndarray:
    """Cue values, shape (rows, cues)."""
    return (
        frame.select(sarcasm.values(pl.col("text")).alias("of"))
        .unnest("of")
        .select(cue.name for cue in CUES)
        .to_numpy()
    )


FREE = np.array([cue.origin == "fit" for cue in CUES])
HAND = np.array([0.0 if cue.origin == "fit" else cue.weight for cue in CUES])


def fit(names, x, y) -> np.ndarray:
    """Constant and weights of the ridge-penalised logistic regression; no weight below zero, hand-set ones as they are."""
    rows = np.vstack([x[name] for name in names])
    labels = np.concatenate([y[name] for name in names])
    weight = np.concatenate(
        [np.where(y[n], 1000 / max(y[n].sum(), 1), (3000 if n in PLAIN else 1000) / (~y[n]).sum()) for n in names]
    )
    free, offset = rows[:, FREE], rows @ HAND

    def loss(theta):
        z = theta[0] + free @ theta[1:] + offset
        error = weight * (1 / (1 + np.exp(-z)) - labels)
        value = (weight * (np.logaddexp(0, z) - labels * z)).sum() + RIDGE / 2 * (theta[1:] ** 2).sum()
        return value, np.concatenate([[error.sum()], free.T @ error + RIDGE * theta[1:]])

    bounds = [(None, None)] + [(0, None)] * FREE.sum()
    theta = minimize(loss, np.zeros(1 + FREE.sum()), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-10).x
    weights = HAND.copy()
    weights[FREE] = theta[1:]
    return np.concatenate([theta[:1], weights])


def probability(theta, x):
    return 1 / (1 + np.exp(-(theta[0] + x @ theta[1:])))


def auc(y, p) -> float:
    ranks, positive = rankdata(p), y.sum()
    return (ranks[y].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive))


def interval(y, p, draws=300):
    rng = np.random.default_rng(0)
    picks = (rng.integers(0, len(y), len(y)) for _ in range(draws))
    return np.quantile([auc(y[i], p[i]) for i in picks], [0.025, 0.975])


def share(part, whole) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def main() -> None:
    sets, answers = labelled(), plain()
    everything = sets | answers
    x = {name: values(frame) for name, frame in everything.items()}
    y = {name: frame["label"].to_numpy() for name, frame in everything.items()}
    in_fit = (*FITTED, *PLAIN)
    fitted = fit(in_fit, x, y)

    print(f"constant: fitted {fitted[0]:.2f}, in the code {sarcasm.INTERCEPT:.2f}\n")
    header = ["cue", "weight", "in the code", "origin", *sets]
    print("| " + " | ".join(header) + " |\n" + "| --- " * len(header) + "|")
    for column, cue in enumerate(CUES):
        cells = []
        for name in sets:
            hit = x[name][:, column] > 0
            cells.append(f"{share((hit & y[name]).sum(), hit.sum())} of {hit.sum():,}")
        print(
            "| " + " | ".join([cue.name, f"{fitted[1 + column]:.2f}", f"{cue.weight:.2f}", cue.origin, *cells]) + " |"
        )

    code = np.array([sarcasm.INTERCEPT, *(cue.weight for cue in CUES)])
    print(
        "\n| set | n | sarcastic | weights | AUC | 95 % | flagged > 0.5 | precision | recall"
        f" | flagged > {STRICT} | precision | recall |\n" + "| --- " * 12 + "|"
    )
    # The forum set alone has texts of the length that a build keeps.
    long = sets[FITTED[0]]["text"].str.len_chars().to_numpy() >= LONG
    x[f"{FITTED[0]}, from {LONG} characters"], y[f"{FITTED[0]}, from {LONG} characters"] = (
        x[FITTED[0]][long],
        y[FITTED[0]][long],
    )
    for name in [name for name in y if name not in answers]:
        others = fit([other for other in in_fit if not name.startswith(other)], x, y)
        for label, theta in (("without this set", others), ("in the code", code)):
            p, truth = probability(theta, x[name]), y[name]
            low, high = interval(truth, p)
            cells = [name, f"{len(truth):,}", share(truth.sum(), len(truth)), label, f"{auc(truth, p):.3f}"]
            cells.append(f"{low:.3f}–{high:.3f}")
            for limit in (0.5, STRICT):
                flagged = p > limit
                right = (flagged & truth).sum()
                cells += [f"{flagged.sum():,}", share(right, flagged.sum()), share(right, truth.sum())]
            print("| " + " | ".join(cells) + " |")

    print(f"\n| answers | n | weights | > 0.5 | > {STRICT} | highest |\n" + "| --- " * 6 + "|")
    for name in answers:
        others = fit([other for other in in_fit if other != name], x, y)
        for label, theta in (("without this set", others), ("in the code", code)):
            p = probability(theta, x[name])
            cells = [
                name,
                f"{len(p):,}",
                label,
                f"{(p > 0.5).mean():.2%}",
                f"{(p > STRICT).mean():.2%}",
                f"{p.max():.2f}",
            ]
            print("| " + " | ".join(cells) + " |")

    texts = pl.DataFrame({"response": (answers["LIMA"]["text"].str.slice(0, 2100).to_list() * 20)}).with_columns(
        score=None
    )
    start = perf_counter()
    texts.lazy().select(sarcasm.score()).collect()
    rate = texts.height / (perf_counter() - start)
    print(f"\nspeed: {rate:,.0f} texts per second, mean {texts['response'].str.len_bytes().mean():,.0f} bytes")


if __name__ == "__main__":
    main()
