"""The page's colours are readable: WCAG AA in light and dark."""

from __future__ import annotations

import re

import pytest

from frontends.view.styles import sheet

TEXT = 4.5  # contrast of text with what is behind it
EDGE = 3.0  # of the edge of a field
PAIRS = [
    *((name, behind, TEXT) for name in ("text", "muted") for behind in ("bg", "surface", "surface-2", "bubble")),
    ("accent", "bg", TEXT),
    ("accent", "accent-soft", TEXT),
    ("accent-text", "accent", TEXT),
    ("danger", "danger-soft", TEXT),
    ("danger", "bg", TEXT),
    ("warning", "warning-soft", TEXT),
    ("border-strong", "bg", EDGE),
]


def colours(theme: str) -> dict[str, str]:
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", sheet("tokens"))
    light = next(body for selector, body in blocks if selector.strip() == ":root")
    dark = next(body for selector, body in blocks if "dark" in selector)
    found = dict(re.findall(r"--p-([\w-]+): #([0-9a-f]{6});", light))
    return found | (dict(re.findall(r"--p-([\w-]+): #([0-9a-f]{6});", dark)) if theme == "dark" else {})


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "behind", "least"), PAIRS)
def test_contrast(theme: str, front: str, behind: str, least: float) -> None:
    found = colours(theme)
    one, other = sorted((luminance(found[front]), luminance(found[behind])), reverse=True)
    assert (one + 0.05) / (other + 0.05) >= least
