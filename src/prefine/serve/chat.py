"""Conversations as token ids, rendered with the model's chat template.

No special tokens are added, because templates write their own. Servers receive ids instead of text,
because a server that tokenizes text adds a second BOS token for Llama and Gemma.
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
from prefine.serve.weights import load_error, locate_verified
from prefine.settings import Model
from prefine.settings.json import Json, is_object

_PROBE: tuple[Message, ...] = (
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello"},
)


class ToolsRefusedError(DataError):
    """The chat template raises an error for tools, or does not render them."""


class PromptResponse(NamedTuple):
    """Token ids of a prompt and a response."""

    prompt: list[int]
    """Token ids, ending with the generation prompt."""
    response: list[int]
    """Token ids; the last is the end-of-sequence token, where the tokenizer has one."""


def load_tokenizer(model: Model) -> Any:
    """Load a tokenizer from a folder or the model hub.

    Raises:
        RecipeError: The folder contains no tokenizer, or its digest differs from the recipe's.
        ServiceError: The hub cannot be reached, or does not have the tokenizer.
    """
    try:
        loader: Any = transformers.AutoTokenizer
        return loader.from_pretrained(locate_verified(model), revision=model.revision)
    except (OSError, ValueError) as error:
        raise load_error(model, error) from error


def fast_tokenizer(tokenizer: Any) -> str:
    """Return the ``tokenizer.json`` of a fast tokenizer, as text.

    Raises:
        RecipeError: The tokenizer is slow: implemented in Python.
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
            raise RecipeError(f"{model.model} has no chat template; set `template`")

    def text(self, messages: Sequence[Message], *, ask: bool, tools: str | None = None) -> str:
        """Render messages as text.

        Args:
            messages: Turns of the conversation.
            ask: Whether to add the generation prompt.
            tools: JSON text of the tools available to the model.

        Raises:
            ToolsRefusedError: The template raises an error for tools or tool calls, or does not
                render them.
            DataError: The template raises an error for the roles of this conversation.
        """
        turns = [_turn(message) for message in messages]
        if _uses_tools(messages, tools):
            return self._text_with_tools(turns, None if tools is None else orjson.loads(tools), ask)
        try:
            return self._render(turns, None, ask)
        except jinja2.TemplateError as error:
            roles = " ".join(message["role"] for message in messages)
            raise DataError(
                f"the chat template of {self.name} cannot render the turns `{roles}`: {error}"
            ) from error

    def _render(self, turns: list[Json], tools: list[Json] | None, ask: bool) -> str:
        extra = {} if tools is None else {"tools": tools}
        return self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=ask, **extra
        )

    def _text_with_tools(self, turns: list[Json], tools: list[Json] | None, ask: bool) -> str:
        """Render a conversation; check that its tools and tool calls change the text."""
        try:
            whole = self._render(turns, tools, ask)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise ToolsRefusedError(f"the chat template of {self.name} rejects tools") from error
        bare = [{key: value for key, value in t.items() if key != "tool_calls"} for t in turns]
        others = [] if tools is None else [(turns, None)]
        others += [] if bare == turns else [(bare, tools)]
        for without in others:
            try:
                same = self._render(*without, ask) == whole
            except (jinja2.TemplateError, TypeError, ValueError):
                continue
            if same:
                text = f"the chat template of {self.name} does not render tools or tool calls"
                raise ToolsRefusedError(text)
        return whole

    def facts(self) -> Json:
        """Return the hash of the template and its number of BOS tokens, for the manifest.

        Raises:
            RecipeError: The template writes more than one BOS token, which models are not trained
                with.
        """
        template = self.tokenizer.chat_template
        text = template if isinstance(template, str) else orjson.dumps(template).decode()
        facts: Json = {"template_sha256": sha256(text.encode()).hexdigest()}
        try:
            ids = self.conversation([*_PROBE])
        except DataError:
            return facts
        num_bos = next(
            (n for n, token in enumerate(ids) if token != self.tokenizer.bos_token_id), 0
        )
        if num_bos > 1:
            raise RecipeError(
                f"the chat template of {self.name} writes the beginning-of-sequence token "
                f"{num_bos} times; set `template` to one that writes it once"
            )
        return {**facts, "num_bos": num_bos}

    def ids(self, text: str) -> list[int]:
        """Tokenize text that already contains its special tokens."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def conversation(self, messages: Sequence[Message], tools: str | None = None) -> list[int]:
        """Return the token ids of a whole conversation, the input of a reward model."""
        return self.ids(self.text(messages, ask=False, tools=tools))

    def prompt_response(
        self, prompt: Sequence[Message], completion: Sequence[Message], tools: str | None = None
    ) -> PromptResponse:
        """Return prompt and response ids, tokenized separately so that no token spans both.

        A response of several turns includes all of them. The template renders the turns before the
        last one, and a last turn with tool calls.

        Raises:
            RecipeError: The tokenizer has no end-of-sequence token.
            ToolsRefusedError: The template raises an error for tools or tool calls, or does not
                render them.
            DataError: The template renders earlier turns differently in a longer conversation.
        """
        end = self.tokenizer.eos_token_id
        if end is None:
            raise RecipeError(
                f"{self.name} has no end-of-sequence token, which must end each response"
            )
        with_tools = _uses_tools([*prompt, *completion], tools)
        prompt_text = self.text(prompt, ask=True, tools=tools)
        between = ""
        if len(completion) > 1:
            longer = self.text([*prompt, *completion[:-1]], ask=True, tools=tools)
            between = self._continuation(prompt_text, longer, with_tools=with_tools)
        last = completion[-1]["content"]
        if tool_parts(completion[-1]):
            whole = self.text([*prompt, *completion], ask=False, tools=tools)
            last = self._continuation(prompt_text + between, whole, with_tools=with_tools)
            last = last.rsplit(self.tokenizer.eos_token, 1)[0]
        return PromptResponse(self.ids(prompt_text), [*self.ids(between), *self.ids(last), end])

    def _continuation(self, shorter: str, longer: str, *, with_tools: bool) -> str:
        """Return the text that a longer conversation appends to a shorter one."""
        if not longer.startswith(shorter):
            text = (
                f"the chat template of {self.name} changes earlier turns in a longer conversation"
            )
            raise ToolsRefusedError(text) if with_tools else DataError(text)
        return longer[len(shorter) :]


class PlainText:
    """A tokenizer without a chat template: message contents, joined by blank lines."""

    def __init__(self, model: Model) -> None:
        self.tokenizer = load_tokenizer(model)
        first: list[int] = self.tokenizer("a")["input_ids"][:1]
        self._begin = first if first == [self.tokenizer.bos_token_id] else []

    def facts(self) -> Json:
        """Return the number of BOS tokens and a null template hash, for the manifest."""
        return {"template_sha256": None, "num_bos": len(self._begin)}

    def prompt_response(
        self, prompt: Sequence[Message], completion: Sequence[Message], tools: str | None = None
    ) -> PromptResponse:
        """Return prompt and response ids; the response ends with the EOS token if there is one.

        Raises:
            ToolsRefusedError: The conversation has tools or tool calls, which need a chat template.
        """
        if _uses_tools([*prompt, *completion], tools):
            raise ToolsRefusedError("a tokenizer without a chat template cannot render tools")
        end = self.tokenizer.eos_token_id
        first, last = (self._ids(text_of(messages)) for messages in (prompt, completion))
        return PromptResponse([*self._begin, *first], last if end is None else [*last, end])

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def _uses_tools(messages: Sequence[Message], tools: str | None) -> bool:
    return tools is not None or any(map(tool_parts, messages))


def _turn(message: Message) -> Json:
    """Return a message as a template expects it: tool calls and arguments parsed, no nulls."""
    turn: Json = {"role": message["role"], "content": message["content"], **tool_parts(message)}
    if "tool_calls" in turn:
        turn["tool_calls"] = [_call(call) for call in orjson.loads(turn["tool_calls"])]
    return turn


def _call(call: Json) -> Json:
    """Return a tool call with its arguments parsed, if they are a JSON object."""
    try:
        arguments = orjson.loads(call["function"]["arguments"])
    except orjson.JSONDecodeError:
        return call
    if not is_object(arguments):
        return call
    return {**call, "function": {**call["function"], "arguments": arguments}}


def renderer_for(model: Model, template: str | None) -> Chat | PlainText:
    """Return a ``Chat``, or a ``PlainText`` where neither tokenizer nor recipe has a template."""
    if template is None and not _tokenizer(model).chat_template:
        return PlainText(model)
    return chat_for(model, template)


@lru_cache(maxsize=4)
def chat_for(model: Model, template: str | None) -> Chat:
    """Return a chat, loaded once per process."""
    return Chat(model, template)


def count_tokens(model: Model, texts: Sequence[str]) -> list[int]:
    """Return the number of tokens of each text, without special tokens."""
    tokenizer = _tokenizer(model)
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


@lru_cache(maxsize=4)
def _tokenizer(model: Model) -> Any:
    return load_tokenizer(model)
