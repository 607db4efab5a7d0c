"""The OpenVINO backend: faster on CPUs, its vectors are compared with those of torch.

OpenVINO's telemetry is disabled.
"""

import sys
from importlib import import_module
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.modeling_outputs import BaseModelOutput

from prefine.errors import IntegrityError, RecipeError
from prefine.settings import require_extra

_PROBES = ("A lamp.", "How do I keep my garden green in a dry summer, with little water?")
"""Texts of different lengths, so that one is padded."""
_TOLERANCE = 1e-4
"""Maximum difference from torch in a component of a unit vector."""


class _States(torch.nn.Module):
    """The compiled module: returns the hidden states for token ids and attention mask."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.inner(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def prepare(model: SentenceTransformer, device: str) -> None:
    """Switch an encoder to OpenVINO, in place, with the number of threads of torch.

    Measured on 2 cores with all-MiniLM-L6-v2 in two runs: 7,587 and 6,607 tokens per second,
    against 5,887 and 5,265 with torch.

    Args:
        model: Encoder loaded with torch.
        device: Name of a torch device; must be a CPU.

    Raises:
        RecipeError: The device is not a CPU, OpenVINO is not installed or cannot run the model.
        IntegrityError: Its vectors differ from those of torch.
    """
    if torch.device(device).type != "cpu":
        raise RecipeError(f"`backend: openvino` requires `device: cpu`, not `{device}`")
    require_extra("openvino", "`backend: openvino`")
    before = _vectors(model)
    inner: Any = model[0].auto_model
    try:
        compiled = _compile(inner)
    except (RuntimeError, TypeError, ValueError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        text = f"OpenVINO cannot run the encoder: {lines[0][:300]}; use `backend: torch`"
        raise RecipeError(text) from error

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: object) -> Any:
        states = compiled([input_ids.numpy(), attention_mask.numpy()])[0]
        return BaseModelOutput(last_hidden_state=torch.from_numpy(states.copy()))  # pyright: ignore[reportArgumentType]

    inner.forward = forward
    difference = float(np.abs(_vectors(model) - before).max())
    if not difference <= _TOLERANCE:
        raise IntegrityError(
            f"OpenVINO's vectors differ from torch's by {difference:.2g}; use `backend: torch`"
        )


def _vectors(model: SentenceTransformer) -> Any:
    return model.encode(list(_PROBES), normalize_embeddings=True, show_progress_bar=False)


def _compile(inner: torch.nn.Module) -> Any:
    # OpenVINO imports this package if it is installed, which writes to the home folder and sends
    # usage data
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    openvino: Any = import_module("openvino")
    frontend: Any = import_module("openvino.frontend")
    decoder: Any = import_module("openvino.frontend.pytorch.ts_decoder")
    ids = torch.ones(2, 5, dtype=torch.long)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    example = {"input_ids": ids, "attention_mask": mask}
    traced = decoder.TorchScriptPythonDecoder(_States(inner).eval(), example_input=example)
    torch_reader = frontend.FrontEndManager().load_by_framework("pytorch")
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        # with pinning, the threads of several processes share the first cores
        "ENABLE_CPU_PINNING": False,
    }
    graph = torch_reader.convert(torch_reader.load(traced))
    return openvino.Core().compile_model(graph, "CPU", settings)
