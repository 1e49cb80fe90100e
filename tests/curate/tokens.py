"""Tokenizers of the kinds that models come with, made where a test needs one, and a slow way to encode plain text."""

import json
from functools import lru_cache

CHATML = ("<s>", "</s>", "<|im_start|>", "<|im_end|>")


def wrapped(tokenizer, control=CHATML, **special):
    from transformers import PreTrainedTokenizerFast

    tokenizer.add_special_tokens(list(control))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{"bos_token": "<s>", "eos_token": "</s>", **special})


def byte_level(control=CHATML, **special):
    """Byte-level BPE with a few merges: every text is written without loss, as by GPT-2, Llama 3 and Qwen."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(control), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["the user and the assistant: what is a cat?\n\nA cat is an animal.\n"] * 3, trainer)
    return wrapped(tokenizer, control, **special)


def sentence_piece(scheme, control=CHATML, **special):
    """BPE over characters with ▁ for spaces, put before a text as Llama's tokenizers do (`first`; the older: `always`)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = ["<unk>", "▁", *"\n.:#?<>|/_" + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "▁a", "at", "▁at"]
    merges = [("▁", "a"), ("a", "t"), ("▁a", "t")]
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme, split=False)
    return wrapped(tokenizer, ("<unk>", *control), unk_token="<unk>", **special)


@lru_cache
def without_added_tokens(tokenizer):
    """The same tokenizer that knows no control token at all: what it writes is plain text, whatever stands in it."""
    from tokenizers import Tokenizer

    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    parts["added_tokens"] = []
    parts["post_processor"] = None
    return Tokenizer.from_str(json.dumps(parts))
