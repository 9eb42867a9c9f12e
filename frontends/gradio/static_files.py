"""Serves the page's script, style sheet and icon, bundled and compressed once when the server starts.

A bundle's name contains a hash of its content, so browsers cache it for ever. They revalidate the icon each
time and get a 304.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

import brotli  # a dependency of Gradio's
from starlette.requests import Request
from starlette.responses import Response

from frontends.gradio.bundle import bundle_scripts, bundle_styles
from frontends.view.styles import ICON, sheet

STATIC = Path(__file__).parent / "static"
STYLES = (
    *("tokens", "page/page", "page/gradio", "page/area"),
    *("widgets/buttons", "widgets/choices", "widgets/menu", "widgets/popover", "widgets/text_area", "widgets/toast"),
    *("sidebar/sidebar", "sidebar/drop_area", "settings/settings", "settings/enter_setting"),
    *("models/picker", "models/variant_choices", "models/hub_form", "jobs/jobs"),
    *("account/account", "share/share"),
    *("datasets/datasets", "feedback/feedback", "feedback/figures", "feedback/review/review"),
    *("conversation/conversation", "conversation/message_editor", "conversation/reasoning"),
    *("conversation/correction", "conversation/rating_box", "conversation/reply_details"),
    *("markdown", "formulas"),
    *(
        "comparison/comparison",
        "comparison/better_line",
        "composer/composer",
        "page/welcome",
        "comparison/compare_row",
        "page/print",
    ),
)
_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"
# Beside the bundled sheet, so that the address is right under any prefix. Browsers fetch it with the first formula.
_FONT_FACE = '@font-face{{font-family:"Parley Math";src:url("{name}") format("woff2");font-display:swap}}\n'


def _sheet(name: str) -> str:
    """A sheet of this page, or one that all pages share."""
    return (STATIC / f"{name}.css").read_text(encoding="utf-8") if "/" in name else sheet(name)


class StaticFile:
    """A file with its compressed encodings."""

    def __init__(self, content: bytes, media_type: str, cache_control: str, *, compress: bool = True) -> None:
        self.digest = hashlib.sha256(content).hexdigest()[:16]
        self._encodings = {"identity": content}
        if compress:
            compressed = {"br": brotli.compress(content, quality=9), "gzip": gzip.compress(content, mtime=0)}
            self._encodings = compressed | self._encodings
        self._headers = {"Content-Type": media_type, "Cache-Control": cache_control, "Vary": "Accept-Encoding"}

    def answer(self, headers: Mapping[str, str]) -> Response:
        """The response to a request with these headers: the smallest accepted encoding, or 304."""
        accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
        encoding = next(name for name in self._encodings if name in accepted or name == "identity")
        response_headers = self._headers | {"ETag": f'"{self.digest}-{encoding}"'}
        if headers.get("if-none-match") == response_headers["ETag"]:
            return Response(status_code=304, headers=response_headers)
        if encoding != "identity":
            response_headers["Content-Encoding"] = encoding
        return Response(self._encodings[encoding], headers=response_headers)


class PageFiles:
    """The files of the page; `script` and `styles` are the names of its bundles."""

    def __init__(self) -> None:
        sheets = [(name, _sheet(name)) for name in (*STYLES, "highlight")]
        script = StaticFile(
            bundle_scripts(STATIC, "main.js").encode(),
            # Not from the system's MIME table, wrong on some machines: browsers refuse modules of another type.
            "text/javascript; charset=utf-8",
            _IMMUTABLE,
        )
        font = StaticFile((STATIC / "fonts/math.woff2").read_bytes(), "font/woff2", _IMMUTABLE, compress=False)
        font_name = f"math-{font.digest}.woff2"
        styles_text = bundle_styles(sheets) + _FONT_FACE.format(name=font_name)
        styles = StaticFile(styles_text.encode(), "text/css; charset=utf-8", _IMMUTABLE)
        self.script = f"app-{script.digest}.js"
        self.styles = f"app-{styles.digest}.css"
        icon = StaticFile(ICON.read_bytes(), "image/svg+xml", _REVALIDATE)
        self._files = {self.script: script, self.styles: styles, font_name: font, "icon.svg": icon}

    async def serve(self, request: Request) -> Response:
        """Serve ``/static/{name}``."""
        file = self._files.get(request.path_params["name"])
        return file.answer(request.headers) if file else Response(status_code=404)
