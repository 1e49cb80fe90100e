"""How near answers to training prompts come to the training answers: what NEFTune's figure 4 shows of overfitting.

ROUGE-L is the F-measure of rouge-score (Lin 2004), without stemming; BLEU is sacrebleu's sentence BLEU-4 (Papineni et al. 2002;
Post 2018), exponential smoothing, effective order. Both in [0, 1].
"""

import polars as pl

from curate.errors import InputError

SCORES = ("rouge_l", "bleu_4")


def scored(answers: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """`answers` (generator, prompt_id, output) that have a reference (`references`: prompt_id, reference), with SCORES.

    Raises InputError where no answer's prompt is among the references.
    """
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU

    rows = answers.filter(pl.col("output").is_not_null()).join(
        references.select("prompt_id", "reference"), on="prompt_id", maintain_order="left"
    )
    if rows.is_empty():
        raise InputError(
            "no answer is to a prompt of the training set (by prompt_id): answer its own prompts,"
            " python -m evaluate answer --prompts DATASET"
        )
    rouge, bleu = RougeScorer(["rougeL"], use_stemmer=False), BLEU(effective_order=True)
    found = [
        (
            rouge.score(reference, output)["rougeL"].fmeasure,
            bleu.sentence_score(output, [reference]).score / 100 if output.strip() else 0.0,
        )
        for output, reference in zip(rows["output"], rows["reference"], strict=True)
    ]
    return rows.select("generator", "prompt_id").hstack(
        pl.DataFrame(found, schema=dict.fromkeys(SCORES, pl.Float64), orient="row")
    )
