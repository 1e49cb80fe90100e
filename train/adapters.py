"""From settings to peft's configuration of an adapter, for a model whose modules are known."""

from typing import Any, cast

from curate.errors import ConfigError, did_you_mean
from train.settings import Ia3, Lora, Settings, Virtual

# Names of the projections in Llama and all that followed it (transformers, models/llama/modeling_llama.py).
TARGETS = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
# Liu et al. 2022, section 3.3: keys, values and what enters the last projection of the MLP.
_IA3 = ("k_proj", "v_proj", "down_proj")


def configuration(model: Any, settings: Settings, eot: int | None) -> Any:  # noqa: ANN401 - transformers' classes have no common type
    """The peft configuration of `settings.adapter`; with LoRA, the rows of the token `eot` are trained too.

    Raises ConfigError where the model has no such modules, or the adapter cannot work with another setting.
    """
    import peft

    adapter, task = settings.adapter, "CAUSAL_LM"
    match adapter:
        case Lora():
            return peft.LoraConfig(
                task_type=task,
                r=adapter.r,
                # Any number will do, and does in peft: its annotation is narrower than its use.
                lora_alpha=cast(int, adapter.alpha),
                lora_dropout=adapter.dropout,
                use_rslora=adapter.rslora,
                use_dora=adapter.dora,
                target_modules=_targets(model, adapter.targets),
                trainable_token_indices=None if eot is None else _rows(model, eot),
            )
        case Ia3():
            named = set(_IA3) <= _linear_names(model)
            return peft.IA3Config(
                task_type=task,
                # Models that name their projections otherwise: peft's own table, by the model's type.
                target_modules=list(_IA3) if named else None,
                feedforward_modules=[_IA3[-1]] if named else None,
            )
        case Virtual(kind="prefix"):
            if settings.activation_checkpointing:
                raise ConfigError(
                    "adapter prefix works through the cache of keys and values, which activation checkpointing switches"
                    " off. Set activation_checkpointing=false, or adapter.kind=prompt"
                )
            return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=adapter.tokens)
        case Virtual(kind="prompt"):
            return peft.PromptTuningConfig(task_type=task, num_virtual_tokens=adapter.tokens)
        case Virtual():
            width = model.config.get_text_config().hidden_size
            return peft.PromptEncoderConfig(
                task_type=task, num_virtual_tokens=adapter.tokens, encoder_hidden_size=width
            )
    raise AssertionError(adapter)


def _rows(model: Any, token: int) -> Any:  # noqa: ANN401 - as above
    """Which rows peft trains (`trainable_token_indices`) for one token: of a tied model both rows are one and the same."""
    if model.config.get_text_config().tie_word_embeddings:
        return [token]
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    names = {module: name for name, module in model.named_modules() if module in ends}
    return {names[module].rpartition(".")[2]: [token] for module in ends}


def _linear_names(model: Any) -> set[str]:  # noqa: ANN401 - as above
    """The last parts of the names of modules that LoRA can adapt, all but the output head."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    }


def _targets(model: Any, targets: str | tuple[str, ...]) -> Any:  # noqa: ANN401 - as above
    """What peft is to adapt: a preset's modules, where the model has all of them, or the named ones."""
    known = _linear_names(model)
    if targets == "all-linear":
        return targets
    wanted = TARGETS[targets] if isinstance(targets, str) else targets
    absent = [name for name in wanted if name.rpartition(".")[2] not in known]
    if not absent:
        return list(wanted)
    if isinstance(targets, str):
        raise ConfigError(
            f"adapter.targets {targets} means {', '.join(wanted)}, but {model.config.model_type} has"
            f" {', '.join(sorted(known))}. Name those to adapt, as -s adapter.targets=[…], or say all-linear"
        )
    raise ConfigError(
        f"adapter.targets: {absent[0]} is no linear layer that can be adapted. {did_you_mean(absent[0], known)}"
    )
