"""The commands that ask something of finished runs: report, explain, diff, whatif, history, push. Each is one public function
and the way its answer is shown.
"""

from pathlib import Path
from typing import Any

import click

from curate.cli import json_option, print_json, settings_option
from curate.errors import GatesError

RUN = click.Path(path_type=Path)
# Rows shown on a terminal; --json has all of them.
SHOWN = 20


@click.command()
@click.argument("run", type=RUN)
@json_option
def report(run: Path, as_json: bool) -> None:
    """Write the report of a finished run again: report.html, report.json, README.md, croissant.json. Measures nothing anew.

    Exits with 1 where a gate of the recipe (`expect:`) does not hold.

    \b
    python -m curate report runs/sample
    python -m curate report runs/sample --json | jq .gates
    """
    from curate.report import again

    summary = again(run)
    if as_json:
        print_json({"run": str(run), **summary})
    else:
        for name in ("report.html", "report.json", "README.md", "croissant.json"):
            click.echo(run / name)
    check_gates(summary, quiet=as_json)


@click.command()
@click.argument("run", type=RUN)
@click.argument("id_", metavar="ID")
@json_option
def explain(run: Path, id_: str, as_json: bool) -> None:
    """Show the whole path of one example: edits, measurements, verdicts, margins, twins, leaks, rank.

    ID is an id, the start of one, or a key such as cooking.stackexchange.com/a/12 or alpaca.json:17.

    \b
    python -m curate explain runs/sample alpaca.json:17
    """
    from curate.explain import explain as explain_example

    found = explain_example(run, id_)
    if as_json:
        print_json(found)
    else:
        _show_explanation(found)


@click.command()
@click.argument("run_a", type=RUN)
@click.argument("run_b", type=RUN)
@click.option("--all", "every", is_flag=True, help=f"Show every example, not the first {SHOWN} of each kind.")
@json_option
def diff(run_a: Path, run_b: Path, every: bool, as_json: bool) -> None:
    """Show what RUN_B has other than RUN_A: settings, examples added, removed and changed, and why, by rule.

    \b
    python -m curate diff runs/before runs/after
    """
    from curate.diff import diff as compare

    found = compare(run_a, run_b)
    if as_json:
        print_json(found)
        return
    for name in "ab":
        side = found[name]
        partial = "" if side["complete"] else ", partial"
        click.echo(f"{name.upper()}  {side['run']}: {side['kept']:,} of {side['inputs']:,} kept{partial}")
    _show_settings(found["settings"])
    counts = f"{found['both']:,} in both ({len(found['changed']):,} of them changed)"
    click.echo(f"\n{counts}, {len(found['added']):,} added, {len(found['removed']):,} removed")
    for row in found["by_rule"]:
        rule = f"{row['stage']}/{row['rule']}"
        click.echo(
            f"  {rule:<32} {row['added']:>8,} added: A had dropped them {row['removed']:>8,} removed: B drops them"
        )
    most = None if every else SHOWN
    _show_rows("+", "added", found["added"], most, "green")
    _show_rows("-", "removed", found["removed"], most, "red")
    for row in found["changed"][:most]:
        click.secho(f"\n~ {row['key']}  ({row['id']})", fg="yellow")
        click.echo(row["diff"])
    _show_left_out(found["changed"], most)


