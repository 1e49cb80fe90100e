"""What judges are asked: text files with the question's wording, what may be answered, and how the answer is read.

A file has three parts: settings (YAML) between two lines `---`, then `=== system` (it may be left out) and `=== user`.
Texts of models stand between markers that carry a code made of all texts of the question, so that no text can close its
own marker and go on as an instruction; they are filled in in one pass, so that no text is filled in itself.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import Field, ValidationError, model_validator

from curate.chat import Message
from curate.config import Strict
from curate.errors import ConfigError, did_you_mean

SHIPPED = Path(__file__).parent
_PLACE = re.compile(r"\{([a-z_0-9]+)\}")
_PARTS = re.compile(r"\A---\n(.*?)^---\n(?:=== system\n(.*?))?^=== user\n(.*)\Z", re.DOTALL | re.MULTILINE)
# What a template may show, by kind. `question`: the turns before the answer. `dialogue`: those and the answer.
PLACES = {
    "pair": {"question", "answer_1", "answer_2", "dialogue_1", "dialogue_2", "reference", "mark"},
    "single": {"question", "answer", "dialogue", "reference", "mark"},
}

Seen = Literal["first", "second", "tie"]


class Head(Strict):
    """The settings part of a template."""

    kind: Literal["pair", "single"] = Field(description="two answers are compared, or one is scored")
    reads: Literal["json", "last_line", "brackets", "token"] = Field(
        description="where the verdict stands: in a JSON object (`verdict` or `score`), alone on the last line, in"
        " [[ ]], or as the first token, whose probability is used where the endpoint gives it"
    )
    verdicts: dict[str, Seen] = Field({}, description="of a pair: what the judge writes, and what it means")
    scale: tuple[float, float] | None = Field(None, description="of one answer: lowest and highest score")
    reminder: str = Field(description="asked again with this where no verdict could be read")
    max_tokens: int = Field(1024, ge=1, description="longest reply; four times that where it was cut")
    later_turns: str | None = Field(None, description="the template for turns after the first, beside this file")

    @model_validator(mode="after")
    def _whole(self) -> "Head":
        is_pair = self.kind == "pair"
        if is_pair and not {"first", "second"} <= set(self.verdicts.values()):
            raise ValueError("verdicts of a pair must mean first, second and, if it may be one, tie")
        if not is_pair and (self.scale is None or self.reads == "token"):
            raise ValueError("a template for one answer needs a scale and is not read by its first token")
        return self


class Template(NamedTuple):
    """A template as read. `name` carries a digest of the file, so that a changed wording is another template."""

    name: str
    head: Head
    system: str
    user: str
    later: "Template | None"


def shipped() -> list[str]:
    """Names of the templates that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.txt"))


def load(name: str) -> Template:
    """A shipped template by its name, or one of your own by its path. Raises ConfigError naming file and mistake."""
    path = SHIPPED / f"{name}.txt" if name in shipped() else Path(name)
    if not path.is_file():
        raise ConfigError(f"template {name}: neither a shipped template nor a file. {did_you_mean(name, shipped())}")
    text = path.read_text(encoding="utf-8")
    parts = _PARTS.match(text)
    if parts is None:
        raise ConfigError(f"{path}: expected settings between two lines ---, then === system and === user")
    try:
        head = Head.model_validate(yaml.safe_load(parts[1]))
    except (ValidationError, yaml.YAMLError) as error:
        said = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        raise ConfigError(f"{path}: {'.'.join(map(str, said['loc'])) or 'settings'}: {said['msg']}") from None
    _check_places(path, text, head.kind)
    digest = blake2b(text.encode(), digest_size=4).hexdigest()
    later = load(name.replace(path.stem, head.later_turns)) if head.later_turns else None
    return Template(f"{path.stem}@{digest}", head, (parts[2] or "").strip(), parts[3].strip(), later)


def fill(template: Template, texts: Mapping[str, str]) -> list[Message]:
    """The question: a system turn, if the template has one, and a user turn. `texts`: of PLACES, without `mark`."""
    mark = blake2b("\0".join(texts[name] for name in sorted(texts)).encode("utf-8", "surrogatepass"), digest_size=4)
    given = {**texts, "mark": mark.hexdigest()}
    turns = [("system", template.system), ("user", template.user)]
    return [{"role": role, "content": _PLACE.sub(lambda place: given[place[1]], text)} for role, text in turns if text]


def _check_places(path: Path, text: str, kind: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        for place in _PLACE.findall(line):
            if place not in PLACES[kind]:
                hint = did_you_mean(place, PLACES[kind])
                raise ConfigError(f"{path}:{number}: a template for a {kind} has no {{{place}}}. {hint}")
