"""The HTML of a shared conversation, of the question for its passcode, and of what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from frontends.client import Json
from frontends.view.shared.texts import Texts

_DOCUMENT = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{title}</title>
<link rel="icon" href="../login/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="./static/{sheet}">
<script src="./static/{script}"></script>
</head>
<body class="p-shared">
<main>
{body}
</main>
</body>
</html>
"""
_MESSAGE = """<article class="p-message {kind}" aria-label="{label}">
<h2>{label}{model}</h2>
<div class="p-body">{html}</div>
</article>"""
_PASSCODE = """<form method="post" class="p-passcode">
<p>{reason}</p>
<label>{label} <input name="passcode" type="password" autocomplete="off" maxlength="100" required autofocus></label>
<button type="submit">{open}</button>
</form>"""
_DOWNLOAD = """<form method="post" action="./{token}/chat.json">
<input type="hidden" name="passcode" value="{passcode}">
<button type="submit">{download}</button>
</form>"""


class SharedHtml:
    """Makes pages; `sheet` and `script` are the names of their files."""

    def __init__(self, sheet: str, script: str) -> None:
        self._sheet, self._script = sheet, script

    def conversation(self, texts: Texts, shared: Json, htmls: Sequence[str], *, token: str, passcode: str) -> str:
        """All messages, the replies rendered as `htmls`, and the download."""
        dates = {"date": shared["created_at"][:10], "author": escape(shared["author"])}
        about = texts["by" if shared["author"] else "anonymous"].format(**dates)
        until = texts["until"].format(date=shared["expires_at"][:10])
        title = escape(shared["title"] or texts["untitled"])
        parts = [f"<header><h1>{title}</h1><p>{about} · {until}</p></header>"]
        parts += [self._message(texts, message, html) for message, html in zip(shared["messages"], htmls, strict=True)]
        download = _DOWNLOAD.format(token=escape(token), passcode=escape(passcode), download=texts["download"])
        parts.append(f"<footer><p>{texts['made']}</p>{download}</footer>")
        return self._document(texts, title, "\n".join(parts))

    def passcode(self, texts: Texts, reason: str) -> str:
        """The question for the passcode."""
        form = _PASSCODE.format(reason=escape(reason), label=texts["passcode"], open=texts["open"])
        return self._document(texts, texts["passcode"], form)

    def sentence(self, texts: Texts, reason: str) -> str:
        """Nothing but a sentence."""
        return self._document(texts, "Parley", f"<p>{escape(reason)}</p>")

    def _message(self, texts: Texts, message: Json, html: str) -> str:
        is_reply = message["role"] == "assistant"
        model = f" <span>{escape(message['model'])}</span>" if message["model"] else ""
        kind, label = ("p-reply", texts["reply"]) if is_reply else ("p-question", texts["question"])
        body = f"<div data-block>{html}</div>" if is_reply else html
        return _MESSAGE.format(kind=kind, label=label, model=model, html=body)

    def _document(self, texts: Texts, title: str, body: str) -> str:
        return _DOCUMENT.format(lang=texts["lang"], title=title, sheet=self._sheet, script=self._script, body=body)
