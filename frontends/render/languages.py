"""The languages that code is highlighted in, by the names that models give them.

A lexer is a set of regular expressions, and some take minutes for a few kilobytes of hostile text. These are the ones
that were tried with such texts by ``benchmarks/hostile_code.py`` and stay linear; code in others is shown plain.
"""

from __future__ import annotations

_NAMES = """
    ada apl applescript arduino asm autohotkey awk basemake bash bat batch bibtex c c# c++ cfg clj clojure cmake cobol
    coffee-script common-lisp cpp cs csharp css csv cuda cypher d dart delphi diff django docker dockerfile doscon dot
    elisp elixir elm emacs-lisp erlang ex exs f# fish fortran fsharp gas gdscript gherkin glsl go golang gradle graphql
    graphviz groovy haml handlebars haskell haxe hcl hlsl hs html http ini java javascript jinja jl js json json5
    jsonc jsonl jsp jsx julia kotlin kt latex less lisp llvm lua make makefile markdown mathematica matlab md mermaid
    mysql nasm nginx nim nix objc objective-c ocaml octave pascal perl php pl plpgsql postgres postgresql powershell
    prolog protobuf ps1 puppet py py3 python python3 pycon pytb qml r racket rb react regex rst rs ruby rust sass scala
    scheme scss sh shell solidity sparql sql sqlite3 svelte svg swift systemverilog tcl terraform tex tf toml ts tsx
    turtle typescript vala vb.net vbnet verilog vhdl vim vue wasm wat wast xml xslt yaml yml zig zsh
"""
LANGUAGES = frozenset(_NAMES.split())
