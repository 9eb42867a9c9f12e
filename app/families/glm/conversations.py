"""``apply_chat_template`` without a template, for the tokenizers of all three generations.

A template would render a conversation to one text and encode that with its special tokens; a message could then contain
the tokens that end it and begin another. Here each tokenizer separates text from special tokens.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transformers import BatchEncoding, PreTrainedTokenizer

from app.domain.messages import Role, Turn

Message = Mapping[str, Any]  # role, content; for ChatGLM3 also metadata and tools
Messages = Sequence[Message]
Tools = Sequence[Mapping[str, Any]]


class Piece(NamedTuple):
    """A text to encode, or the name of a special token; ``assistant``: whether it belongs to a reply."""

    text: str
    special: bool = False
    assistant: bool = False


def turns_of(messages: Messages) -> list[Turn]:
    """The messages as turns. Raises :class:`ValueError` for an unknown role."""
    turns = []
    for message in messages:
        try:
            role = Role(message["role"])
        except ValueError as unknown:
            raise ValueError(f"There is no {message['role']!r} here: the roles are {', '.join(Role)}.") from unknown
        turns.append(Turn(role, str(message["content"])))
    return turns


class ConversationTokenizer(PreTrainedTokenizer):
    """Base of tokenizers that encode conversations without a template."""

    @abstractmethod
    def conversation(self, messages: Messages, tools: Tools | None, *, generation: bool) -> list[Piece]:
        """The conversation in pieces, without eos; with the beginning of a reply if `generation`."""

    @abstractmethod
    def special_id(self, name: str) -> int:
        """The id of a special token."""

    def apply_chat_template(  # type: ignore[override, unused-ignore]
        self,
        conversation: Messages | Sequence[Messages],
        tools: Tools | None = None,
        documents: None = None,
        chat_template: None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = True,
        padding: Any = False,
        truncation: bool = False,
        max_length: int | None = None,
        return_tensors: Any = None,
        return_dict: bool = True,
        return_assistant_tokens_mask: bool = False,
        tokenizer_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """The ids of a conversation of ``{"role", "content"}``, or of several; arguments as everywhere in transformers.

        A conversation that ends with a reply ends with eos, and begins with the ids of the prompt for that reply.
        With ``return_assistant_tokens_mask``, ``assistant_masks`` marks replies and the eos after the last one.
        ``tokenize=False`` gives a text to look at: its special tokens are text, so it must not be encoded again.
        Raises :class:`ValueError` for a template, for documents, and for roles that the format has no place for.
        """
        if chat_template is not None or documents is not None:
            raise ValueError("ChatGLM's conversations have a fixed form: no chat_template, and no documents.")
        single = not conversation or isinstance(conversation[0], Mapping)
        batch: Any = [conversation] if single else conversation
        parts = [self._ended(messages, tools, add_generation_prompt, continue_final_message) for messages in batch]
        if not tokenize:
            texts = ["".join(piece.text for piece in pieces) for pieces in parts]
            return texts[0] if single else texts
        encoded = [self._encode_pieces(pieces) for pieces in parts]
        ids = [part[0] for part in encoded]
        output: BatchEncoding = self(
            ids[0] if single else ids,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            add_special_tokens=False,
            return_tensors=return_tensors,
            **(tokenizer_kwargs or {}),
        )
        if not return_dict:
            return output["input_ids"]
        if return_assistant_tokens_mask:
            if padding or truncation or return_tensors:
                raise ValueError("return_assistant_tokens_mask goes with neither padding, truncation nor tensors.")
            masks = [part[1] for part in encoded]
            output["assistant_masks"] = masks[0] if single else masks
        return output

    def _ended(self, messages: Messages, tools: Tools | None, generation: bool, continued: bool) -> list[Piece]:
        pieces = self.conversation(messages, tools, generation=generation)
        if messages and messages[-1]["role"] == Role.ASSISTANT and not generation and not continued:
            pieces.append(Piece(str(self.eos_token), special=True, assistant=True))
        return pieces

    def _encode_pieces(self, pieces: Sequence[Piece]) -> tuple[list[int], list[int]]:
        """Token ids, and a mask with 1 for tokens of the assistant."""
        ids: list[int] = []
        mask: list[int] = []
        for piece in pieces:
            if piece.special:
                new = [self.special_id(piece.text)]
            else:
                new = self.encode(piece.text, add_special_tokens=False, split_special_tokens=True)
            ids += new
            mask += [int(piece.assistant)] * len(new)
        return ids, mask
