"""OpenVINO as what computes: a transformer converted once, kept beside the cache of vectors, compiled for this processor.

int8 is NNCF's weight compression (INT8_ASYM, a scale per output channel) with activations quantised on the fly in groups of
64: on real instruction texts 0.9993 cosine to fp32 on average (benchmarks/embed.py), where torch's dynamic int8 per channel
reached 0.984 at the same speed.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from curate import cache
from curate.embed.models import threads
from curate.errors import ConfigError, RunError

PROPERTIES = {
    "fp32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "64"},
}

Array = np.ndarray[Any, np.dtype[np.float32]]


def hidden_states(
    load: Callable[[], Any], inputs: tuple[str, ...], identity: str, precision: str
) -> Callable[[dict[str, Any]], Array]:
    """What turns `inputs` (each (n, length) int64, by name) into the last hidden states, (n, length, width) float32.

    `load` gives the torch model; it is called where `identity` has not been converted before. Raises ConfigError where
    OpenVINO is not installed, RunError where the converted model cannot be kept.
    """
    try:
        import openvino
    except ImportError as error:
        raise _absent(error) from error
    path = cache.folder() / f"openvino-{identity}.xml"
    if not path.exists():
        _convert(load(), inputs, precision, path)
    properties = {**PROPERTIES[precision], "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads())}
    compiled: Any = openvino.Core().compile_model(path, "CPU", properties)
    output = compiled.output(0)

    def hidden(features: dict[str, Any]) -> Array:
        # The compiled model writes its next answer over this one.
        states: Array = compiled({name: features[name] for name in inputs})[output]
        return states

    return hidden


def _convert(model: Any, inputs: tuple[str, ...], precision: str, path: Path) -> None:  # noqa: ANN401 - a torch module
    """Write the model as OpenVINO's pair of files; the .xml, which says that both are there, last."""
    import torch

    example = {name: torch.ones((2, 32), dtype=torch.int64) for name in inputs}
    with _quietly():
        try:
            import openvino

            converted = openvino.convert_model(model, example_input=example)
            if precision == "int8":
                import nncf

                nncf.set_log_level(logging.ERROR)
                converted = nncf.compress_weights(converted, mode=nncf.CompressWeightsMode.INT8_ASYM)
        except ImportError as error:
            raise _absent(error) from error
        new = path.with_name(f"{path.stem}.{os.getpid()}.xml")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            openvino.save_model(converted, new, compress_to_fp16=False)
            new.with_suffix(".bin").replace(path.with_suffix(".bin"))
            new.replace(path)
        except (OSError, RuntimeError) as error:
            raise RunError(f"{path}: cannot be written ({error}). Name another folder with LAPIDARY_CACHE.") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Inside, the converters neither print nor warn nor report to their maker (which they leave off under CI)."""
    from transformers.utils import logging as told

    given, verbosity = os.environ.get("CI"), told.get_verbosity()
    os.environ["CI"] = "true"
    told.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        told.set_verbosity(verbosity)
        if given is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = given


def _absent(error: ImportError) -> ConfigError:
    return ConfigError(f"backend openvino and precision int8 need OpenVINO ({error}): pip install 'lapidary[openvino]'")
