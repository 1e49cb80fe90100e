"""croissant.json of a run: Croissant 1.1 metadata (MLCommons), with the Responsible AI fields that a run can fill.

Format: docs/croissant-spec.md and docs/croissant-rai-spec.md of mlcommons/croissant. What only a publisher knows (url,
creator, date of publication) is filled in by `push`.
"""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from curate import config, runs
from curate.account import Account, account
from curate.card import COLUMNS, LEDGER
from curate.publish import DATASET
from curate.recipe import Recipe
from curate.record import VERDICT

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
FILES = {
    "dataset.jsonl": ("application/jsonlines", "The examples, one JSON object a line."),
    "dataset.parquet": ("application/x-parquet", "The same examples as one table."),
    "ledger.parquet": ("application/x-parquet", "Every reason for which an input was dropped."),
}
_TYPES = {pl.String: "sc:Text", pl.Int64: "sc:Integer", pl.Float64: "sc:Float"}


def write(run: Path, summary: dict[str, Any]) -> None:
    """croissant.json for a run whose report's numbers are `summary`."""
    recipe, manifest = config.load(run / "recipe.yaml", Recipe), runs.open_run(run)
    runs.write_json(run / "croissant.json", describe(run, recipe, manifest, summary))


def describe(run: Path, recipe: Recipe, manifest: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """The JSON-LD document."""
    said = account(recipe, manifest, summary)
    licences = [row["license"] for row in summary["licenses"] if row["license"]]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": recipe.name,
        "description": said.about,
        **({"license": licences} if licences else {}),
        "isLiveDataset": False,
        "keywords": ["instruction tuning", *recipe.active],
        "inLanguage": [row["language"] for row in summary["languages"]],
        "distribution": [_file(run / name, *about) for name, about in FILES.items()],
        "recordSet": [
            _records("examples", "The examples.", "dataset.parquet", DATASET, COLUMNS),
            _records("ledger", "Why inputs were dropped.", "ledger.parquet", VERDICT, LEDGER),
        ],
        **{f"rai:{name}": value for name, value in _responsible(said).items() if value},
    }


def _file(path: Path, kind: str, about: str) -> dict[str, Any]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": about,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": kind,
        "sha256": digest,
    }


def _records(name: str, about: str, file: str, schema: pl.Schema, columns: dict[str, str]) -> dict[str, Any]:
    key = {"key": {"@id": f"{name}/id"}} if name == "examples" else {}
    fields = [_field(f"{name}/{column}", file, column, dtype, columns[column]) for column, dtype in schema.items()]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": about, **key, "field": fields}


def _field(id_: str, file: str, column: str, dtype: Any, about: str) -> dict[str, Any]:  # noqa: ANN401 - a polars type
    field: dict[str, Any] = {"@type": "cr:Field", "@id": id_, "name": id_, "description": about}
    source = {"fileObject": {"@id": file}, "extract": {"column": column}}
    if not isinstance(dtype, pl.List):
        kind = _TYPES[dtype.base_type()]
        return {**field, "dataType": kind, "source": source}
    inner = [
        {
            "@type": "cr:Field",
            "@id": f"{id_}/{part.name}",
            "name": f"{id_}/{part.name}",
            "dataType": "sc:Text",
            "source": {**source, "transform": {"jsonPath": part.name}},
        }
        for part in dtype.inner.fields  # type: ignore[union-attr]
    ]
    return {**field, "isArray": True, "arrayShape": "-1", "subField": inner}


def _responsible(said: Account) -> dict[str, Any]:
    """The fields of the RAI extension, by name; empty ones are left out."""
    return {
        "dataCollection": " ".join(said.sources),
        "dataCollectionType": ["Secondary Data Analysis"],
        "dataPreprocessingProtocol": [*said.processing, *said.rules],
        "dataManipulationProtocol": " ".join(said.rationale[1:]),
        "dataAnnotationProtocol": said.annotation,
        "dataAnnotationPlatform": said.platform,
        "dataAnnotationAnalysis": said.analysis,
        "annotationsPerItem": said.per_item,
        "annotatorDemographics": said.annotators,
        "machineAnnotationTools": said.tools,
        "dataLimitations": said.limits,
        "dataBiases": said.biases,
        "personalSensitiveInformation": said.personal,
        "dataUseCases": ["Supervised fine-tuning of language models on instructions"],
    }
