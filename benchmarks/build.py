"""A whole `lima` build over replicated Stack Exchange posts: wall time and peak memory against corpus size.

    python benchmarks/build.py [--posts 100000 1000000] [--engine local] [--keep FOLDER]

The posts are the embedded sample's own (written for this project), repeated with new ids and a number in every paragraph, so
that no two are equal, and spread over the sample's six sites. The sample's answers are shorter than LIMA's 1,200
characters, so each answer is three of them.
"""

import argparse
import html
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lxml import etree

SAMPLE = Path(__file__).parents[1] / "curate/recipes/sample/stackexchange"


def posts(site: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The well-formed questions and the well-formed answers of one site of the sample."""
    rows = [dict(row.attrib) for row in etree.parse(site / "Posts.xml").getroot()]
    rows = [row for row in rows if row.get("Id") and re.fullmatch(r"-?\d+", row.get("Score", ""))]
    questions = {row["Id"]: row for row in rows if row["PostTypeId"] == "1"}
    answers = [row for row in rows if row["PostTypeId"] == "2" and row["ParentId"] in questions]
    return list(questions.values()), answers


def write_site(source: Path, target: Path, wanted: int) -> int:
    """A Posts.xml of about `wanted` rows: each question with its answers, again and again under new ids."""
    questions, answers = posts(source)
    target.parent.mkdir(parents=True)
    written = copy = 0
    with target.open("w", encoding="utf-8-sig", newline="\r\n") as out:
        out.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        while written < wanted:
            base = copy * 10_000
            for question in questions:
                mine = [answer for answer in answers if answer["ParentId"] == question["Id"]]
                for row in (question, *mine):
                    out.write(render(row, base, copy, answers))
                    written += 1
            copy += 1
        out.write("</posts>\n")
    return written


def render(row: dict[str, str], base: int, copy: int, answers: list[dict[str, str]]) -> str:
    row = {**row, "Id": str(base + int(row["Id"]))}
    if "ParentId" in row:
        place = copy % len(answers)
        row["ParentId"] = str(base + int(row["ParentId"]))
        row["Body"] = "\n".join([row["Body"], answers[place]["Body"], answers[place - 1]["Body"]])
    row["Body"] = row["Body"].replace("</p>", f" ({copy})</p>")
    if "Title" in row:
        row["Title"] = f"{row['Title'].rstrip('?')} in case {copy}?"
    attributes = " ".join(f'{name}="{html.escape(value).replace(chr(10), "&#xA;")}"' for name, value in row.items())
    return f"  <row {attributes} />\n"


def run(folder: Path, count: int, engine: str) -> None:
    sites = sorted(path for path in SAMPLE.iterdir() if path.is_dir())
    started = time.perf_counter()
    rows = sum(write_site(site, folder / "se" / site.name / "Posts.xml", count // len(sites)) for site in sites)
    size = sum(path.stat().st_size for path in (folder / "se").rglob("Posts.xml"))
    print(f"{rows:,} posts, {size / 1e6:,.0f} MB, written in {time.perf_counter() - started:.0f} s", flush=True)
    absent = [f"-ssources.{name}=null" for name in ("wikihow", "writingprompts", "natural_instructions")]
    quotas = '-sselect.quotas={"stackexchange/stem": 200, "stackexchange/other": 200}'
    command = [
        sys.executable,
        "-m",
        "curate",
        "build",
        "lima",
        f"-ssources.stackexchange.path={folder / 'se'}",
        *absent,
    ]
    command += [
        quotas,
        "--out",
        str(folder / "run"),
        "--engine",
        engine,
        "--json",
    ]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    answer, _ = process.communicate()
    wall = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"the build failed with {process.returncode}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    report = json.loads(answer)
    print(f"  {engine}: {wall:.1f} s, {rows / wall:,.0f} posts/s, peak memory {peak:,.0f} MB", flush=True)
    print(f"  seconds by stage: {report['seconds']}; {report['kept']:,} kept of {report['inputs']:,}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--engine", default="local")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    for count in arguments.posts:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), count, arguments.engine)
