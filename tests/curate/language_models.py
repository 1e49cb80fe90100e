"""Tiny language models with random weights, made where a test needs one; nothing of them is committed."""

import contextlib

TEXTS = ["the cat sat on the mat .", "what is a cat ? a cat is an animal that sits on a mat , by and by .", "it is !"]


def quietly(network, folder):
    from transformers.utils import logging

    logging.disable_progress_bar()
    network.save_pretrained(folder)


def tokenizer(folder, **special):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bytes_ = Tokenizer(models.BPE())
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>", "<pad>"], initial_alphabet=alphabet, show_progress=False
    )
    bytes_.train_from_iterator(TEXTS, trainer)
    PreTrainedTokenizerFast(tokenizer_object=bytes_, **special).save_pretrained(folder)


def sizes():
    return {
        "vocab_size": 300,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 64,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }


@contextlib.contextmanager
def seeded():
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def causal(folder):
    """A Llama with a window of 64 tokens, and its tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with seeded():
        network = LlamaForCausalLM(LlamaConfig(**sizes(), initializer_range=0.5))
    quietly(network, folder)
    tokenizer(folder, bos_token="<s>", eos_token="</s>")
    return folder


def reward(folder, *, pad=True, outputs=1):
    """A Llama with a score head, with or without a padding token."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    padding = {"pad_token_id": 2} if pad else {}
    with seeded():
        network = LlamaForSequenceClassification(
            LlamaConfig(**sizes(), **padding, num_labels=outputs, initializer_range=0.5)
        )
    quietly(network, folder)
    tokenizer(folder, bos_token="<s>", eos_token="</s>", **({"pad_token": "<pad>"} if pad else {}))
    return folder
