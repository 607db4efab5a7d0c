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
from prefine.schema import Message, text_of, tool_parts
from prefine.serve.weights import located, unloadable
from prefine.settings import Model
from prefine.settings.json import Json, is_object

_PROBE: tuple[Message, ...] = (
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello"},
)


class ToolsRefusedError(DataError):
    """A tokenizer's chat template refuses or leaves out the tools of a conversation."""


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


def fast_tokenizer(tokenizer: Any) -> str:
    """Return the JSON of a tokenizer that the tokenizers library runs.

    Raises:
        RecipeError: Python code of its own runs it.
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise RecipeError(
            f"the encoder's tokenizer {type(tokenizer).__name__} has no `tokenizer.json`; "
            "convert it to a fast tokenizer"
        )
    return backend.to_str()


class Chat:
    """A tokenizer with a chat template."""

    def __init__(self, model: Model, template: str | None = None) -> None:
        self.tokenizer = load_tokenizer(model)
        self.name = model.model
        if template is not None:
            self.tokenizer.chat_template = template
        if not self.tokenizer.chat_template:
            raise RecipeError(f"{model.model} has no chat template; give one with `template`")

    def text(self, messages: Sequence[Message], *, ask: bool, tools: str | None = None) -> str:
        """Render messages; ``ask`` adds the generation prompt.

        Args:
            messages: The turns.
            ask: Whether an assistant turn begins at the end.
            tools: JSON text of the tools that the task offers.

        Raises:
            ToolsRefusedError: The template refuses tools or tool calls, or leaves them out.
            DataError: The template refuses the roles of this conversation.
        """
        turns = [_turn(message) for message in messages]
        if _uses_tools(messages, tools):
            return self._text_with_tools(turns, None if tools is None else orjson.loads(tools), ask)
        try:
            return self._rendered(turns, None, ask)
        except jinja2.TemplateError as error:
            roles = " ".join(message["role"] for message in messages)
            raise DataError(
                f"the chat template of {self.name} refuses the turns `{roles}`: {error}"
            ) from error

    def _rendered(self, turns: list[Json], tools: list[Json] | None, ask: bool) -> str:
        given = {} if tools is None else {"tools": tools}
        return self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=ask, **given
        )

    def _text_with_tools(self, turns: list[Json], tools: list[Json] | None, ask: bool) -> str:
        """Render a conversation that would be another one without its tools and tool calls."""
        try:
            whole = self._rendered(turns, tools, ask)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise ToolsRefusedError(f"the chat template of {self.name} refuses tools") from error
        bare = [{key: value for key, value in t.items() if key != "tool_calls"} for t in turns]
        others = [] if tools is None else [(turns, None)]
        others += [] if bare == turns else [(bare, tools)]
        for without in others:
            try:
                same = self._rendered(*without, ask) == whole
            except (jinja2.TemplateError, TypeError, ValueError):
                continue
            if same:
                text = f"the chat template of {self.name} leaves out tools or tool calls"
                raise ToolsRefusedError(text)
        return whole

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

    def conversation(self, messages: Sequence[Message], tools: str | None = None) -> list[int]:
        """Return the ids of a whole conversation, as a reward model reads it."""
        return self.ids(self.text(messages, ask=False, tools=tools))

    def prompt_response(
        self, prompt: Sequence[Message], completion: Sequence[Message], tools: str | None = None
    ) -> PromptResponse:
        """Return prompt and response ids, tokenised apart so that no token spans the border.

        A response of several turns contributes all of them, the turns between rendered by the
        template. So is a last turn with tool calls.

        Raises:
            RecipeError: The tokenizer has no end-of-sequence token.
            ToolsRefusedError: The template refuses tools or tool calls, or leaves them out.
            DataError: The template does not render a longer conversation as a continuation.
        """
        end = self.tokenizer.eos_token_id
        if end is None:
            raise RecipeError(f"{self.name} has no end-of-sequence token, so no response can end")
        with_tools = _uses_tools([*prompt, *completion], tools)
        asked = self.text(prompt, ask=True, tools=tools)
        between = ""
        if len(completion) > 1:
            longer = self.text([*prompt, *completion[:-1]], ask=True, tools=tools)
            between = self._continued(asked, longer, with_tools=with_tools)
        said = completion[-1]["content"]
        if tool_parts(completion[-1]):
            whole = self.text([*prompt, *completion], ask=False, tools=tools)
            said = self._continued(asked + between, whole, with_tools=with_tools)
            said = said.rsplit(self.tokenizer.eos_token, 1)[0]
        return PromptResponse(self.ids(asked), [*self.ids(between), *self.ids(said), end])

    def _continued(self, asked: str, longer: str, *, with_tools: bool) -> str:
        """Return what a longer conversation adds to the text of a shorter one."""
        if not longer.startswith(asked):
            text = f"the chat template of {self.name} rewrites earlier turns"
            raise ToolsRefusedError(text) if with_tools else DataError(text)
        return longer[len(asked) :]


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
        self, prompt: Sequence[Message], completion: Sequence[Message], tools: str | None = None
    ) -> PromptResponse:
        """Return prompt and response ids, with the end-of-sequence id where there is one.

        Raises:
            ToolsRefusedError: There are tools or tool calls, which need a chat template.
        """
        if _uses_tools([*prompt, *completion], tools):
            raise ToolsRefusedError("a tokenizer without a chat template shows no tools")
        end = self.tokenizer.eos_token_id
        asked, said = (self._ids(text_of(messages)) for messages in (prompt, completion))
        return PromptResponse([*self._begin, *asked], said if end is None else [*said, end])

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def _uses_tools(messages: Sequence[Message], tools: str | None) -> bool:
    return tools is not None or any(map(tool_parts, messages))


def _turn(message: Message) -> Json:
    """Return a message as templates read it: calls and arguments parsed, nothing that is null."""
    turn: Json = {"role": message["role"], "content": message["content"], **tool_parts(message)}
    if "tool_calls" in turn:
        turn["tool_calls"] = [_call(call) for call in orjson.loads(turn["tool_calls"])]
    return turn


def _call(call: Json) -> Json:
    """Return a call with parsed arguments; those that are no JSON object stay a text."""
    try:
        arguments = orjson.loads(call["function"]["arguments"])
    except orjson.JSONDecodeError:
        return call
    if not is_object(arguments):
        return call
    return {**call, "function": {**call["function"], "arguments": arguments}}


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
