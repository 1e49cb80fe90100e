"""`python -m tests.notebooks [NAME …]`: run the notebooks (those whose names begin so) and write them with their outputs.

Run it after a change that is meant to change what they show, and read the diff before committing it. Each runs in an empty
folder, in a kernel of this very interpreter, so that nothing in an output depends on where the checkout is.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# On a busy machine; alone each takes about half a minute.
TIMEOUT = 600


class Here(AsyncKernelManager):
    """Starts kernels of the interpreter that runs this, whatever a user has registered under the name python3.

    What is said to them is encrypted: anybody on a machine can open its local ports.
    """

    transport_encryption = "auto"

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, language="python", metadata={"supported_encryption": "curve"})


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in `folder`. Raises nbclient's CellExecutionError where a cell fails."""
    notebook = bare(nbformat.read(path, as_version=4))
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_manager_class=Here,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    # No profile and no history in the user's home.
    client.execute(env={**os.environ, "IPYTHONDIR": str(folder / ".ipython")})
    return plain(notebook)


def bare(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def plain(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without what differs from one machine to the next though nothing has changed: versions, random names of cells."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells, 1):
        cell.id, cell.metadata = f"cell-{number:02}", {}
    return notebook


def texts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Every text of every output."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                yield output.text
            elif output.output_type == "error":
                yield "\n".join(output.traceback)
            else:
                yield from (str(value) for value in output.data.values())


def main(names: list[str]) -> None:
    """Run and write."""
    for path in NOTEBOOKS:
        if names and not path.name.startswith(tuple(names)):
            continue
        started, before = time.monotonic(), _seconds()
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(execute(path, Path(folder)), path)
        took = f"{time.monotonic() - started:5.1f} s, {_seconds() - before:5.1f} s of processors"
        print(f"{path.name:<32} {took}  {path.stat().st_size / 1000:5.1f} kB")  # noqa: T201


def _seconds() -> float:
    """What kernels that have ended, and the commands they ran, took of the processors: the same on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
