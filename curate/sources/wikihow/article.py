"""One wikiHow article, its question and its answer."""

import re
from typing import NamedTuple


class Step(NamedTuple):
    """One step: its bold line and what follows it, either of which may be empty."""

    headline: str
    paragraph: str


class Section(NamedTuple):
    """A method or part of an article; the only one of an article may have no heading."""

    heading: str
    steps: list[Step]


class Article(NamedTuple):
    """An article as its container has it; `body` is text that is not divided into steps, `extras` tips and warnings."""

    title: str
    overview: str = ""
    body: str = ""
    sections: tuple[Section, ...] = ()
    extras: tuple[tuple[str, list[str]], ...] = ()
    categories: tuple[str, ...] = ()
    url: str | None = None


# Page titles carry what a search engine should show: "3 Easy Ways to Tie a Tie - wikiHow", "How to Tie a Tie: 11 Steps
# (with Pictures)", "How to Extract Oil: 2 Best Ways".
_SITE = re.compile(r"\s*[-–|]\s*wikiHow(?:\s+\w+)?\s*$")
_PICTURES = re.compile(r"\s*\(with (?:Pictures|Video|Examples)\)\s*$", re.IGNORECASE)
_COUNT = re.compile(r"\s*:\s+\d+\s+(?:\w+\s+){0,2}(?:Steps?|Ways?|Methods?|Parts?|Tips?)\s*$", re.IGNORECASE)
_WAYS = re.compile(
    r"^(?:The\s+)?(?:\d+\s+(?:\w+\s+){0,2}|(?:Best|Easy|Simple|Quick|Fun)\s+(?:\w+\s+)?)(?:Ways?|Steps?|Methods?)\s+to\s+(?=\S)",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"(?:How|What|Why|Which|Who|Whose|Where|When|Is|Are|Am|Does|Did|Should|Could|Would)\b|(?:Can|Do)\s+(?:I|you|we|they|it)\b",
    re.IGNORECASE,
)
# The tables of Koupaee and Wang number the methods of an article: "How to Be an Organized Artist1". A digit that belongs
# to the title follows a space, a capital or a single letter ("PS5", "Mp3").
_GLUED_NUMBER = re.compile(r"(?<=[a-z]{2})\d{1,2}$|(?<=[)\]!?'\"])\d{1,2}$")
_SPACED_NUMBER = re.compile(r"^(.*\S) (\d{1,2})$")


def prompt(title: str) -> str:
    """The question that an article answers.

    >>> prompt("3 Easy Ways to Spot a Catfish - wikiHow")
    'How to Spot a Catfish?'
    >>> prompt("Get a PS5"), prompt("Why Is My Antenna Not Picking Up Channels")
    ('How to Get a PS5?', 'Why Is My Antenna Not Picking Up Channels?')
    """
    text = " ".join(title.split())
    for ending in (_SITE, _PICTURES, _COUNT, _PICTURES):
        text = ending.sub("", text)
    text = text.rstrip(" ?.:") or title.strip()
    if not _QUESTION.match(text):
        text = f"How to {_WAYS.sub('', text)}"
    return f"{text}?"


def unnumbered(title: str, before: str | None, after: str | None) -> str:
    """A title of wikihowAll.csv or wikihowSep.csv without the number of its method.

    A number after a space is one only where the article before or after is the same title with the next number or none
    ("How to Use Windows 10" stands alone; "How to Draw a Cat 2" follows "How to Draw a Cat 1").

    >>> unnumbered("How to Draw a Cat1", None, None), unnumbered("How to Use Windows 10", "How to Draw a Cat2", None)
    ('How to Draw a Cat', 'How to Use Windows 10')
    """
    title = title.strip()
    spaced = _SPACED_NUMBER.match(title)
    if spaced is None:
        return _GLUED_NUMBER.sub("", title).rstrip()
    base, number = spaced[1], int(spaced[2])
    near = {f"{base} {number - 1}", f"{base} {number + 1}", f"{base}{number - 1}", f"{base}{number + 1}"}
    if number <= 2:
        near.add(base)
    neighbours = {neighbour.strip() for neighbour in (before, after) if neighbour}
    return base if near & neighbours else title


def markdown(article: Article, *, extras: bool = False) -> str:
    """The article as Markdown: overview, then numbered steps, under `##` headings where there are several sections.

    A step reads `1. **headline** paragraph`; without a paragraph its headline is plain. `extras` appends tips and
    warnings. Empty where the article has neither steps nor a body.
    """
    sections = [section for section in article.sections if section.steps]
    if not sections and not article.body:
        return ""
    blocks = [article.overview, article.body]
    for number, section in enumerate(sections, start=1):
        if len(sections) > 1:
            blocks.append(f"## {section.heading or f'Method {number}'}")
        blocks.append("\n".join(_item(f"{n}.", step) for n, step in enumerate(section.steps, start=1)))
    for heading, items in article.extras if extras else ():
        blocks += [f"## {heading}", "\n".join(f"- {' '.join(item.split())}" for item in items)]
    return "\n\n".join(block for block in blocks if block)


def _item(number: str, step: Step) -> str:
    headline = " ".join(step.headline.split())
    text = f"**{headline}** {step.paragraph}" if headline and step.paragraph else headline or step.paragraph
    # Further lines belong to the step as long as they are indented to where its text begins.
    return f"{number} " + re.sub(r"\n(?=[^\n])", "\n" + " " * (len(number) + 1), text)
