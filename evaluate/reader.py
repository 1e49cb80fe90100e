"""A model that predicts: loaded, with its tokenizer and template, and a mark of all that its figures depend on."""

from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

from curate import cache
from curate.errors import ConfigError
from curate.lm import models, rendering
from curate.lm.models import Model
from curate.lm.rendering import Template

from . import loading
from .loading import Precision
from .subjects import Subject


class Settings(NamedTuple):
    """`template`: a shipped name, a Jinja file, `none` (turns with empty lines between), or None: the tokenizer's own."""

    template: str | None = None
    window: int | None = None
    precision: Precision = "auto"


class Reader(NamedTuple):
    """A loaded model that predicts; `setup` identifies it and how it reads: rows of one setup can stand together."""

    model: Model
    template: Template | None
    setup: str


def load(subject: Subject, settings: Settings) -> Reader:
    """The model, ready to predict. Raises ConfigError."""
    answerer = loading.load(subject.model, subject.adapter, "none", settings.precision, None)
    network, tokenizer = answerer.network, _tokenizer(subject)
    network.config.use_cache = False
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if first is None:
        raise ConfigError(
            f"{subject.model}: the tokenizer has neither a BOS nor an EOS token, so the first token of a text has no"
            " probability; expected one of them in tokenizer_config.json"
        )
    window = min(answerer.window, settings.window or answerer.window)
    template = _template(subject, tokenizer, settings)
    identity = [
        _digest(subject, network),
        answerer.precision,
        str(window),
        "" if template is None else template.source,
    ]
    device = next(network.parameters()).device.type
    return Reader(Model(network, tokenizer, [first], window, device), template, cache.key(*identity).hex()[:16])


def _tokenizer(subject: Subject) -> Any:  # noqa: ANN401 - as above
    """The tokenizer with its own chat template, if it has one: the adapter's, else the model's."""
    from transformers import AutoTokenizer

    own = subject.adapter
    source = own if own is not None and (own / "tokenizer_config.json").is_file() else subject.model
    return AutoTokenizer.from_pretrained(source, trust_remote_code=False)


def _template(subject: Subject, tokenizer: Any, settings: Settings) -> Template | None:  # noqa: ANN401 - as above
    if settings.template == "none" or (settings.template is None and tokenizer.chat_template is None):
        return None
    return rendering.template(tokenizer, settings.template, subject.model)


def _digest(subject: Subject, network: Any) -> str:  # noqa: ANN401 - as above
    """What the weights are: of files their bytes, of a model of the Hub its name and commit."""
    folder = Path(subject.model)
    commit = getattr(network.config, "_commit_hash", None)
    base = models.fingerprint(folder) if folder.is_dir() else f"{subject.model}@{commit}"
    return base if subject.adapter is None else cache.key(base, *_adapter_parts(subject.adapter)).hex()


def _adapter_parts(folder: Path) -> list[str]:
    parts = []
    for path in [*sorted(folder.glob("adapter_model.*")), folder / "adapter_config.json"]:
        with path.open("rb") as stream:
            parts.append(file_digest(stream, "sha256").hexdigest())
    return parts
