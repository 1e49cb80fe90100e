"""Plain text as HTML, with nothing in it that hides or turns text around unseen."""

import html
import re
import unicodedata

# Bidirectional controls, zero-width characters (but for the joiners, which scripts and emoji need), and control codes.
HIDDEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def escaped(text: str) -> str:
    """For text and for attributes."""
    return html.escape(text, quote=True)


def shown(text: str) -> str:
    """Escaped, with every character that hides or turns text around shown by its name. Not for attributes."""
    return HIDDEN.sub(_named, escaped(text))


def _named(found: re.Match[str]) -> str:
    character = found[0]
    name = unicodedata.name(character, "CONTROL")
    code = f"U+{ord(character):04X}"
    return f'<span class="hidden" title="{code} {name}">{code}</span>'
