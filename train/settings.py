"""Every setting of a run, and the presets: YAML files that hold a paper's recipe, each line with its source."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from curate import config
from curate.config import Strict
from curate.errors import ConfigError, did_you_mean
from curate.lm.decoding import Decoding

Targets = Literal["attention", "mlp", "all-linear"] | tuple[str, ...]


class Full(Strict):
    """All weights are trained, from float32 master weights."""

    kind: Literal["full"] = "full"


class Lora(Strict):
    """Low-rank adapters (Hu et al. 2021), with their rank-stabilised and weight-decomposed forms."""

    kind: Literal["lora"] = "lora"
    r: int = Field(16, ge=1, description="rank")
    alpha: float = Field(32, gt=0, description="the update is scaled by alpha / r (rslora: alpha / sqrt(r))")
    dropout: float = Field(0.05, ge=0, lt=1, description="on the adapters' input")
    targets: Targets = Field(
        "all-linear", description="attention, mlp, all-linear (all but the output head), or names of modules"
    )
    rslora: bool = Field(default=False, description="rank-stabilised scaling (Kalajdzievski 2023)")
    dora: bool = Field(default=False, description="magnitude and direction apart (Liu et al. 2024)")


class Ia3(Strict):
    """Learned rescaling of keys, values and MLP activations (Liu et al. 2022)."""

    kind: Literal["ia3"] = "ia3"


class Virtual(Strict):
    """Virtual tokens before the text: prefix tuning (Li and Liang 2021), prompt tuning (Lester et al. 2021), P-tuning
    (Liu et al. 2021). They cannot be packed: each document has a forward pass of its own.
    """

    kind: Literal["prefix", "prompt", "p-tuning"]
    tokens: int = Field(20, ge=1, description="virtual tokens")


class Dataset(Strict):
    """One file of examples and its part in the mixture."""

    path: Path = Field(description="a chat set (JSONL, JSON, Parquet) or the run folder of curate")
    form: Literal["chat", "text", "preferences"] = Field(
        "chat",
        description="chat: conversations, answers are trained; text: plain text, all of it is trained; preferences:"
        " rival answers to one prompt",
    )
    examples: int | None = Field(
        None, ge=1, description="drawn anew each epoch (a small set repeats); null: all of them, once an epoch"
    )
    share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="of the stage's examples in an epoch, in place of `examples`; at least one set gives no share",
    )
    stage: int = Field(1, ge=1, description="stages are trained one after the other, each for all its epochs")


class Sft(Strict):
    """Cross-entropy of the answers, averaged over the trained tokens of a step."""

    kind: Literal["sft"] = "sft"


class BestOf(Strict):
    """Rejection sampling: cross-entropy of the best-scored answer of each prompt."""

    kind: Literal["best-of-n"] = "best-of-n"


class Dpo(Strict):
    """Direct preference optimisation (Rafailov et al. 2023, equation 7)."""

    kind: Literal["dpo"] = "dpo"
    beta: float = Field(0.1, gt=0)


class Rrhf(Strict):
    """Ranking of answers by length-normalised log-probability, plus cross-entropy of the best (Yuan et al. 2023)."""

    kind: Literal["rrhf"] = "rrhf"
    weight: float = Field(1.0, ge=0, description="of the ranking term; the paper: 1")


class Slic(Strict):
    """Calibration by a hinge on log-probabilities, plus cross-entropy of the preferred answer (Zhao et al. 2023)."""

    kind: Literal["slic"] = "slic"
    margin: float = Field(1.0, gt=0, description="delta of the hinge")
    weight: float = Field(0.1, ge=0, description="lambda: of the cross-entropy of the preferred answer")


class ResidualDropout(Strict):
    """Dropout on the output of attention and MLP before each is added to the residual stream."""

    p: float = Field(gt=0, lt=1, description="the highest probability")
    over: Literal["layers", "training"] = Field(
        "layers",
        description="layers: 0 at the bottom to p at the top (LIMA, section 3); training: 0 at the first step to p at"
        " the last, in every layer, as some summaries describe it",
    )


class Optimizer(Strict):
    """AdamW, its schedule and what bounds a step."""

    lr: float = Field(gt=0)
    lr_end: float = Field(0.0, ge=0, description="at the last step (schedule linear or cosine)")
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(0, ge=0, description="below 1: a share of all steps; else a number of steps")
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    clip: float | None = Field(1.0, gt=0, description="greatest norm of the gradient; null: no limit")
    paged: bool = Field(default=False, description="bitsandbytes' paged AdamW with 32-bit states; needs a GPU")


class Settings(Strict):
    """A run: which data, on which base, how."""

    base: str = Field(description="folder or Hub name of a causal language model, or toy")
    data: tuple[Dataset, ...] = Field(min_length=1)
    based_on: str | None = Field(None, description="shipped preset that the card compares these settings with")
    objective: Annotated[Sft | BestOf | Dpo | Rrhf | Slic, Field(discriminator="kind")] = Sft()
    adapter: Annotated[Full | Lora | Ia3 | Virtual, Field(discriminator="kind")] = Lora()
    template: str | None = Field(
        None, description="null: the tokenizer's own chat template; alpaca, lima, chatml; or a Jinja file"
    )
    eot: str | None = Field(
        None, description="token that closes every turn, when the template names eot_token (lima); null: a reserved one"
    )
    max_tokens: int = Field(2048, ge=8, description="of one document")
    overlong: Literal["error", "drop", "trim"] = Field(
        "error",
        description="a document of more than max_tokens ends the run, is left out, or is trimmed at the end, which can"
        " cut an answer before its end token (LIMA, Alpaca); counted either way",
    )
    batch_examples: int = Field(32, ge=1, description="examples of one optimizer step, over all passes and processes")
    pass_tokens: int | None = Field(
        None,
        ge=8,
        description="budget of one forward pass; null: 2,048 on a CPU, 16,384 on a GPU, or the longest example",
    )
    epochs: int = Field(3, ge=1)
    optimizer: Optimizer
    neftune_alpha: float = Field(0.0, ge=0, description="noise of NEFTune (5, 10 or 15); 0: none")
    residual_dropout: ResidualDropout | None = None
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the matrix products; auto: float32 on a CPU, bfloat16 on a GPU"
    )
    quantize: Literal["int8", "nf4"] | None = Field(None, description="the frozen base, through bitsandbytes")
    activation_checkpointing: bool = Field(default=False, description="less memory, about a fifth slower")
    seed: int = 1
    save_every: int = Field(50, ge=1, description="steps between the checkpoints that a run is resumed from")
    dev_prompts: Path | None = Field(None, description="prompts that are answered after each epoch (JSONL)")
    dev_decoding: Decoding = Decoding()
    held_out: Path | None = Field(None, description="chat set whose perplexity is measured after each epoch")
    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        (), description="beside log.jsonl, which is always written"
    )


def presets() -> dict[str, Path]:
    """The shipped presets by name."""
    folder = Path(str(resources.files("train") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(preset: str, overrides: Sequence[str]) -> Settings:
    """A preset (a shipped name or a YAML file) with `key.path=value` laid over it. Raises ConfigError for each mistake."""
    shipped = presets()
    if preset in shipped:
        # What is compared with is the preset itself, unless somebody says otherwise.
        return config.load(shipped[preset], Settings, [f"based_on={preset}", *overrides])
    if Path(preset).suffix in (".yaml", ".yml"):
        return config.load(Path(preset), Settings, overrides)
    raise ConfigError(f"--preset {preset}: no such preset, and no YAML file. {did_you_mean(preset, shipped)}")


def deviations(settings: Settings) -> list[tuple[str, Any, Any]]:
    """(setting, value in the preset, value here) of everything that differs from the preset it is based on.

    What a recipe does not say (base, data, folders, logging) is no deviation. Empty where there is no preset.
    """
    if settings.based_on is None:
        return []
    given = [f"base={settings.base!r}", "data=[{path: .}]"]
    recipe = _flat(load(settings.based_on, given).model_dump(mode="json"))
    own = _flat(settings.model_dump(mode="json"))
    apart = ("base", "data", "based_on", "save_every", "dev_prompts", "held_out", "report_to", "pass_tokens", "seed")
    names = [name for name in {**recipe, **own} if name.split(".")[0] not in apart]
    return [(name, recipe.get(name), own.get(name)) for name in names if recipe.get(name) != own.get(name)]


def _flat(value: Any, name: str = "") -> dict[str, Any]:  # noqa: ANN401 - settings of any type
    if not isinstance(value, dict):
        return {name: value}
    return {
        key: item
        for part, inner in value.items()
        for key, item in _flat(inner, f"{name}.{part}" if name else part).items()
    }
