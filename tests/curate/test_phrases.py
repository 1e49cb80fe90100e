"""Set phrases: each goes, and its harmless neighbours stay."""

import polars as pl
import pytest

from curate.cleaning import phrases


def after(edit, text):
    return pl.select(edit(pl.lit(text))).item()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("This article will show you how.", "The following answer will show you how."),
        ("# Title\n\nThis wikiHow teaches you.", "# Title\n\nThe following answer teaches you."),
        ("Read on. This article is long.", "Read on. This article is long."),
        ("This articled clerk", "This articled clerk"),
    ],
)
def test_an_opening_that_names_the_article_is_renamed(given, expected):
    assert after(phrases.rename_article, given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Stir it. If you want to learn how to bake it, keep reading! Serve.", "Stir it. Serve."),
        ("Stir. For more advice from our reviewer, scroll down.", "Stir."),
        ("Stir. Keep reading to learn more about bread!", "Stir."),
        ("Scroll down and click Play.", "Scroll down and click Play."),
        ("Keep reading the book.", "Keep reading the book."),
        ("A[[Image:Foo step 1.jpg|center]]B", "AB"),
        ("Image by: Uploaded by a reader\nNext", "Next"),
        ("It sticks.[1] Then rinse,[12] a[1] = 2.", "It sticks. Then rinse, a[1] = 2."),
        ("It works. X Research source Go on.", "It works. Go on."),
        ("a X Trustworthy Source Mayo Clinic Educational website Go to source b", "a b"),
        ("Rest. Reader Poll: We asked 168 readers.\nNext", "Rest.\nNext"),
        ("Thank you wikiHow for this\nNext", "Next"),
        ("Watch the video of the game together.", ""),
        ("Just watch the video.", "Just watch the video."),
        ("a\n • Related wikiHow pages\n • How to Bake\n • Flour", "a\n • Flour"),
        ("# Steps\n\na\n\n# References\n\n* b\n* c\n\n# Tips\n\nd", "# Steps\n\na\n\n# Tips\n\nd"),
        ("Click References.\nNext", "Click References.\nNext"),
        ("`a.[1]`", "`a.[1]`"),
    ],
)
def test_wikihow_phrases_go(given, expected):
    assert after(phrases.drop_wikihow, given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Answer.\n\nEdit: thanks for the gold, kind stranger!", "Answer."),
        ("Answer.\n\n**EDIT:** Wow, this blew up\n\nEDIT 2: RIP my inbox", "Answer."),
        ("Answer.\n\nETA: fixed typos", "Answer."),
        ("Answer.\n\nedit - Thank you all!", "Answer."),
        ("Answer.\n\nEdit: Thanks for the kind words everyone.", "Answer."),
        ("Answer.\n\nEdit: the formula was wrong, it is 2x.", "Answer.\n\nEdit: the formula was wrong, it is 2x."),
        (
            "Answer.\n\nEdit: thanks to a reader, step 2 now says 20 g.",
            "Answer.\n\nEdit: thanks to a reader, step 2 now says 20 g.",
        ),
        ("Edit: wow, gold!\n\nThe answer goes on.", "Edit: wow, gold!\n\nThe answer goes on."),
        ("Click Edit: the gold button.", "Click Edit: the gold button."),
    ],
)
def test_remarks_about_success_or_spelling_go_and_additions_stay(given, expected):
    assert after(phrases.drop_thanks, given).rstrip() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("It is so.\n\n— Bob", "It is so."),
        ("It is so.\n--\nBob", "It is so.\n--\nBob"),
        ("It is so.\n-- Bob Smith\n", "It is so."),
        ("It is so.\n\nSent from my iPhone", "It is so."),
        ("He said:\n\n> It is so.\n\n— Bob", "He said:\n\n> It is so.\n\n— Bob"),
        ('"It is so."\n\n— Bob', '"It is so."\n\n— Bob'),
        ("Between A\n\n— a dash", "Between A\n\n— a dash"),
    ],
)
def test_signatures_go_and_names_under_quotations_stay(given, expected):
    assert after(phrases.drop_signature, given).rstrip() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Do it.\n\n<noinput>", "Do it."),
        ("Do it.\n\nNo input", "Do it."),
        ("Do it.\n[no input required]", "Do it."),
        ("Do it.\n\nN/A", "Do it."),
        ("Do it. ### Input: <noinput>.", "Do it."),
        ("Do it.\n\nInput:\nNo input needed.", "Do it."),
        ("Do it. <No Input>", "Do it."),
        ("What if there is no input", "What if there is no input"),
        ("Explain:\n\nThere is no input.", "Explain:\n\nThere is no input."),
        ("No input", "No input"),
        ("Which are blank?\n\n1, N/A", "Which are blank?\n\n1, N/A"),
    ],
)
def test_a_no_input_marker_at_the_end_goes(given, expected):
    assert after(phrases.drop_no_input, given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Output: 4", "4"),
        ("### Response:\nHello", "Hello"),
        ("Output:", "Output:"),
        ("Outputs: a, b", "Outputs: a, b"),
        ("The output: 4", "The output: 4"),
    ],
)
def test_a_leading_label_goes(given, expected):
    assert after(phrases.drop_label, given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (r"Dear Ann,\n\nthank you.\nBest, Bob", "Dear Ann,\n\nthank you.\nBest, Bob"),
        (r"One\tTwo\nThree", "One\tTwo\nThree"),
        (r"He said \"hi\" twice.", 'He said "hi" twice.'),
        (r"A caf\u00e9 and \ud83d\ude00, half \ud83d", "A café and 😀, half \\ud83d"),
        (r'printf("a\nB");', r'printf("a\nB");'),
        (r"the gradient \nabla f", r"the gradient \nabla f"),
        (r"$\nu \ne 1$", r"$\nu \ne 1$"),
        (r"Open C:\new\Table", r"Open C:\new\Table"),
        (r'{"a": \"b\"}', r'{"a": \"b\"}'),
        (r"The newline is written \n In most languages", r"The newline is written \n In most languages"),
        ("A real line\nand \\n Then", "A real line\nand \\n Then"),
    ],
)
def test_stray_escapes_are_repaired_in_prose_only(given, expected):
    assert after(phrases.repair_escapes, given) == expected
