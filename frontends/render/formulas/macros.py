r"""Commands that stand for others, as the converter's macros: ``#1`` is the first argument."""

from __future__ import annotations

from types import MappingProxyType

_UPRIGHT = "Tr tr rank sgn sign diag Var Cov Corr E argmax argmin softmax sigmoid erf Re Im lcm ord span grad curl"
_KNOWN_BY_THE_CONVERTER = {"Re", "Im", "E", "grad"}

MACROS = MappingProxyType(
    {
        **{name: rf"\operatorname{{{name}}}" for name in _UPRIGHT.split() if name not in _KNOWN_BY_THE_CONVERTER},
        "argmax": r"\operatorname*{arg\,max}",
        "argmin": r"\operatorname*{arg\,min}",
        # amsmath, mathtools, LaTeX
        "substack": r"\begin{subarray}{c}#1\end{subarray}",
        "pmb": r"\boldsymbol{#1}",
        "bold": r"\mathbf{#1}",
        "mathds": r"\mathbb{#1}",
        "mathbbm": r"\mathbb{#1}",
        "dotsb": r"\cdots",
        "dotsm": r"\cdots",
        "dotsi": r"\cdots",
        "dotso": r"\ldots",
        "dotsc": r"\ldots",
        "hdots": r"\ldots",
        "mathstrut": r"\vphantom{(}",
        "ensuremath": "#1",
        "smash": "#1",
        "underbar": r"\underline{#1}",
        "slash": "/",
        "celsius": r"{}^{\circ}\mathrm{C}",
        "cancelto": r"{\cancel{#2}}^{#1}",
        "Q": r"\mathbb{Q}",
        "wideparen": r"\overparen{#1}",
        "nicefrac": "{#1}/{#2}",
        "sfrac": "{#1}/{#2}",
        "mathnormal": "#1",
        "smallsetminus": r"\setminus",
        "textsuperscript": r"{}^{\text{#1}}",
        "textsubscript": r"{}_{\text{#1}}",
        "varlimsup": r"\overline{\lim}",
        "varliminf": r"\underline{\lim}",
        "euro": "€",
        "ohm": r"\Omega",
        "upmu": r"\mu",
        # physics
        "abs": r"\left\lvert #1\right\rvert",
        "norm": r"\left\lVert #1\right\rVert",
        "dv": r"\frac{\mathrm{d}#1}{\mathrm{d}#2}",
        "pdv": r"\frac{\partial #1}{\partial #2}",
        "grad": r"\nabla",
    }
)
