"""How hard an instruction is for a language model to follow: what its answer costs with and without it.

IFD (Li et al. 2023, "From Quantity to Quality"; repository Cherry_LLM): the mean loss of the answer after the instruction
over that of the answer alone. Below 1 the instruction helps; the nearer to 1, the less, the harder and the more there is
to learn; from 1 on the answer does not go with the instruction, and the example is dropped. Superfiltering (Li et al.
2024) takes the ratio of perplexities, exp of the difference of the same two losses: below 1 for the same examples, in
another order. Both repositories lose the first token of an answer alone to a tokenizer without BOS; here both losses are
means over the same tokens.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator, Field

from curate.chat import Message, to_messages
from curate.config import Strict
from curate.lm import local, models

PLACE = "{content}"


def _one_place(text: str) -> str:
    if text.count(PLACE) != 1:
        raise ValueError(f"has {PLACE} {text.count(PLACE)} times; it stands once where the turn's text goes")
    return text


Turn = Annotated[str, AfterValidator(_one_place)]


class Template(Strict):
    """How turns are written for the model: the fields of Alpaca's template, in words of our own."""

    opening: str = Field(
        "The instruction below sets a task. The response after it carries the task out in full.\n\n",
        description="what the text begins with",
    )
    system: Turn = Field("{content}\n\n", description="a system message")
    user: Turn = Field("### Instruction:\n{content}\n\n", description="what the user says")
    tool: Turn = Field("### Input:\n{content}\n\n", description="what a tool says")
    assistant: Turn = Field(
        "### Response:\n{content}\n\n", description="an answer; the last one's text is what is measured"
    )


def context(turns: Sequence[Message], template: Template) -> str:
    """All that stands before the last answer: every earlier turn, and what the template writes before an answer."""
    written = [getattr(template, turn["role"]).replace(PLACE, turn["content"]) for turn in turns[:-1]]
    return "".join([template.opening, *written, template.assistant.partition(PLACE)[0]])


def losses(examples: pl.DataFrame, settings: models.Settings, template: Template) -> pl.DataFrame:
    """What the last answer of each EXAMPLE row costs a causal model, given all turns before it, and alone.

    `loss_given`, `loss_alone` (Float64: nats per token of the answer), `loss_tokens` (UInt32) and `ifd_status` (String).
    Unless the status is `ok` the losses are null: the answer is `empty` or `too_long` for the model, the turns before it
    do not fit in front of it (`context_cut`: what is left of them is not the instruction), or a loss is `not_finite`.
    Raises ConfigError as `local.logprobs` does.
    """
    rows: list[dict[str, Any]] = examples.select("system", "history", "prompt", "prompt_role", "response").to_dicts()
    contexts = [context(to_messages(row), template) for row in rows]
    answers = [row["response"] for row in rows]
    # One call for both: texts of one length share a pass, whatever stands before the answer.
    both = local.logprobs([*contexts, *([""] * len(rows))], [*answers, *answers], settings)
    given, alone = both.head(len(rows)), both.tail(len(rows))
    status = pl.when(pl.col("status") == "ok").then("status_alone").otherwise("status")
    ok = pl.col("ifd_status") == "ok"
    return (
        given.hstack(alone.select(pl.all().name.suffix("_alone")))
        .with_columns(ifd_status=status)
        .select(
            loss_given=pl.when(ok).then(-pl.col("logprob") / pl.col("tokens")),
            loss_alone=pl.when(ok).then(-pl.col("logprob_alone") / pl.col("tokens")),
            loss_tokens="tokens",
            ifd_status="ifd_status",
        )
    )


# Cherry_LLM, cherry_seletion/data_by_IFD.py: mean loss given the instruction / mean loss alone.
IFD = pl.when(pl.col("loss_alone") > 0).then(pl.col("loss_given") / pl.col("loss_alone"))
# Superfiltering, code_ifd/data_analysis.py: perplexity given the instruction / perplexity alone.
SUPERFILTER = (pl.col("loss_given") - pl.col("loss_alone")).exp()
