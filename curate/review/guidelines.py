"""What reviewers agree on before they decide: RUN/guidelines.md, Markdown that every page of a review can show."""

from pathlib import Path

from curate import runs
from curate.errors import InputError, RunError

# In our own words. What a good example is: LIMA (Zhou et al. 2023), sections 2 and 2.1, on prompts that differ and answers of
# one helpful voice; which answers to refuse: what AlpaGasus (Chen et al. 2023) asks its grader for, accuracy before all.
DEFAULT = """\
# Guidelines

We choose a small set from which a model learns **how to answer**. One bad example teaches its fault; a good one that we have
ten times teaches nothing new. When in doubt, reject; when you do not know the subject, flag.

## Keep

- The prompt is one that a person might really ask, and it can be understood without anything that is not shown.
- The answer does what was asked, all of it, and it is correct as far as you can check in a few minutes.
- It speaks to the reader, calmly and in one voice: it says what it is about first, then explains, and stops.
- It is as long as the question needs. Steps are steps, code is code, and neither decorates.

## Edit

- One thing is wrong with an example that is good otherwise: a greeting, a signature, “see my answer below”, a broken list.
- Change as little as makes it right. Do not write a new answer: reject it then.

## Reject

1. **wrong or misleading**: it says what is not so, or leaves out what makes it dangerous to follow.
2. **incomplete**: it breaks off, or answers a part only.
3. **not self-contained**: it needs a picture, a link, an earlier post, or who wrote it.
4. **style or tone**: sarcasm, quarrel, boasting, “I” where nobody asked about a person.
5. **off topic or low value**: it does not answer, or nobody would miss it.
6. **duplicate**: the set has this question already, in other words perhaps; keep the better one.
7. **unsafe or personal data**: it harms, or names and addresses someone.
8. **formatting broken**: markup, tables or code that can no longer be read.
9. **other**: say which in an edit of this page, so that the others know.

## The same for everyone

- Judge the text, not its source or its votes. Do not search for who wrote it.
- Some examples come back without a mark, to see how steady we are. That is not a test of you.
"""

# The same in Korean; the names of the reasons are those of the interface.
KOREAN = """\
# 지침

모델이 **어떻게 답하는지**를 배울 작은 세트를 고릅니다. 나쁜 예시 하나는 그 결함을 가르치고, 이미 열 번 있는 좋은 예시는 새로 가르치는
것이 없습니다. 확신이 없으면 거부하고, 모르는 분야라면 표시하세요.

## 유지

- 사람이 실제로 물을 만한 질문이고, 보이지 않는 것 없이도 이해할 수 있습니다.
- 답변이 요청한 것을 빠짐없이 하며, 몇 분 안에 확인할 수 있는 한에서 정확합니다.
- 차분하고 한결같은 말투로 읽는 사람에게 말합니다. 무엇에 관한 것인지 먼저 말하고, 설명하고, 끝냅니다.
- 질문에 필요한 만큼만 깁니다. 단계는 단계로, 코드는 코드로 쓰고 꾸미지 않습니다.

## 편집

- 다른 점은 좋은데 한 가지가 잘못되었습니다. 인사말, 서명, “아래 제 답변 참조”, 깨진 목록 같은 것입니다.
- 바로잡는 데 필요한 만큼만 고치세요. 답변을 새로 써야 한다면 거부하세요.

## 거부

1. **틀리거나 오해의 소지**: 사실이 아닌 것을 말하거나, 그대로 따르면 위험해지는 사정을 빠뜨립니다.
2. **불완전**: 중간에 끊기거나 일부에만 답합니다.
3. **그 자체로 이해 불가**: 그림, 링크, 이전 글 또는 작성자를 알아야 합니다.
4. **문체나 어조**: 비꼼, 다툼, 자랑, 사람에 대해 묻지 않았는데 나오는 “나”.
5. **주제 벗어남·가치 낮음**: 질문에 답하지 않거나, 없어도 아무도 아쉬워하지 않습니다.
6. **중복**: 세트에 이 질문이 이미 있습니다. 다른 말로 되어 있을 수도 있습니다. 더 나은 쪽을 유지하세요.
7. **위험·개인정보**: 해를 끼치거나, 누군가의 이름과 주소를 드러냅니다.
8. **서식 깨짐**: 마크업, 표 또는 코드를 더는 읽을 수 없습니다.
9. **기타**: 어떤 경우인지 이 페이지에 적어 다른 사람도 알게 하세요.

## 모두에게 같은 기준

- 출처나 추천 수가 아니라 텍스트를 판단하세요. 누가 썼는지 찾아보지 마세요.
- 일부 예시는 아무 표시 없이 다시 나옵니다. 우리의 판단이 얼마나 한결같은지 보기 위한 것이며, 여러분을 시험하는 것이 아닙니다.
"""

DEFAULTS = {"en": DEFAULT, "ko": KOREAN}


def read(run: Path, language: str = "en") -> str:
    """The guidelines of a run; where nobody has written any, those of DEFAULTS in this language. Raises RunError where the file
    cannot be read.
    """
    own = _own(run)
    return DEFAULTS[language] if own is None else own


def write(run: Path, text: str, was: str) -> None:
    """Put `text` in place of `was`, the whole file or nothing of it; no text at all, or one of DEFAULTS, brings DEFAULTS back.

    Raises InputError where the file is not `was` any more: someone else has written it since.
    """
    own = _own(run)
    if was not in DEFAULTS.values() if own is None else was != own:
        raise InputError(
            f"{run / 'guidelines.md'}: someone has changed it since you opened it; nothing was written: reload"
        )
    if text.strip() and text.strip() not in {default.strip() for default in DEFAULTS.values()}:
        runs.write_text(run / "guidelines.md", text.rstrip() + "\n")
    else:
        (run / "guidelines.md").unlink(missing_ok=True)


def _own(run: Path) -> str | None:
    """What was written for this run, None where nothing was."""
    path = run / "guidelines.md"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); expected a text in UTF-8: repair or remove it") from error
