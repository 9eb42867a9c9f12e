"""The tokenizer of the first ChatGLM-6B, with its sentencepiece file ``ice_text.model``.

Newlines, tabs and runs of 2 to 80 spaces are separate pieces. A text becomes ``text [gMASK] <sop>``, a text and
its answer ``text [gMASK] <sop> answer <eop>``; batches are left-padded.

The first published checkpoints reserve 20000 ids for images before the text (``num_image_tokens``), and their file
lacks some pieces of later ones; both are supported.

``<sop>``, ``<eop>``, ``<pad>``, ``<unk>`` and ``[MASK]`` in a text are those tokens, as in the original, and ``<n>``,
``<|tab|>`` and ``<|blank_2|>`` are whitespace. For text that people typed, pass ``split_special_tokens=True``: then all
of them are only characters. Conversations are encoded so.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import sentencepiece
from transformers import AddedToken

from app.domain.messages import Role
from app.families.chatglm2.tokenization import tokenizer_class
from app.families.chatglm_prompt import render
from app.families.glm.conversations import ConversationTokenizer, Messages, Piece, Tools, turns_of

_MAX_BLANKS = 80
_OLD_PIECES = 130_000
_APPENDED_SPECIAL = ("[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>")
_APPENDED_TEXT = ("<|tab|>", *(f"<|blank_{count}|>" for count in range(2, _MAX_BLANKS + 1)))
_CONTROL, _USER_DEFINED, _BYTE = 3, 4, 6  # sentencepiece's types of pieces
_BLANKS = re.compile(rf" {{2,{_MAX_BLANKS}}}")
_WITHIN_TYPED_WHITESPACE = re.compile(r"(?<=<)(?=n>|\|tab\|>|\|blank_\d+\|>)")
_BLANK_PIECES = re.compile(r"<\|blank_(\d+)\|>")


class ChatGLMTokenizer(ConversationTokenizer):
    """Text ↔ ids. ``from_pretrained`` of a folder of ChatGLM2 or ChatGLM3, which name this class too, gives theirs."""

    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": "ice_text.model"}
    model_input_names: ClassVar[list[str]] = ["input_ids", "attention_mask"]
    padding_side = "left"

    def __init__(
        self,
        vocab_file: str,
        do_lower_case: bool = False,
        remove_space: bool = False,
        bos_token: str = "<sop>",
        eos_token: str = "<eop>",
        end_token: str = "</s>",
        mask_token: str = "[MASK]",
        gmask_token: str = "[gMASK]",
        pad_token: str = "<pad>",
        unk_token: str = "<unk>",
        num_image_tokens: int = 20_000,
        clean_up_tokenization_spaces: bool = True,
        **kwargs: Any,
    ) -> None:
        """The arguments are the keys of ``tokenizer_config.json``, with the defaults of files without them."""
        self.vocab_file = vocab_file
        self.sp_model = load_pieces(Path(vocab_file))
        self.do_lower_case = do_lower_case
        self.remove_space = remove_space
        self.num_image_tokens = num_image_tokens
        self.end_token = end_token
        self.gmask_token = gmask_token
        # The original's code, which is never run; and end and [gMASK], which the library would find in texts.
        for name in ("auto_map", "model_specific_special_tokens"):
            kwargs.pop(name, None)
        special = {"bos": bos_token, "eos": eos_token, "mask": mask_token, "pad": pad_token, "unk": unk_token}
        tokens = {
            f"{name}_token": AddedToken(str(piece), lstrip=True, rstrip=True, normalized=False, special=True)
            for name, piece in special.items()
        }
        kwargs["added_tokens_decoder"] = {self._piece_id(str(token)): token for token in tokens.values()}
        super().__init__(
            vocab_file=vocab_file,
            do_lower_case=do_lower_case,
            remove_space=remove_space,
            num_image_tokens=num_image_tokens,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
            **tokens,
            **kwargs,
        )
        self.init_kwargs.update(end_token=end_token, gmask_token=gmask_token)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *inputs: Any, **kwargs: Any) -> Any:
        """Load the tokenizer in a folder, of any generation."""
        later = tokenizer_class(Path(pretrained_model_name_or_path)) if cls is ChatGLMTokenizer else None
        if later is not None:
            return later.from_pretrained(pretrained_model_name_or_path, *inputs, **kwargs)
        return super().from_pretrained(pretrained_model_name_or_path, *inputs, **kwargs)

    @property
    def vocab_size(self) -> int:
        """The number of ids with a piece, including images'. Models have a few more rows."""
        return int(self.sp_model.get_piece_size()) + self.num_image_tokens

    @property
    def gmask_token_id(self) -> int:
        """The id of [gMASK], which has no text form."""
        return self._piece_id(self.gmask_token)

    @property
    def end_token_id(self) -> int:
        """The id of ``</s>``."""
        return self._piece_id(self.end_token)

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a reply."""
        return (int(self.eos_token_id),)

    def get_vocab(self) -> dict[str, int]:
        """Pieces with their ids."""
        pieces = self.sp_model.id_to_piece(list(range(self.sp_model.get_piece_size())))
        vocabulary = {_image(index): index for index in range(self.num_image_tokens)}
        vocabulary.update((piece, index) for index, piece in enumerate(pieces, self.num_image_tokens))
        return vocabulary

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """``text [gMASK] <sop>``, and with an answer: ``text [gMASK] <sop> answer <eop>``."""
        ids = [*token_ids_0, self.gmask_token_id, self.bos_token_id]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def special_id(self, name: str) -> int:
        """The id of a special token."""
        return self._piece_id(name)

    def conversation(self, messages: Messages, tools: Tools | None, *, generation: bool) -> list[Piece]:
        """``prompt [gMASK] <sop>`` and the reply at the end, if there is one; raises :class:`ValueError` for tools."""
        if tools:
            raise ValueError("ChatGLM cannot call tools; ChatGLM3 can.")
        turns = turns_of(messages)
        answered = bool(turns) and turns[-1].role is Role.ASSISTANT and not generation
        pieces = [Piece(render(turns[:-1] if answered else turns))]
        pieces += [Piece(self.gmask_token, special=True), Piece(str(self.bos_token), special=True)]
        return [*pieces, Piece(turns[-1].content, assistant=True)] if answered else pieces

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
        special = {*self.all_special_ids, self.gmask_token_id}
        return [int(index in special) for index in ids]

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str]:
        """Write the sentencepiece file into ``save_directory``, with all pieces."""
        name = self.vocab_files_names["vocab_file"]
        path = Path(save_directory) / (f"{filename_prefix}-{name}" if filename_prefix else name)
        path.write_bytes(self.sp_model.serialized_model_proto())
        return (str(path),)

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:
        """The pieces of a text, special tokens included; with ``split_special_tokens`` they are text."""
        if not kwargs.get("split_special_tokens", self.split_special_tokens):
            pieces: list[str] = super().tokenize(text, **kwargs)
            return pieces
        first, *others = _WITHIN_TYPED_WHITESPACE.split(text)
        pieces = self._tokenize(first)
        for part in others:  # sentencepiece puts a space before a text, but none after a piece such as <n>
            following = self._tokenize("\n" + part)
            pieces += following[following.index("<n>") + 1 :]
        return pieces

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        if self.remove_space:
            text = " ".join(text.split())
        if self.do_lower_case:
            text = text.lower()
        text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
        text = _BLANKS.sub(lambda run: f"<|blank_{len(run[0])}|>", text)
        pieces: list[str] = self.sp_model.encode(text, out_type=str)
        return pieces

    def _piece_id(self, piece: str) -> int:
        return int(self.sp_model.piece_to_id(piece)) + self.num_image_tokens

    def _convert_token_to_id(self, token: str) -> int:
        return self._piece_id(token)

    def _convert_id_to_token(self, index: int) -> str:
        """Raises :class:`IndexError` for ids that have no piece."""
        if index < self.num_image_tokens:
            return _image(index)
        return str(self.sp_model.id_to_piece(index - self.num_image_tokens))

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text of pieces; invalid UTF-8 becomes �."""
        return _restore_blanks(self.sp_model.decode_pieces(list(tokens)))

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        """Special tokens have no text, except the unknown one. Raises :class:`IndexError` for ids without a piece."""
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        skipped = set(self.all_special_ids) if skip_special_tokens else {self.pad_token_id}
        offset = self.num_image_tokens
        pieces = [index - offset for index in ids if index >= offset and index not in skipped]
        text = _restore_blanks(self.sp_model.decode(pieces))
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        return self.clean_up_tokenization(text) if clean_up_tokenization_spaces else text


