"""Syntax highlighting colours as CSS, for the light and the dark theme.

Every colour has a contrast of at least 4.5:1 (WCAG AA) against its background, which a test checks.
"""

from __future__ import annotations

BACKGROUND = {"light": "#f6f7f9", "dark": "#16181d"}
TEXT = {"light": "#24292f", "dark": "#e3e6ea"}

# (Pygments' short class names, light, dark, other declarations)
COLOURS: tuple[tuple[str, str, str, str], ...] = (
    ("c ch cm cp cpf c1 cs", "#5f6773", "#98a1ad", "font-style:italic"),
    ("k kc kd kn kp kr ow", "#8a1f7d", "#e29ade", ""),
    ("kt nc nn ne", "#8a4600", "#f0bd72", ""),
    ("nf fm nd", "#0550ae", "#82b7ff", ""),
    ("nb bp nv vc vg vi vm no", "#0b6062", "#6fd0cd", ""),
    ("s sa sb sc dl sd s2 sh si sx s1 ss sr se", "#1f6b2d", "#8fd694", ""),
    ("m mb mf mh mi mo il l ld", "#a3342c", "#ff9e94", ""),
    ("na nt nl", "#1c5fa8", "#8cc4ff", ""),
    ("o p", "#4a525c", "#b6bdc7", ""),
    ("gd err gr", "#b3261e", "#ff9b94", ""),
    ("gi", "#1f6b2d", "#8fd694", ""),
    ("gh gu gs", "#24292f", "#e3e6ea", "font-weight:600"),
    ("ge", "#24292f", "#e3e6ea", "font-style:italic"),
)


def highlight_css() -> str:
    """The style sheet: light by default and on paper, dark on screens under ``:root[data-theme="dark"]``."""
    dark = _rules(':root[data-theme="dark"] ', "dark")
    return "\n".join([*_rules("", "light"), "@media screen{", *dark, "}"]) + "\n"


def _rules(scope: str, theme: str) -> list[str]:
    rules = [f"{scope}figure.code{{background:{BACKGROUND[theme]};color:{TEXT[theme]}}}"]
    for classes, light, dark, more in COLOURS:
        selector = ",".join(f"{scope}.highlight .{name}" for name in classes.split())
        declarations = f"color:{light if theme == 'light' else dark}"
        rules.append(f"{selector}{{{declarations}{';' + more if more and not scope else ''}}}")
    return rules