@click.command()
@click.argument("run", type=RUN)
@settings_option
@click.option("--all", "every", is_flag=True, help=f"Show every example, not the first {SHOWN} of each kind.")
@json_option
def whatif(run: Path, overrides: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Show what another setting would change in a finished run, from what was measured. Writes nothing to the run.

    Limits, thresholds, quotas and orders can be tried; what changes a measurement or the inputs takes a build.

    \b
    python -m curate whatif runs/sample -s filters.profiles.reddit.min_chars=800
    python -m curate whatif runs/sample -s near.threshold=0.6 -s select.quotas.wikihow=5 --json
    """
    from curate.whatif import whatif as try_settings

    found = try_settings(run, overrides)
    if as_json:
        print_json(found)
        return
    _show_settings(found["settings"])
    for note in found["notes"]:
        click.secho(note, fg="yellow", err=True)
    kept = found["kept"]
    counts = f"{len(found['added']):,} added, {len(found['removed']):,} removed"
    click.echo(f"\nkept  {kept['before']:,} → {kept['after']:,}  ({counts})")
    for row in found["rules"]:
        click.echo(f"  {row['stage'] + '/' + row['rule']:<32} {row['before']:>8,} → {row['after']:,}")
    most = None if every else SHOWN
    _show_rows("+", "added", found["added"], most, "green")
    _show_rows("-", "removed", found["removed"], most, "red")
    if found["measured"]:
        told = ", ".join(f"{rows:,} by {stage}" for stage, rows in found["measured"].items())
        click.echo(f"\nexamples that had not come that far were measured for this: {told}", err=True)


@click.command()
@click.argument("folder", default="runs", type=RUN)
@json_option
def history(folder: Path, as_json: bool) -> None:
    """List the runs of a folder, oldest first: when, recipe, inputs, kept, gates, whether partial.

    \b
    python -m curate history
    python -m curate history experiments --json
    """
    from curate.history import history as runs_of

    rows = runs_of(folder)
    if as_json:
        print_json(rows)
        return
    width = max(len(row["run"]) for row in rows)
    for row in rows:
        if row["inputs"] is None:
            click.echo(f"{'not finished':<20}  {row['run']}")
            continue
        gates = f"{row['gates'] - len(row['failed'])} of {row['gates']} gates held" if row["gates"] else "no gates"
        when = (row["finished"] or "").replace("+00:00", "Z")
        partial = "" if row["complete"] else "  partial"
        books = f"{row['inputs']:>11,} inputs {row['kept']:>9,} kept"
        click.echo(
            f"{when:<20}  {row['run']:<{width}}  {row['recipe']} {row['recipe_hash']}  {books}  {gates}{partial}"
        )


@click.command()
@click.argument("run", type=RUN)
@click.argument("name")
@click.option("--private", is_flag=True, help="Create the repository as a private one.")
@click.option("--dry-run", is_flag=True, help="Show what would be uploaded; send nothing.")
@json_option
def push(run: Path, name: str, private: bool, dry_run: bool, as_json: bool) -> None:
    """Upload dataset, card, ledger and croissant.json to the Hugging Face Hub, to the dataset repository NAME (owner/name).

    \b
    python -m curate push runs/sample me/my-thousand --dry-run
    python -m curate push runs/sample me/my-thousand --private
    """
    from curate.push import push as upload

    found = upload(run, name, private=private, dry_run=dry_run)
    if as_json:
        print_json(found)
        return
    for row in found["files"]:
        click.echo(f"{row['file']:<18} {row['bytes']:>13,} bytes")
    click.echo(f"would go to {found['url']}" if dry_run else f"uploaded: {found['commit']}")


def check_gates(summary: dict[str, Any], *, quiet: bool = False) -> None:
    """Say how each gate fared, unless `quiet`; raise GatesError where one failed."""
    for row in [] if quiet else summary["gates"]:
        color = {True: "green", False: "red", None: "yellow"}[row["passed"]]
        click.secho(row["sentence"], fg=color)
    failed = sum(row["passed"] is False for row in summary["gates"])
    if failed:
        raise GatesError(f"{failed} of {len(summary['gates'])} gates failed: see the first lines of the report")


def _show_settings(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(f"   {row['key']}: {_value(row['a'])} → {_value(row['b'])}")


def _value(value: Any) -> str:  # noqa: ANN401 - any setting
    return "null" if value is None else str(value)


def _show_rows(mark: str, what: str, rows: list[dict[str, Any]], most: int | None, color: str) -> None:
    if rows:
        click.echo(f"\n{what}")
    for row in rows[:most]:
        why = "; ".join(f"{verdict['stage']}/{verdict['rule']}{_compared(verdict)}" for verdict in row["why"])
        click.echo(f"{click.style(mark, fg=color)} {row['key']}  ({row['id']})  {why}")
    _show_left_out(rows, most)


def _show_left_out(rows: list[dict[str, Any]], most: int | None) -> None:
    if most is not None and len(rows) > most:
        click.echo(f"  … and {len(rows) - most:,} more: --all shows them, --json has them all")


def _compared(verdict: dict[str, Any]) -> str:
    if verdict["value"] is None:
        return f" ({verdict['detail']})" if verdict["detail"] else ""
    limit = "" if verdict["limit"] is None else f" against {verdict['limit']:g}"
    return f" {verdict['value']:.4g}{limit}"


def _show_explanation(found: dict[str, Any]) -> None:
    row = found["input"]
    click.echo(f"{row['key']}  ({row['id']})\n{row['source']}, {row['file']}, record {row['position']}")
    click.echo("  ".join(str(row[name]) for name in ("url", "license") if row[name]))
    click.secho(found["fate"], bold=True, fg="green" if found["fate"] == "kept" else "red")
    if rank := found["rank"]:
        gain = "" if rank["gain"] is None else f", gain {rank['gain']:.4g}"
        bucket = f" in bucket {rank['bucket']}" if rank["bucket"] != "all" else ""
        click.echo(f"rank {rank['rank']:,} of {rank['of']:,}, the first {rank['size']:,} are the set{bucket}{gain}")
    if found["edits"]:
        click.echo(f"\nclean: {', '.join(found['edits'])}\n{found['diff']}")
    for stage in found["stages"]:
        _show_stage(stage)
    for twin in found["twins"]:
        relation = "gave way to this one" if twin["kept"] == "this" else "stayed instead of this one"
        click.echo(f"\n{twin['key'] or twin['id']} {relation}: {twin['stage']}/{twin['rule']}")
    for leak in found["leaks"]:
        click.echo(
            f"\nleak of {leak['item']}: {leak['category']}, {_short(leak['value'])} against {_short(leak['limit'])}"
        )


def _show_stage(stage: dict[str, Any]) -> None:
    click.echo(f"\n{stage['stage']}")
    told = [("dropped by", "red", verdict) for verdict in stage["verdicts"]]
    told += [("kept by a reviewer although", "yellow", verdict) for verdict in stage["overridden"]]
    for what_became, color, verdict in told:
        value = f":{_compared(verdict)}" if verdict["value"] is not None else ""
        margin = f", beyond it by {verdict['margin']:.4g}" if verdict["margin"] is not None else ""
        other = verdict["other_key"] or verdict["other"]
        shown = ((other, "because of"), (verdict["detail"], "found"))
        extra = "".join(f" ({label} {what})" for what, label in shown if what)
        click.secho(f"  {what_became} {verdict['rule']}{value}{margin}{extra}", fg=color)
        click.echo(f"    {verdict['sentence']}")
    for rule in stage.get("rules", []):
        held = click.style("ok", fg="green") if rule["passed"] else click.style("no", fg="red")
        limit = "" if rule["comparison"] in ("never", "always") else f" {_short(rule['limit'])}"
        margin = "" if rule["margin"] is None else f" (margin {_short(rule['margin'])})"
        click.echo(f"  {held} {rule['rule']:<22} {_short(rule['value']):>10}   {rule['comparison']}{limit}{margin}")
    figures = stage["scores"] if "rules" in stage else {**stage["measured"], **stage["scores"]}
    for name, value in figures.items():
        if value is not None and value != [] and name != "leaks":
            click.echo(f"  {name:<25} {_short(value):>10}")


def _short(value: Any) -> str:  # noqa: ANN401 - any measured value
    if isinstance(value, list | tuple):
        return ", ".join(map(_short, value))
    if isinstance(value, dict):
        return " ".join(f"{name} {_short(part)}" for name, part in value.items() if part is not None)
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)
