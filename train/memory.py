"""The memory of a training step, before any weight is loaded.

The model is built on torch's device `meta`, then of fake tensors (torch's FakeTensorMode: shapes and types on a device,
no memory), and one pass goes through it. What autograd would keep for the backward pass is added up on the way, so that
any architecture, adapter, precision and dropout is counted as it is. Not counted: what exists only inside one operation or
one step of the backward pass, the libraries' own memory, and what the allocator loses between blocks.
"""

from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM
from transformers.integrations.sdpa_attention import repeat_kv
from transformers.pytorch_utils import Conv1D

from train import base, packed, residual_dropout, toy
from train.settings import BestOf, Full, Settings, Sft, Virtual

ATTENTION = "counted"
# Dettmers et al. 2023, section 3: weights of 4 bits in blocks of 64 with a constant of 8 bits each; of those, blocks of 256 with
# one of 32 bits; tables of 16 and 256 float32 and an offset a matrix.
_NF4_BLOCK, _NF4_NESTED, _NF4_TABLES = 64, 256, 4 * (16 + 256 + 1)


class Memory(NamedTuple):
    """Bytes on one device while the largest pass is trained. `head`: of the fused head and loss."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    head: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


class Pass(NamedTuple):
    """The largest pass: tokens of the one with most, trained tokens of the one with most of those."""

    tokens: int
    trained: int


class Counted(NamedTuple):
    """A model's parameters and memory. `body`, `head`: weights that every token, every trained token is multiplied by."""

    parameters: int
    trained: int
    body: int
    head: int
    memory: Memory


def count(settings: Settings, tokenizer: Any, largest: Pass, device: torch.device) -> Counted:  # noqa: ANN401 - transformers' classes have no common type
    """Parameters and memory of a run whose largest pass is `largest`, without loading a weight."""
    bfloat16 = base.compute_dtype(settings, device) == torch.bfloat16
    with torch.device("meta"), base.quiet():
        model = _model(settings, tokenizer, device)
    weights = [*model.parameters(), *model.buffers()]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    size = sum(map(_bytes, trained))
    parameters = sum(weight.numel() for weight in model.parameters())
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device(device):
        _pretend(model)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            activations = _activations(model, settings, largest.tokens, device)
    head = _head(model, settings, largest.trained, 2 if bfloat16 else 4)
    last = model.get_output_embeddings().weight.numel()
    # AdamW keeps two averages and a float32 count of steps for each tensor (torch.optim.AdamW).
    memory = Memory(
        sum(map(_bytes, weights)) - _saved_by_quantising(model, settings),
        size,
        2 * size + 4 * len(trained),
        activations,
        head,
    )
    return Counted(parameters, sum(weight.numel() for weight in trained), products(model) - last, last, memory)


def products(model: Any) -> int:  # noqa: ANN401 - as above
    """Weights of all matrices that vectors are multiplied by, the head's and the adapter's among them.

    Experts that are kept as one tensor are not matrices here, and not counted.
    """
    matrices = {module.weight for module in model.modules() if isinstance(module, torch.nn.Linear | Conv1D)}
    return sum(weight.numel() for weight in matrices)


def configuration(settings: Settings, tokenizer: Any) -> Any:  # noqa: ANN401 - as above
    """The base's configuration. Raises ConfigError where there is none."""
    if settings.base == "toy":
        return toy.configuration(len(tokenizer))
    with base.one_line(settings.base, "config.json"):
        return AutoConfig.from_pretrained(settings.base, trust_remote_code=False)


def _model(settings: Settings, tokenizer: Any, device: torch.device) -> Any:  # noqa: ANN401 - as above
    """The model as `base.load` and `base.adapt` would make it, in the mode of training, on whatever device is torch's default."""
    AttentionInterface.register(ATTENTION, _attend)
    config = configuration(settings, tokenizer)
    base.check_quantised(settings, config)
    # What a quantised checkpoint unpacks to is not known here: it is counted as if it were not quantised.
    config.quantization_config = None
    full = isinstance(settings.adapter, Full)
    dtype = torch.float32 if full else base.compute_dtype(settings, device)
    kind: Any = AutoModelForCausalLM
    model = kind.from_config(config, dtype=dtype, attn_implementation=ATTENTION)
    model.config.use_cache = False
    base.grow(model, settings, tokenizer)
    model = base.adapt(model, settings, tokenizer)
    if settings.residual_dropout:
        residual_dropout.install(model, settings.residual_dropout)(1.0)
    return model.train()


def _pretend(model: Any) -> None:  # noqa: ANN401 - as above
    """Replace all parameters and buffers by new ones, of the mode and device that are torch's default."""
    known: dict[torch.Tensor, torch.Tensor] = {}
    for module in model.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor not in known:
                new = torch.empty(tensor.shape, dtype=tensor.dtype)
                is_weight = isinstance(tensor, torch.nn.Parameter)
                known[tensor] = torch.nn.Parameter(new, requires_grad=tensor.requires_grad) if is_weight else new
            own: dict[str, Any] = module._parameters if name in module._parameters else module._buffers  # noqa: SLF001 - torch's registers
            own[name] = known[tensor]
    # peft keeps the ids of virtual tokens outside of its modules.
    for name, ids in getattr(model, "prompt_tokens", {}).items():
        model.prompt_tokens[name] = torch.empty(ids.shape, dtype=ids.dtype)


