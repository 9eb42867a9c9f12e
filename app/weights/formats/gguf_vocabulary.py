"""Reads the special tokens of a GGUF file's vocabulary.

Types of tokens: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (``tokenizer.ggml.token_type``).
"""

from __future__ import annotations

from pathlib import Path

from app.weights.formats.gguf import read_lists

_TOKENS, _TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
# llama.cpp takes these for control tokens, whatever the file says (src/llama-vocab.cpp: ends of turns and of texts,
# and the marks of code completion).
_CONTROL_BY_NAME = frozenset(
    b"""<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|end_of_text|> <EOT> _<EOT> [EOT]
    <|return|> <|call|> <end_of_utterance> <|eom_id|> <|calls|> <|flush|> <|fim_prefix|> <fim-prefix>
    <fim_prefix> <|fim_suffix|> <fim-suffix> <fim_suffix> <|fim_middle|> <fim-middle> <fim_middle>
    <|fim_pad|> <fim-pad> <fim_pad> <|repo_name|> <fim-repo> <|file_sep|> <|code_prefix|> <|code_suffix|>
    <|code_middle|> <PRE> <SUF> <MID> <PAD> <REPO>""".split()
)


def read_special_tokens(weights: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The ids of control tokens by their text, and those of tokens that are found in any text (user-defined ones).

    Raises :class:`~app.errors.DamagedWeights`.
    """
    lists = read_lists(weights, frozenset((_TOKENS, _TYPES)))
    tokens, types = lists.get(_TOKENS), lists.get(_TYPES)
    if not isinstance(tokens, tuple):
        return {}, {}
    if not isinstance(types, tuple):
        types = (_NORMAL,) * len(tokens)
    control: dict[str, int] = {}
    defined: dict[str, int] = {}
    for index, (token, kind) in enumerate(zip(tokens, types, strict=False)):
        by_name = token in _CONTROL_BY_NAME
        if isinstance(token, bytes) and (by_name or kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)):
            found = defined if kind == _USER_DEFINED and not by_name else control
            found[token.decode(errors="replace")] = index
    return control, defined
