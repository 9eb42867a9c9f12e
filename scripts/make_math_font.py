"""Make frontends/gradio/static/fonts/math.woff2 from STIX Two Math.

    pip install 'fonttools[woff]'
    python scripts/make_math_font.py STIXTwoMath-Regular.ttf

The font (SIL Open Font License) is at https://github.com/stipub/stixfonts. The result has no hints and only characters
that formulas in chats use, and is a ninth of the size. The part with which long right arrows end has its two connector
lengths exchanged in version 2.11, so that browsers can't make long arrows of it; that is corrected here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont

TARGET = Path(__file__).parents[1] / "frontends/gradio/static/fonts/math.woff2"
# Latin, accents, Greek, spaces, punctuation, letterlike symbols, arrows, operators, brackets, shapes, math alphabets.
UNICODES = """
    20-7E A0-FF 131 237 300-30C 311 323 327 331-333 338 391-3D6 3DC 3DD 3F0-3F6 2000-200F 2010-2015 2016-2022 2026
    2032-2037 203E 2044 2057 2061-2064 20D0-20DC 20DD 20E1 20EC-20EF 2100-214F 2190-21FF 2200-22FF 2300-2312 231C-231F
    2322 2323 2329 232A 23B0 23B1 23B4 23B5 23DC-23E1 25A0-25CA 25EF 2605 2606 2660-2667 266D-266F 2713 2720 27C2
    27D5-27D8 27E6-27EF 27F0-27FF 29EB 29F5 29F8 29F9 2A00-2A0C 2A2F 2A3F 2A7D-2A9A 2AAF 2AB0 2AB7-2ABA 2AC5 2AC6 2ACB
    2ACC 1D400-1D4CF 1D504-1D56B 1D5A0-1D5D3 1D670-1D755 1D7CA-1D7D7 1D7D8-1D7E1 1D7F6-1D7FF
"""


def main() -> None:
    """Write the font."""
    font = TTFont(sys.argv[1])
    _correct_arrows(font["MATH"].table.MathVariants)
    options = subset.Options(hinting=False, notdef_outline=True, layout_features=["ssty", "flac", "dtls"])
    options.flavor = "woff2"
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=subset.parse_unicodes(",".join(UNICODES.split())))
    subsetter.subset(font)
    subset.save_font(font, str(TARGET), options)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


def _correct_arrows(variants: Any) -> None:
    for construction in variants.HorizGlyphConstruction:
        for part in construction.GlyphAssembly.PartRecords if construction.GlyphAssembly else ():
            if part.glyph == "uni2192.var" and part.StartConnectorLength == 0:
                part.StartConnectorLength, part.EndConnectorLength = part.EndConnectorLength, 0


if __name__ == "__main__":
    main()
