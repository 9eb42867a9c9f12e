"""The tokenizers of ChatGLM2-6B and ChatGLM3-6B: a sentencepiece model, and special tokens without a text form.

The file ``tokenizer.model`` holds the pieces; the special tokens follow it, one id each. They exist as ids only:
"<|user|>" in a text is encoded as the characters it is made of, so that a message can't end itself and begin another.
For the same reason both classes make the ids of a conversation themselves instead of rendering it to a text first.

A text that stands alone (``tokenizer(text)``) begins with [gMASK] and sop, and does not end with eos.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import sentencepiece
from transformers import AddedToken

from app.families.chatglm2.conversation import chatglm2_pieces, chatglm3_pieces
from app.families.glm.conversations import ConversationTokenizer, Messages, Piece, Tools

_BASE_TOKENS = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop")
_ROLE_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
_VOCABULARY = "tokenizer.model"


class ChatGLM2Tokenizer(ConversationTokenizer):
    """ChatGLM2's tokenizer. Special tokens decode to nothing.

    ``apply_chat_template`` gives all rounds as one text behind [gMASK] sop. A conversation that ends with a reply ends
    with that reply's ids and eos, as the published P-tuning code trains it.
    """

    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": _VOCABULARY}
    model_input_names: ClassVar[list[str]] = ["input_ids", "attention_mask"]
    padding_side = "left"
    _special_names: ClassVar[tuple[str, ...]] = _BASE_TOKENS
    _special_text: ClassVar[bool] = False  # whether special tokens decode to their names

    def __init__(self, vocab_file: str, **kwargs: Any) -> None:
        self.vocab_file = vocab_file
        self.sp_model = sentencepiece.SentencePieceProcessor()
        self.sp_model.Load(vocab_file)
        first = self.sp_model.get_piece_size()
        self.special_ids = {name: first + index for index, name in enumerate(self._special_names)}
        # Settings that the class determines, and names of the original's code.
        for name in ("auto_map", "additional_special_tokens", "chat_template", "model_specific_special_tokens"):
            kwargs.pop(name, None)
        unknown, begin, end = (self.sp_model.id_to_piece(index) for index in range(3))
        fixed: dict[str, Any] = {
            "unk_token": unknown,
            "bos_token": begin,
            "eos_token": end,
            "pad_token": unknown,
            "extra_special_tokens": list(self._special_names),
            "added_tokens_decoder": {
                index: AddedToken(name, special=True, normalized=False) for name, index in self.special_ids.items()
            },
        }
        super().__init__(**{**kwargs, **fixed, "vocab_file": vocab_file})

    @property
    def vocab_size(self) -> int:
        """Pieces of the sentencepiece model; the special tokens come on top."""
        size: int = self.sp_model.get_piece_size()
        return size

    @property
    def all_special_ids(self) -> list[int]:
        """The ids that are not text: unknown and padding, begin, end, and the special tokens."""
        return [0, 1, 2, *self.special_ids.values()]

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a reply."""
        return (2,)

    def get_vocab(self) -> dict[str, int]:
        """Pieces and special tokens, with their ids."""
        pieces = {self.sp_model.id_to_piece(index): index for index in range(self.vocab_size)}
        return {**self.special_ids, **pieces}

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:
        """The pieces of a text; names of special tokens in it are text."""
        pieces: list[str] = self.sp_model.encode(text, out_type=str)
        return pieces

    def _convert_token_to_id_with_added_voc(self, token: str) -> int:
        # Pieces first: where a vocabulary has a piece "sop", the word in a text must not become the special token.
        index: int = self.sp_model.piece_to_id(token)
        return self.special_ids.get(token, index) if index == self.sp_model.unk_id() else index

    def _convert_id_to_token(self, index: int) -> str:
        # Models have more rows than ids: padded to a round number.
        piece: str = self.sp_model.id_to_piece(index) if 0 <= index < self.vocab_size else ""
        return piece

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        names = self._added_tokens_decoder if self._special_text and not skip_special_tokens else {}
        pieces = []
        for index in ids:
            if 2 < index < self.vocab_size:
                pieces.append(self.sp_model.id_to_piece(index))
            elif index >= self.vocab_size and index in names:
                pieces.append(names[index].content)
        text: str = self.sp_model.decode_pieces(pieces)
        return text

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """[gMASK] sop, the text, and where there is a second one, that one and eos."""
        ids = [self.special_ids["[gMASK]"], self.special_ids["sop"], *token_ids_0]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, 2]

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for each special token of what :meth:`build_inputs_with_special_tokens` gives."""
        ids = token_ids_0
        if not already_has_special_tokens:
            ids = self.build_inputs_with_special_tokens(token_ids_0, token_ids_1)
        special = set(self.all_special_ids)
        return [int(index in special) for index in ids]

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        """Write the sentencepiece model into `save_directory`."""
        path = Path(save_directory) / f"{filename_prefix + '-' if filename_prefix else ''}{_VOCABULARY}"
        path.write_bytes(self.sp_model.serialized_model_proto())
        return (str(path),)

    def special_id(self, name: str) -> int:
        """The id of a special token, or of eos."""
        return self.special_ids.get(name, 2)

    def conversation(self, messages: Messages, tools: Tools | None, *, generation: bool) -> list[Piece]:
        """[gMASK] sop and all rounds; raises :class:`ValueError` for tools, which came with ChatGLM3."""
        if tools:
            raise ValueError("ChatGLM2 cannot call tools; ChatGLM3 can.")
        return chatglm2_pieces(messages, generation=generation)


class ChatGLM3Tokenizer(ChatGLM2Tokenizer):
    """ChatGLM3's tokenizer, with a token for each role. Special tokens decode to their names.

    A message is its role token, its ``metadata`` with the end of a line, and its content. Generation stops at eos and
    where the model would speak for someone else.
    """

    _special_names = (*_BASE_TOKENS, *_ROLE_TOKENS)
    _special_text = True

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a reply: eos, and the start of a user's message or of a tool's answer."""
        return (2, self.special_ids["<|user|>"], self.special_ids["<|observation|>"])

    def conversation(self, messages: Messages, tools: Tools | None, *, generation: bool) -> list[Piece]:
        """[gMASK] sop and all messages; the tools go into the system message."""
        return chatglm3_pieces(messages, tools, generation=generation)


def tokenizer_class(folder: Path) -> type[ChatGLM2Tokenizer] | None:
    """The tokenizer class for a folder; ``None`` if it has no tokenizer of these two generations.

    Both have the same files and class name. They are distinguished by the model's name in the files, or by the role
    tokens of the third generation.
    """
    if not (folder / _VOCABULARY).is_file():
        return None
    for file in ("tokenizer_config.json", "config.json"):
        path = folder / file
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if settings.get("tokenizer_class") in _CLASSES:
            return _CLASSES[settings["tokenizer_class"]]
        name = f"{settings.get('name_or_path', '')} {settings.get('_name_or_path', '')}".lower()
        if "chatglm3" in name or _ROLE_TOKENS[2] in json.dumps(settings, ensure_ascii=False):
            return ChatGLM3Tokenizer
        if "chatglm2" in name:
            return ChatGLM2Tokenizer
    return ChatGLM2Tokenizer


_CLASSES = {"ChatGLM2Tokenizer": ChatGLM2Tokenizer, "ChatGLM3Tokenizer": ChatGLM3Tokenizer}
