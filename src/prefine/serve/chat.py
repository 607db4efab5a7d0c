"""Conversations as token ids, rendered by the model's own chat template.

No special token is added: templates write their own. Ids are sent to servers and not text, for a
server that gets text adds a second BOS on Llama and Gemma.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import jinja2
import orjson
import transformers

from prefine.errors import DataError, RecipeError
from prefine.schema import Message, text_of
from prefine.serve.weights import located, unloadable
from prefine.settings import Model
from prefine.settings.json import Json

_PROBE: tuple[Message, ...] = (
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello"},
)


class PromptResponse(NamedTuple):
    """A prompt and a response, as a policy reads them."""

    prompt: list[int]
    """Ends with the generation prompt."""
    response: list[int]
    """Ends with the end-of-sequence id, which counts as the last response token."""


def load_tokenizer(model: Model) -> Any:
    """Load a tokenizer from a folder or the hub.

    Raises:
        RecipeError: The folder holds no tokenizer, or another than the recipe means.
        ServiceError: The hub cannot be reached, or does not have it.
    """
    try:
        loader: Any = transformers.AutoTokenizer
        return loader.from_pretrained(located(model), revision=model.revision)
    except (OSError, ValueError) as error:
        raise unloadable(model, error) from error


class Chat:
    """A tokenizer with a chat template."""

    def __init__(self, model: Model, template: str | None = None) -> None:
        self.tokenizer = load_tokenizer(model)
        self.name = model.model
        if template is not None:
            self.tokenizer.chat_template = template
        if not self.tokenizer.chat_template:
            raise RecipeError(f"{model.model} has no chat template; give one with `template`")

    def text(self, messages: Sequence[Message], *, ask: bool) -> str:
        """Render messages; ``ask`` adds the generation prompt.

        Raises:
            DataError: The template refuses the roles of this conversation.
        """
        try:
            return self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=ask
            )
        except jinja2.TemplateError as error:
            roles = " ".join(message["role"] for message in messages)
            raise DataError(
                f"the chat template of {self.name} refuses the turns `{roles}`: {error}"
            ) from error

    def facts(self) -> Json:
        """Return a hash of the template, and how many BOS ids it begins with.

        Raises:
            RecipeError: It writes more than one, which no model was trained on by intention.
        """
        template = self.tokenizer.chat_template
        text = template if isinstance(template, str) else orjson.dumps(template).decode()
        facts: Json = {"template_sha256": sha256(text.encode()).hexdigest()}
        try:
            ids = self.conversation([*_PROBE])
        except DataError:
            return facts
        num_bos = next((n for n, one in enumerate(ids) if one != self.tokenizer.bos_token_id), 0)
        if num_bos > 1:
            raise RecipeError(
                f"the chat template of {self.name} writes the beginning-of-sequence token "
                f"{num_bos} times; give one that writes it once with `template`"
            )
        return {**facts, "num_bos": num_bos}

    def ids(self, text: str) -> list[int]:
        """Tokenise text that already holds its special tokens."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def conversation(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a whole conversation, as a reward model reads it."""
        return self.ids(self.text(messages, ask=False))

    def prompt_response(
        self, prompt: Sequence[Message], completion: Sequence[Message]
    ) -> PromptResponse:
        """Return prompt and response ids, tokenised apart so that no token spans the border.

        A response of several turns contributes all of them, the turns between rendered by the
        template.

        Raises:
            RecipeError: The tokenizer has no end-of-sequence token.
            DataError: The template does not render a longer conversation as a continuation.
        """
        end = self.tokenizer.eos_token_id
        if end is None:
            raise RecipeError(f"{self.name} has no end-of-sequence token, so no response can end")
        asked = self.text(prompt, ask=True)
        between = ""
        if len(completion) > 1:
            longer = self.text([*prompt, *completion[:-1]], ask=True)
            if not longer.startswith(asked):
                raise DataError(f"the chat template of {self.name} rewrites earlier turns")
            between = longer[len(asked) :]
        said = completion[-1]["content"]
        return PromptResponse(self.ids(asked), [*self.ids(between), *self.ids(said), end])


class PlainText:
    """A tokenizer without a chat template: contents alone, turns joined by a blank line."""

    def __init__(self, model: Model) -> None:
        self.tokenizer = load_tokenizer(model)
        first: list[int] = self.tokenizer("a")["input_ids"][:1]
        self._begin = first if first == [self.tokenizer.bos_token_id] else []

    def facts(self) -> Json:
        """Return that there is no template."""
        return {"template_sha256": None, "num_bos": len(self._begin)}

    def prompt_response(
        self, prompt: Sequence[Message], completion: Sequence[Message]
    ) -> PromptResponse:
        """Return prompt and response ids, with the end-of-sequence id where there is one."""
        end = self.tokenizer.eos_token_id
        asked, said = (self._ids(text_of(messages)) for messages in (prompt, completion))
        return PromptResponse([*self._begin, *asked], said if end is None else [*said, end])

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def renderer_for(model: Model, template: str | None) -> Chat | PlainText:
    """Return a chat, or plain text for a tokenizer that has no template and is given none."""
    if template is None and not _tokenizer(model).chat_template:
        return PlainText(model)
    return chat_for(model, template)


@lru_cache(maxsize=4)
def chat_for(model: Model, template: str | None) -> Chat:
    """Return a chat, loaded once a process."""
    return Chat(model, template)


def count_tokens(model: Model, texts: Sequence[str]) -> list[int]:
    """Return the number of tokens of each text, without special tokens."""
    tokenizer = _tokenizer(model)
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


@lru_cache(maxsize=4)
def _tokenizer(model: Model) -> Any:
    return load_tokenizer(model)
