r"""What belongs to a site and not to an answer: wikiHow's and Reddit's set phrases, the leftovers of generated sets.

Every pattern is narrow and has its reason beside it: a phrase that stays is a blemish, a sentence lost is damage.
"""

import re

import polars as pl

from curate.cleaning.markdown import outside_code

# LIMA (Zhou et al. 2023, section 2.1) rewrites the opening of wikiHow articles in these words.
ARTICLE = r"\A(\s*(?:#[^\n]*\n\s*)?)This (?:wikiHow(?: article)?|article)\b"

_SENTENCE = r"[^.!?\n]*[.!?]?"
WIKIHOW = {
    # Pointers to other parts of the page, or to other pages.
    r"[ \t]*\b(?:If you want to (?:learn|know|find out|hear)|To learn|For|Want to (?:learn|know))\b[^.!?\n]*\b"
    r"(?:keep (?:on )?reading|read on|scroll down|keep scrolling)\b" + _SENTENCE: "",
    r"[ \t]*\b(?:Keep reading|Read on|Scroll down)\b (?:to (?:learn|find out|see)|for)\b[^.!?\n]*[.!?]": "",
    # The credit line of a picture, and the picture's own mark-up.
    r"\[\[(?:Image|File):[^\]\n]*\]\]": "",
    r"(?m:^)[ \t]*(?:Image (?:by|credit|source)\b|\\?\u00a9)[^\n]{0,120}(?:\n|\z)": "",
    # Footnotes: their call (after a full stop or a comma) and what the page's script writes at it.
    r"([.!?,;:)\"”’])\[\d{1,3}\]": "${2}",
    r"[ \t]*\{\{[^{}\n]*\}\}": "",
    r"[ \t]*\bX Research source\b": "",
    r"[ \t]*\bX Expert Source\b[^\n]{0,200}?Expert Interview\.?(?:[ \t]*\d{1,2} \w+ \d{4}\.?)?": "",
    r"[ \t]*\bX Trustworthy Source\b[^\n]{0,300}?Go to source": "",
    # Calls to take part.
    r"[ \t]*\bReader Poll:[^\n]*": "",
    r"(?m:^)[ \t]*(?:Watch the video|Thank(?:s| you),? wikiHow|Thank you for reading|Did this (?:article|summary) help you)"
    r"\b[^\n]*(?:\n|\z)": "",
    # Lists of other pages and of sources; the second runs to the end of the text or the next heading.
    r"(?m:^)[ \t]*(?:[#•*-]+[ \t]*)?Related wiki ?Hows?(?: pages)?:?[ \t]*(?:\n[ \t]*[•*-][ \t]*How to [^\n]*)*(?:\n|\z)": "",
    r"(?m:^)[ \t]*#{1,6}[ \t]*(?:References|Sources and Citations|Related wikiHows|Quick Summary Video)[ \t]*\n"
    r"(?:[^#\n][^\n]*(?:\n|\z)|\n)*": "",
}

# Trailing remarks of a poster about the post's success or its spelling. Edits that add to the answer stay.
_SUCCESS = (
    r"gold|silver|platinum|awards?|upvot\w+|karma|front page|bl[eo]w(?:n|ing)? up|exploded|inbox|kind strangers?|"
    r"overwhelm\w+|thank(?:s| you)(?: so much| a lot| very much)?(?:,? (?:you )?(?:all|everyone|everybody|guys|folks|reddit))?"
    r"(?: for (?:all )?(?:the|your|those)? ?(?:kind |great |amazing |helpful )*(?:words|replies|responses|comments|answers|help|support|votes|love|feedback))?"
    r"(?:,? (?:all|everyone|everybody|guys|folks|reddit))?[.!)*_ \t]*(?:\n|\z)"
)
_SPELLING = r"(?:fix(?:ed|ing)?|correct(?:ed|ing)?|some|minor|a|my|the|for|[ \t,&/]|and)*\b(?:typos?|spelling|grammar|formatting|punctuation|wording)\b[^\n]*"
_EDIT = r"[ \t]*[*_~(\[]{0,4}(?i:edit|eta|update)(?:[ \t]*#?\d{1,2})?[*_)\]]{0,3}[ \t]*[:;,.!\-–—][*_]{0,3}"
THANKS_EDIT = rf"(?:(?:\s*\n|\A){_EDIT}[ \t]*(?:(?i:[^\n]*?\b(?:{_SUCCESS})[^\n]*)|(?i:{_SPELLING}))\s*)+\z"

