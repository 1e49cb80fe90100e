"""The texts of the interface: both languages say everything, with the same places, and no page asks for one that is not there."""

import ast
import re
import string
from pathlib import Path

import pytest

from curate.desk.why import OVERRIDDEN
from curate.report.fates import RULES
from ui import words
from ui.words import LANGUAGES, table

ROOT = Path(__file__).parents[2]
WORDS = ROOT / "ui/words"
# The rules have a table of another form.
TABLES = sorted({path.stem for path in WORDS.glob("*.toml")} - {"rules"})
MODULES = [ROOT / "app.py", *sorted((ROOT / "ui").rglob("*.py"))]


def places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("name", TABLES)
def test_every_text_is_there_in_every_language_with_the_same_places(name):
    for key, texts in table(name).items():
        assert set(texts) == set(LANGUAGES), f"{name}.{key}"
        assert all(text.strip() for text in texts.values()), f"{name}.{key}"
        assert len({frozenset(places(text)) for text in texts.values()}) == 1, f"{name}.{key}: {texts}"
        assert "" not in places(texts["en"]), f"{name}.{key}: a place without a name"


@pytest.mark.parametrize("name", TABLES)
def test_what_is_written_in_korean_is_not_written_in_english(name):
    """A text with letters of its own, beyond names that stay, is not the English one once more."""
    for key, texts in table(name).items():
        english = re.sub(r"\{[^}]*\}|`[^`]*`", "", texts["en"])
        if re.search(r"[a-z]{3,} [a-z]{3,}", english):
            assert texts["en"] != texts["ko"], f"{name}.{key}"
            assert re.search("[가-힣]", texts["ko"]), f"{name}.{key}"


@pytest.mark.parametrize("name", sorted({*TABLES} - {"shell"}))
def test_no_page_gives_a_name_of_the_shell_another_meaning(name):
    """A page has the shell's texts beside its own: a fate called `place` must not become the page's "2 of 3"."""
    shell = table("shell")
    assert [key for key, texts in table(name).items() if shell.get(key, texts) != texts] == []


def test_rules_say_in_korean_what_they_drop_and_no_sentence_is_left_over():
    said, there = (
        {(stage, rule) for stage, found in rules.items() for rule in found} for rules in (table("rules"), RULES)
    )
    assert said - there == set()
    # A few that are new may wait for theirs: they are shown in English.
    assert len(there - said) <= 3


@pytest.mark.parametrize(
    ("stage", "rule"), [(stage, rule) for stage, rules in table("rules").items() for rule in rules]
)
def test_the_korean_sentence_of_a_rule_has_the_figures_of_the_english_one(stage, rule):
    texts = table("rules")[stage][rule]
    assert set(texts) == {*LANGUAGES} - {"en"}
    for text in texts.values():
        assert re.search("[가-힣]{2}", text)
        assert re.search(r"[.)]$", text)
        figures = [sorted(re.findall(r"\d+(?:[.,]\d+)*", one)) for one in (text, RULES[stage][rule])]
        assert figures[0] == figures[1]
        assert re.findall("`[^`]*`", text) == re.findall("`[^`]*`", RULES[stage][rule])


def test_a_rule_is_told_in_the_readers_language_and_one_that_we_do_not_know_in_its_own(monkeypatch):
    monkeypatch.setattr(words, "chosen", lambda: "en")
    assert words.sentence("filters", "bot", "It is a bot.") == "It is a bot."
    assert words.detail(OVERRIDDEN) == OVERRIDDEN
    monkeypatch.setattr(words, "chosen", lambda: "ko")
    assert words.sentence("filters", "bot", "It is a bot.") == table("rules")["filters"]["bot"]["ko"]
    assert words.sentence("filters", "of_another_version", "It is old.") == "It is old."
    assert words.detail(OVERRIDDEN) == "검토자가 그래도 유지했습니다"
    assert words.detail("en") == "en"
    assert words.detail(None) is None


def asked(tree):
    """The tables that a module opens, and each text it asks for by a constant name: (key, names given or None, line, whether
    others hand it the table).
    """
    tables, names, handed = set(), {"t"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words":
            tables |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            call = node.value.func
            if isinstance(call, ast.Name) and call.id == "words":
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        # What is public may be called by another page with that page's texts.
        if (
            isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            and "t" in {a.arg for a in node.args.args}
        ):
            handed |= set(range(node.lineno, node.end_lineno + 1))
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        opened = isinstance(node.func, ast.Call) and isinstance(node.func.func, ast.Name)
        direct = opened and node.func.func.id == "words"
        if direct or (isinstance(node.func, ast.Name) and node.func.id in names):
            given = {word.arg for word in node.keywords}
            given = None if None in given else given
            found += [(key, given, node.lineno, node.lineno in handed) for key in constants(node.args[0])]
    return tables, found


def constants(node):
    """The texts that an argument can be: a constant, either side of a choice, or a pattern of one with places (as regex)."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(node.value)
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in node.values)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_that_a_module_asks_for_is_there_and_is_given_its_places(path):
    tables, found = asked(ast.parse(path.read_text(encoding="utf-8")))
    for pattern, given, line, handed in found:
        # What is handed its texts may be handed those of any page.
        known = {*tables, "shell"} if tables and not handed else TABLES
        hits = [text for name in known for key, text in table(name).items() if re.fullmatch(pattern, key)]
        where = f"{path.relative_to(ROOT)}:{line}"
        assert hits, f"{where}: no text {pattern}"
        if given is not None and ".+" not in pattern:
            # Without any place given the text is shown as it is.
            assert any(given == places(text["en"]) for text in hits), f"{where}: {pattern} is given {sorted(given)}"
