"""loop.yaml: what is built, what is trained on it, and who judges."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from curate.config import Strict


class Build(Strict):
    """The set."""

    recipe: str = Field("sample", description="a recipe of python -m curate build: a shipped name or a YAML file")
    set: tuple[str, ...] = Field((), description="its settings, each as -s takes it: filters.min_chars=800")


class Dev(Strict):
    """What is asked after each epoch, and what perplexity is measured on."""

    prompts: Path | None = Field(
        None,
        description="prompts (JSONL); null: drawn from the examples that were good enough but found no place in the set",
    )
    count: int = Field(50, ge=4, description="prompts that are asked, where they are drawn; LIMA: 50")
    held_out: Path | None = Field(None, description="chat set for perplexity; null: drawn as the prompts are")
    held_out_count: int = Field(200, ge=4, description="examples in it, where they are drawn")
    seed: int = 1


class Train(Strict):
    """The model."""

    base: str = Field("toy", description="folder or Hub name of a causal language model, or toy")
    preset: str = Field("first-try", description="a preset of python -m train presets, or a YAML file")
    set: tuple[str, ...] = Field((), description="its settings, each as -s takes it: epochs=3")


class Judge(Strict):
    """Who judges the answers, and against what."""

    name: str = Field("similarity", description="a judge of python -m evaluate judge, or a YAML file")
    set: tuple[str, ...] = Field((), description="its settings, each as -s takes it: endpoint.model=NAME")
    template: str | None = Field(None, description="the question, for a judge that is asked one")
    single: bool = Field(default=True, description="each answer is scored by itself; false: compared with `against`")
    against: Path | Literal["reference"] | None = Field(
        None, description="with single: false, a file of another model's answers, or the drawn prompts' own (reference)"
    )
    prices: Path | None = Field(None, description="price file")
    budget: float | None = Field(None, ge=0, description="stop before more than this is spent")


class Settings(Strict):
    """One turn of the loop."""

    build: Build = Build()
    dev: Dev = Dev()
    train: Train = Train()
    judge: Judge = Judge()
    window: tuple[int, int] | None = Field(None, description="epochs that may be taken, first and last; LIMA: 5, 10")
    nearest: int = Field(10, ge=1, description="training examples that a prompt is traced back to")
