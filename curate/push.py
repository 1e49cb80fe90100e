"""A run to the Hugging Face Hub: dataset, ledger, card and croissant.json, in one commit to a dataset repository.

Nothing else of the run leaves the machine: recipe.yaml and manifest.json name local paths (the card has the recipe without).
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from curate import runs
from curate.errors import ConfigError, RunError

FILES = ("README.md", "dataset.jsonl", "dataset.parquet", "ledger.parquet", "croissant.json")


def push(
    run: Path, name: str, *, private: bool = False, dry_run: bool = False, endpoint: str | None = None
) -> dict[str, Any]:
    """Upload a finished run to the dataset repository `name` (owner/name), which is created where it is missing.

    With `dry_run` nothing is sent and no token is needed. `repo`, `url`, `private`, `files` (rows `file`, `bytes`), `pushed`,
    and `commit` (its url, None in a dry run). `endpoint`: another Hub than the default. Raises ConfigError for a name that the Hub does not
    take, RunError for a run that is not finished or an upload that failed.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    manifest = runs.open_run(run)
    missing = [file for file in FILES if not (run / file).exists()]
    if missing:
        raise RunError(f"{run}: has no {', '.join(missing)}. Write it with: python -m curate report {run}")
    _check(name)
    api = HfApi(endpoint=endpoint)
    url = f"{api.endpoint}/datasets/{name}"
    croissant = json.dumps(published(_json(run / "croissant.json"), name, url), indent=2, ensure_ascii=False) + "\n"
    contents: dict[str, Path | bytes] = {file: run / file for file in FILES} | {"croissant.json": croissant.encode()}
    rows = [{"file": file, "bytes": _size(content)} for file, content in contents.items()]
    found = {"repo": name, "url": url, "private": private, "files": rows, "pushed": not dry_run, "commit": None}
    if dry_run:
        return found
    operations = [CommitOperationAdd(file, content) for file, content in contents.items()]
    message = f"{manifest['kept']:,} examples of {manifest['inputs']:,} inputs, by Lapidary"
    return {**found, "commit": _upload(api, name, private, operations, message)}


def published(croissant: dict[str, Any], name: str, url: str) -> dict[str, Any]:
    """croissant.json with what is known once a set has a place: url, publisher, date, and where its files are."""
    files = [{**file, "contentUrl": f"{url}/resolve/main/{file['contentUrl']}"} for file in croissant["distribution"]]
    known: dict[str, Any] = {"url": url, "datePublished": datetime.now(UTC).date().isoformat(), "distribution": files}
    if "/" in name:
        known["creator"] = {"@type": "sc:Organization", "name": name.partition("/")[0]}
    return {**croissant, **known}


def _upload(api: Any, name: str, private: bool, operations: list[Any], message: str) -> str:  # noqa: ANN401 - HfApi, imported lazily
    """Create the repository and commit; the commit's url. Every refusal becomes one line."""
    import httpx2  # what huggingface_hub speaks HTTP with
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    try:
        api.create_repo(name, repo_type="dataset", private=private or None, exist_ok=True)
        commit = api.create_commit(name, operations, commit_message=message, repo_type="dataset")
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = (
            " Log in with `hf auth login`, or set HF_TOKEN to a token that may write." if status in (401, 403) else ""
        )
        raise RunError(f"{name}: the Hub refused the upload: {_one_line(error)}{hint}") from error
    except LocalTokenNotFoundError as error:
        raise RunError(f"{name}: no token: log in with `hf auth login`, or set HF_TOKEN") from error
    except OfflineModeIsEnabled as error:
        raise RunError(f"{name}: HF_HUB_OFFLINE is set, so nothing was uploaded") from error
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise RunError(f"{name}: {api.endpoint} cannot be reached: {_one_line(error)}") from error
    except ValueError as error:  # the Hub's word on the card's metadata
        raise RunError(f"{name}: {_one_line(error)}") from error
    return str(commit.commit_url)


def _check(name: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ConfigError(f"'{name}' is no name for a repository on the Hub: {_one_line(error)}") from error


def _json(path: Path) -> dict[str, Any]:
    return runs.read_json(path) or {}


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
