"""Hugging Face has a package called `evaluate` too: ours must work under whatever name it is installed."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "evaluate"


@pytest.fixture
def renamed():
    spec = importlib.util.spec_from_file_location(
        "judged", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["judged"] = package
    spec.loader.exec_module(package)
    # A stranger stands where our own name would be looked up.
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "evaluate"}
    for name in ours:
        del sys.modules[name]
    sys.modules["evaluate"] = None
    yield package
    del sys.modules["evaluate"]
    sys.modules.update(ours)
    for name in [name for name in sys.modules if name.split(".")[0] == "judged"]:
        del sys.modules[name]


@pytest.mark.parametrize("module", ["record", "formats", "statistics.winrate", "statistics.length_control", "checks"])
def test_the_package_works_under_another_name(renamed, module):
    assert importlib.import_module(f"judged.{module}").__name__ == f"judged.{module}"
