"""The languages that code is highlighted in, by the names that models give them.

A lexer is a set of regular expressions, and some take minutes for a few kilobytes of hostile text. These are the ones
that were tried with such texts by ``benchmarks/hostile_code.py``; code in others is shown plain. Java's and C#'s time
grows with the square of thousands of very short lines, but people want them, and the render process ends when a text
takes too long.
"""

from __future__ import annotations

_NAMES = """
    ada apl applescript arduino asm awk basemake bash bat batch bibtex c c# c++ cfg clj clojure cmake cobol
    coffee-script common-lisp cpp cs csharp css cuda cypher d dart diff django docker dockerfile doscon dot
    elisp elixir elm emacs-lisp erlang ex exs f# fish fortran fsharp gas gdscript glsl go golang graphql
    graphviz haml handlebars haskell haxe hlsl hs html http ini java javascript jinja jl js json json5
    jsp jsx julia kotlin latex less lisp llvm lua make makefile markdown mathematica matlab md
    mysql nasm nginx nim nix objc objective-c ocaml octave perl php pl plpgsql postgres postgresql powershell
    prolog protobuf ps1 puppet py py3 python python3 pycon pytb qml r racket rb react rst rs ruby rust sass scala
    scheme scss sh shell solidity sparql sql sqlite3 swift systemverilog tcl tex toml ts tsx
    turtle typescript vala vb.net vbnet verilog vhdl vim vue wat wast xml xslt yaml yml zig zsh
"""
LANGUAGES = frozenset(_NAMES.split())
