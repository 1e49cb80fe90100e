"""`--base toy`: a model small enough for a first try and for tests, in the form that transformers saves.

A two-layer Llama with random weights and a byte-level BPE tokenizer learned from Lapidary's own sample, with ChatML's
control tokens. It knows nothing: what it can show is that a run works, not that an answer is good.
"""

from importlib import resources
from pathlib import Path
from typing import Any

VOCABULARY = 1024
WINDOW = 2048
BOS, EOS, START, END = "<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>"
# Written for this project, so that the tokenizer needs no download.
_TEXTS = ("alpaca.json", "wikihow.csv")


def tokenizer(eot_token: str | None = None, control: tuple[str, ...] = (BOS, EOS, START, END)) -> Any:  # noqa: ANN401 - transformers' classes have no common type
    """A byte-level BPE tokenizer of VOCABULARY tokens, the control tokens first, with ChatML's chat template.

    `eot_token`: what templates know by this name. Deterministic. Any text is encoded and decoded without loss. There is
    no token for padding: nothing is ever padded.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(control),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sample = resources.files("curate") / "recipes" / "sample"
    bpe.train_from_iterator(((sample / name).read_text(encoding="utf-8") for name in _TEXTS), trainer)
    named = {"bos_token": BOS, "eos_token": EOS, **({"eot_token": eot_token} if eot_token else {})}
    kind: Any = PreTrainedTokenizerFast
    fast = kind(tokenizer_object=bpe, model_max_length=WINDOW, **named)
    fast.chat_template = (resources.files("curate") / "lm" / "templates" / "chatml.jinja").read_text(encoding="utf-8")
    return fast


def configuration(vocabulary: int = VOCABULARY, width: int = 96, *, tied: bool = False) -> Any:  # noqa: ANN401 - as above
    """A Llama of 2 layers, 4 heads over 2 key-value heads."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        dtype="float32",
    )


def model(vocabulary: int = VOCABULARY, width: int = 96, *, tied: bool = False, seed: int = 1) -> Any:  # noqa: ANN401 - as above
    """The model of that configuration in float32, on the CPU. Equal seeds give equal weights.

    torch's own random state is left as it was.
    """
    import torch
    from transformers import LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(configuration(vocabulary, width, tied=tied))


def save(folder: Path, seed: int = 1) -> None:
    """Write model and tokenizer to `folder`."""
    words = tokenizer()
    model(len(words), seed=seed).save_pretrained(folder)
    words.save_pretrained(folder)