def _activations(model: Any, settings: Settings, tokens: int, device: torch.device) -> int:  # noqa: ANN401 - as above
    """Bytes that autograd keeps of a pass up to the head; with checkpointing, the layers' inputs and one layer inside."""
    own = {weight.untyped_storage()._cdata for weight in (*model.parameters(), *model.buffers())}  # noqa: SLF001 - identity
    kept: dict[int, torch.UntypedStorage] = {}
    total = 0
    inside: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal total
        storage = tensor.untyped_storage()
        if storage._cdata not in own and storage._cdata not in kept:  # noqa: SLF001 - as above
            # Held, so that no other storage gets its identity.
            kept[storage._cdata] = storage  # noqa: SLF001
            total += storage.nbytes()
        return tensor

    layers = residual_dropout.decoder_layers(model)
    for layer in layers:
        layer.register_forward_pre_hook(lambda *_: inside.append(-total))
        layer.register_forward_hook(lambda *_: inside.append(inside.pop() + total))
    ids = torch.zeros((1, tokens), dtype=torch.long, device=device)
    given: dict[str, Any] = {"input_ids": ids}
    if not isinstance(settings.adapter, Virtual):
        given["position_ids"] = torch.arange(tokens, device=device)[None]
        # As packed.py: a mask that transformers hands on as it is.
        given["attention_mask"] = torch.empty((1, 1, 1, 0), device=device)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        model(**given, use_cache=False, logits_to_keep=1)
    if not settings.activation_checkpointing:
        return total
    width = model.config.get_text_config().hidden_size
    element = 4 if isinstance(settings.adapter, Full) else base.compute_dtype(settings, device).itemsize
    return total - sum(inside) + max(inside) + int(len(layers) * tokens * width * element)


def _head(model: Any, settings: Settings, rows: int, itemsize: int) -> int:  # noqa: ANN401 - as above
    """Bytes of head and loss for `rows` trained tokens: gradients taken on the way, one chunk of logits in float32.

    torch.nn.LinearCrossEntropyOptions: chunks of 2^ceil(log2(rows / ceil(vocabulary / width))) / 2 rows.
    """
    weight: torch.Tensor = model.get_output_embeddings().weight
    words, width = weight.shape
    gradients = rows * width * itemsize
    own = words * width * itemsize if weight.requires_grad else 0
    if not isinstance(settings.objective, Sft | BestOf):
        # Blocks of rows, computed again in the backward pass: their logits, probabilities and gradient.
        return gradients + own + min(rows, packed.ROWS) * words * (2 * 4 + itemsize)
    block = rows if itemsize == 4 else packed.SUMMED_ROWS
    chunk = max(1, 1 << (-(-min(rows, block) // -(-words // width)) - 1).bit_length() >> 1)
    # Each block has a gradient of the head of its own, until the backward pass adds them up.
    return gradients + -(-rows // block) * own + chunk * words * 4


def _saved_by_quantising(model: Any, settings: Settings) -> int:  # noqa: ANN401 - as above
    """Bytes that the base's linear layers, all but the head, lose in 8 or 4 bits."""
    if settings.quantize is None:
        return 0
    saved, last = 0, model.get_output_embeddings()
    head = next(name for name, module in model.named_modules() if module is last)
    for name, module in model.named_modules():
        frozen = isinstance(module, torch.nn.Linear) and not any(w.requires_grad for w in module.parameters())
        if not frozen or name == head or name.startswith(f"{head}."):
            continue
        weight = module.weight
        stored = weight.numel() + 4 * weight.shape[0]
        if settings.quantize == "nf4":
            constants = -(-weight.numel() // _NF4_BLOCK)
            stored = -(-weight.numel() // 2) + constants + 4 * -(-constants // _NF4_NESTED) + _NF4_TABLES
        saved += _bytes(weight) - stored
    return saved


class _Kept(torch.autograd.Function):
    """What a fused attention keeps for its backward pass: its inputs, its output, a float32 number a head and token."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        output = query.new_empty(query.shape)
        kept = [query, key, value, output, query.new_empty(query.shape[:-1], dtype=torch.float32)]
        if key.shape[2] != query.shape[2]:
            # Virtual tokens before the text: the mask is not plainly causal, and is kept as numbers.
            kept.append(query.new_empty((query.shape[2], key.shape[2])))
        ctx.save_for_backward(*kept)
        return output

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor) -> Any:  # noqa: ANN401, ARG004
        raise AssertionError("an estimate has no backward pass")


def _attend(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    **_: Any,  # noqa: ANN401 - what models hand to their attention
) -> tuple[torch.Tensor, None]:
    """attention.attend, as far as memory goes. Attention follows autocast."""
    kind = query.device.type
    if kind == "cpu":
        groups = query.shape[1] // key.shape[1]
        key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    if torch.is_autocast_enabled(kind):
        query, key, value = (part.to(torch.get_autocast_dtype(kind)) for part in (query, key, value))
    output = _Kept.apply(query, key, value).transpose(1, 2)  # type: ignore[no-untyped-call]
    # On a CPU the documents' outputs are put together into another tensor.
    return output.contiguous() if kind == "cpu" else output, None


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
