"""What all pages look like: colours and sizes (``tokens.css``), rendered Markdown, formulas, highlighted code.

``theme.js`` makes a page without a framework dark or light.
"""

from __future__ import annotations

from pathlib import Path

from frontends.render import highlight_css

FOLDER = Path(__file__).parent
ICON = FOLDER / "icon.svg"


def sheet(name: str) -> str:
    """The text of ``tokens``, ``markdown``, ``formulas`` or ``highlight``."""
    return highlight_css() if name == "highlight" else (FOLDER / f"{name}.css").read_text(encoding="utf-8")


def theme_script() -> str:
    """The script that sets the theme before the first paint."""
    return (FOLDER / "theme.js").read_text(encoding="utf-8")
