"""The dataset card: ``README.md`` with front matter, so that the folder can be pushed to a hub as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from app.export.base import Layout, get_format

_SHOWN_CHARS = 300  # of each text in an example
_META_CHARS = 60
_TEXT_CHARS = 1_500  # of an example that is a text
_SPLITS = ("train", "validation", "test")


def card(manifest: Mapping[str, Any], examples: Mapping[str, bytes]) -> str:
    """The card of a dataset; `examples` has a row of each format as it was written."""
    name = manifest["name"]
    lines = ["---", *_front_matter(manifest), "---", "", f"# {name}", "", *_summary(manifest), "", "## Files", ""]
    lines += ["| format | " + " | ".join(_SPLITS) + " | |", "| --- | ---: | ---: | ---: | --- |"]
    for format_name in manifest["formats"]:
        rows = {file["split"]: file["rows"] for file in manifest["files"] if file.get("format") == format_name}
        counts = " | ".join(str(rows.get(split, 0)) for split in _SPLITS)
        lines.append(f"| `{format_name}` | {counts} | {get_format(format_name).description} |")
    lines += ["", "Files are named `FORMAT-SPLIT.jsonl` (or `.json`, `.md`). `manifest.json` has their checksums."]
    lines += ["", *_rules(manifest), "", "## Left out", "", *_left_out(manifest), "", "## Examples", ""]
    for format_name in manifest["formats"]:
        if format_name in examples:
            lines += [f"`{format_name}`:", "", *_example(format_name, examples[format_name]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _front_matter(manifest: Mapping[str, Any]) -> list[str]:
    """YAML. Every value is a JSON string, which YAML reads, too."""
    lines = [f"pretty_name: {json.dumps(manifest['name'])}", "tags:"]
    lines += [f"- {json.dumps(tag)}" for tag in ("human-feedback", "preference", "parley")]
    lines += ["task_categories:", '- "text-generation"', "size_categories:", f"- {json.dumps(_size(manifest))}"]
    if configs := list(_configs(manifest)):
        lines += ["configs:", *configs]
    return lines


def _configs(manifest: Mapping[str, Any]) -> Iterable[str]:
    for format_name in manifest["formats"]:
        files = [file for file in manifest["files"] if file.get("format") == format_name]
        if not files or get_format(format_name).layout is Layout.TEXT:
            continue
        yield f"- config_name: {json.dumps(format_name)}"
        yield "  data_files:"
        for file in files:
            yield f"  - split: {json.dumps(file['split'])}"
            yield f"    path: {json.dumps(file['name'])}"


def _size(manifest: Mapping[str, Any]) -> str:
    rows = sum(file["rows"] for file in manifest["files"] if file.get("format"))
    steps = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((name for limit, name in steps if rows < limit), "1M<n<10M")


def _summary(manifest: Mapping[str, Any]) -> list[str]:
    rows = manifest["rows"]
    counts = ", ".join(f"{n} {kind}s" for kind, n in rows.items())
    lines = [
        f"Feedback on the replies of language models, collected with Parley {manifest['parley_version']}. "
        f"{manifest['judgements']} judgements in {manifest['conversations']} conversations became {counts}."
    ]
    if manifest["filters"]:
        lines += ["", "Filters:", ""]
        lines += [f"- {name}: {_shown(value)}" for name, value in manifest["filters"].items()]
    return lines


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _rules(manifest: Mapping[str, Any]) -> list[str]:
    splits = manifest["splits"]
    counts = ", ".join(f"{n} {split}" for split, n in splits["conversations"].items())
    lines = [
        "Messages are raw, without any chat template; the column `meta` is a JSON string with the origin of the row. "
        + ("What models thought is in columns of its own." if manifest["reasoning"] else "Reasoning is left out."),
        "",
        f"Conversations are split ({counts}) so that no conversation, and no prompt that is nearly the same, is in two "
        f"splits: {splits['groups']} groups, the largest of {splits['largest_group']} conversations.",
    ]
    if manifest["scrub"]:
        found = ", ".join(f"{n} {kind}" for kind, n in manifest["personal_data"].items()) or "none found"
        lines += ["", f"Personal data that has a form was replaced ({found}). Names and addresses are not recognized."]
    else:
        lines += ["", "Personal data was **not** replaced. Read the texts before you publish them."]
    return lines


def _left_out(manifest: Mapping[str, Any]) -> list[str]:
    lines = [f"- {kind}, {reason}: {n}" for kind, drops in manifest["dropped"].items() for reason, n in drops.items()]
    lines += [f"- judgements, by the filter {name}: {n}" for name, n in manifest["filtered_judgements"].items()]
    lines += [f"- rows, by the filter {name}: {n}" for name, n in manifest["filtered_rows"].items()]
    lines += [f"- rows that {name} can't express: {n}" for name, n in manifest["unrepresentable"].items()]
    return lines or ["Nothing."]


def _example(format_name: str, row: bytes) -> list[str]:
    if get_format(format_name).layout is Layout.TEXT:
        text = row.decode()
        return [f"{text[:_TEXT_CHARS].rstrip()}{' …' if len(text) > _TEXT_CHARS else ''}"]
    shown = json.dumps(_shortened(json.loads(row)), ensure_ascii=False, indent=2)
    return ["~~~~json", shown.replace("~~~~", "~~~"), "~~~~"]


def _shortened(value: Any) -> Any:
    """`value` with long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]} …"
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {key: f"{item[:_META_CHARS]} …" if key == "meta" else _shortened(item) for key, item in value.items()}
    return value