def load_pieces(path: Path) -> sentencepiece.SentencePieceProcessor:
    """Load the file's pieces, adding those that the oldest files lack.

    The original's first code appended them at run time. Protocol buffers can be concatenated: repeated fields are
    appended, and later scalar fields take precedence.
    """
    model = path.read_bytes()
    pieces = sentencepiece.SentencePieceProcessor()
    pieces.LoadFromSerializedProto(model)
    if pieces.get_piece_size() == _OLD_PIECES:
        pieces.LoadFromSerializedProto(model + _appended_pieces())
    return pieces


def _appended_pieces() -> bytes:
    kinds = [(piece, _CONTROL) for piece in _APPENDED_SPECIAL]
    kinds += [(piece, _USER_DEFINED) for piece in _APPENDED_TEXT]
    kinds += [(f"<0x{byte:02X}>", _BYTE) for byte in range(256)]
    byte_fallback = b"\x12\x03\x98\x02\x01"  # trainer_spec (field 2) { byte_fallback (field 35): true }
    return b"".join(_piece_message(piece, kind) for piece, kind in kinds) + byte_fallback


def _piece_message(piece: str, kind: int) -> bytes:
    """ModelProto.pieces (field 1) { piece (1): text, score (2): 0.0, type (3): kind }; all lengths fit into a byte."""
    text = piece.encode()
    body = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", 0.0) + b"\x18" + bytes([kind])
    return b"\x0a" + bytes([len(body)]) + body


def _image(index: int) -> str:
    return f"image_{index}"


def _restore_blanks(text: str) -> str:
    text = text.replace("<n>", "\n").replace("<|tab|>", "\t")
    return _BLANK_PIECES.sub(lambda piece: " " * int(piece[1]), text)