# A name after dashes below a full stop; after a quotation it names the one quoted, and stays.
SIGNATURE = (
    r"((?:\A|\n)[^>\n][^\n]*[\w.!?)])[ \t]*\n\s*(?:-{2,3}|—|–|~)[ \t]?[A-Z][\w.-]{1,20}(?:[ \t][A-Z][\w.-]{0,20})?\s*\z"
)
SENT_FROM = r"\s*\n\s*(?:[-—*_^(]*[ \t]*)(?i:sent|posted|typed) (?:from|on|via|using) (?:my |the )?[^\n]{2,60}\s*\z"

# Kinds 7 and 10 of AlpacaDataCleaned: https://github.com/gururise/AlpacaDataCleaned
_NONE = r"no[ _-]?inputs?(?:[ \t]+(?:is[ \t]+|was[ \t]+)?(?:required|needed|necessary|provided|given))?"
NO_INPUT = (
    r"(?i)(?:(?:\n\s*(?:#*[ \t]*input[ \t]*:\s*)?[`\"'<\[({\\]*[ \t]*"
    rf"(?:{_NONE}|n/a|not applicable)"
    r"[ \t]*[`\"'>\])}.]*"
    r"|\s+(?:#+[ \t]*input[ \t]*:[ \t]*[`<\[({]*|[`]?[<\[({][ \t]*)"
    rf"{_NONE}[ \t]*[`>\])}}.]*)\s*)+\z"
)
ANSWER_LABEL = r"\A\s*(?:(?:#+[ \t]*)?(?:Output|Response)[ \t]*:\s*)+([^\s:])"

# Escapes are repaired only in text that is surely neither code nor TeX nor about escapes.
_TECHNICAL = r"[`{}=;$<>]|\\\\|\\\(|\bprint|(?i:regex|regular expression|escape|newline|new line|unicode|back ?slash|latex|json|code|string)|\b[A-Za-z]:\\"
_ESCAPED_LINE = r"\\n(?:[^a-z]|\z)"
_ESCAPED_QUOTES = r'\\"[^"\\\n]*\\"'
_ESCAPED_CHARACTER = r"\\u[0-9a-fA-F]{4}"
_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})")


def rename_article(text: pl.Expr) -> pl.Expr:
    """An opening "This article" or "This wikiHow" as "The following answer"."""
    return text.str.replace(ARTICLE, "${1}The following answer")


def drop_wikihow(text: pl.Expr) -> pl.Expr:
    """Calls of wikiHow, credits, footnote marks and lists of sources removed."""
    for pattern, replacement in WIKIHOW.items():
        text = outside_code(pattern, replacement)(text)
    return text


def drop_thanks(text: pl.Expr) -> pl.Expr:
    """Trailing "Edit: thanks for the gold", "EDIT: wow, this blew up", "ETA: typo" lines removed."""
    return text.str.replace(THANKS_EDIT, "")


def drop_signature(text: pl.Expr) -> pl.Expr:
    """A trailing "— Bob" or "Sent from my phone" removed."""
    return text.str.replace(SENT_FROM, "").str.replace(SIGNATURE, "${1}")


def drop_no_input(text: pl.Expr) -> pl.Expr:
    """A trailing `<noinput>`, "No input required" or (on its own line) "N/A" removed."""
    return text.str.replace(NO_INPUT, "")


def drop_label(text: pl.Expr) -> pl.Expr:
    """A leading "Output:" or "Response:" removed."""
    return text.str.replace(ANSWER_LABEL, "${1}")


def repair_escapes(text: pl.Expr) -> pl.Expr:
    r"""Literal `\n`, `\t`, `\"` and `\u00e9` as what they stand for, in prose only.

    `\n` counts as a line break only in a text that has no real one and where one is followed by no small letter:
    `\nabla` and `C:\new` are not line breaks.
    """
    prose = ~text.str.contains(_TECHNICAL)
    lines = prose & ~text.str.contains("\n", literal=True) & text.str.contains(_ESCAPED_LINE)
    broken = text.str.replace_many({r"\r\n": "\n", r"\n": "\n", r"\t": "\t"})
    quotes = prose & text.str.contains(_ESCAPED_QUOTES)
    letters = prose & text.str.contains(_ESCAPED_CHARACTER)
    text = pl.when(lines).then(broken).otherwise(text)
    text = pl.when(quotes).then(text.str.replace_all('\\"', '"', literal=True)).otherwise(text)
    decoded = pl.when(letters).then(text).map_elements(_decode, return_dtype=pl.String)
    return pl.when(letters).then(decoded).otherwise(text)


def _decode(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        high, low, single = found.groups()
        if single is None:
            return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
        code = int(single, 16)
        return found[0] if 0xD800 <= code < 0xE000 else chr(code)  # half a pair is no character

    return _PAIR.sub(character, text)
