"""Cost of highlighting code that is made to be slow: each language with each hostile text, in a process of its own.

A regular expression of a lexer can take time that grows with the square of the text or worse, and Python can't be
interrupted meanwhile. `LANGUAGES` in frontends/render/languages.py holds only those that pass. The table shows those
that don't: longer than `--limit` seconds of CPU, or more than 100 characters of HTML per character.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
from collections.abc import Iterable, Iterator

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class_by_name, get_all_lexers, get_lexer_by_name

from frontends.render.code import highlighted
from frontends.render.languages import LANGUAGES

_SPACES = ("\t", " ", "\n", "==\n", "<<A\n", "a b ", "a\n", " a\n", "\ta\n", "if ", "\\\n", ">>> ")
_SIGNS = r"""
    a A 0 1. 0x é中 _ \ / /* // # -- - * = ~ | & ( [ { < () [[ {{ <? <!-- % @ $ $a ${ : ; , " ' ` ''' r' a" a. a( a:
    a= a<b>
"""
PIECES = (*_SPACES, *_SIGNS.split(), '"' * 3)
TOO_LARGE = 100


def measured(language: str, text: str, limit_s: float) -> tuple[float, int]:
    """CPU seconds, and characters of HTML, of highlighting `text`; infinite seconds where it was stopped."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_PROF, limit_s)
            html = highlighted(text, language) if language in LANGUAGES else _by_pygments(text, language)
            os.write(writer, str(len(html)).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    _, status, used = os.wait4(child, 0)
    size = os.read(reader, 32)
    os.close(reader)
    return (used.ru_utime + used.ru_stime, int(size)) if status == 0 else (float("inf"), 0)


def _by_pygments(text: str, language: str) -> str:
    html: str = highlight(text, get_lexer_by_name(language, stripnl=False, ensurenl=False), HtmlFormatter(nowrap=True))
    return html


def texts(characters: int) -> Iterator[tuple[str, str]]:
    """Each piece repeated, in one line and in lines of 400 characters; with a name."""
    for piece in PIECES:
        line = (piece * 400)[:400]
        yield f"{piece!r}", (piece * characters)[:characters]
        if "\n" not in piece:
            yield f"{piece!r} in lines", (f"{line}\n" * (characters // 400))


def one_name_each(languages: Iterable[str]) -> list[str]:
    """`languages` without further names of the same lexer."""
    return sorted({find_lexer_class_by_name(name): name for name in sorted(languages, reverse=True)}.values())


def findings(languages: Iterable[str], characters: int, limit_s: float) -> Iterator[tuple[str, str, float, int]]:
    """Language, name of the text, seconds and size where a limit is exceeded."""
    for language in languages:
        for name, text in texts(characters):
            seconds, size = measured(language, text, limit_s)
            if seconds > limit_s or size > TOO_LARGE * characters:
                yield language, name, seconds, size


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*", help="by default those that are highlighted")
    parser.add_argument("--all", action="store_true", help="all languages that Pygments knows")
    parser.add_argument("--characters", type=int, default=20_000)
    parser.add_argument("--limit", type=float, default=1.0, help="seconds of CPU")
    given = parser.parse_args(arguments)
    known = sorted(aliases[0] for _, aliases, *_ in get_all_lexers() if aliases)
    chosen = given.languages or (known if given.all else one_name_each(LANGUAGES))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    n_found = 0
    for language, name, seconds, size in findings(chosen, given.characters, given.limit):
        n_found += 1
        print(f"{language:20} {name:20} {seconds:6.2f} s {size / given.characters:8.0f} x", flush=True)
    n_texts = len(chosen) * sum(1 for _ in texts(1))
    print(f"{len(chosen)} languages, {n_texts} texts of {given.characters:,} characters: {n_found} too slow or large")


if __name__ == "__main__":
    main()
