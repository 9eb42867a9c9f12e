"""Names of the GGUF files that were converted from a Hugging Face folder, and are stored in it.

<store>/weights/<name>/<name>-<type>.gguf    in that number format; ``parley models quantize`` writes it
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

GGUF_TYPES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "bf16", "f32")  # the smallest and fastest first
_CONVERTED = re.compile(rf".+-(?P<type>{'|'.join(GGUF_TYPES)})\.gguf")


def converted_name(folder: Path, gguf_type: str) -> str:
    """The file name of a conversion of the model in `folder`."""
    return f"{folder.name}-{gguf_type}.gguf"


def converted_files(names: Iterable[str]) -> dict[str, str]:
    """The converted files among `names`, by number format, smallest first."""
    found = {match["type"]: name for name in names if (match := _CONVERTED.fullmatch(name))}
    return {gguf_type: found[gguf_type] for gguf_type in GGUF_TYPES if gguf_type in found}
