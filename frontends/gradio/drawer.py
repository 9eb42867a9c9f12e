"""The drawer: instructions and sampling of the open conversation, as a form of Gradio's.

Data flows one way. The script says in a hidden field what is open, in which language and how it is
set (`Context`); the form shows that. What a person changes is written to the API, whose ``updated``
event reaches the script, which tells the form again. Before there is a conversation, changes go back
to the script in a second hidden element, and it creates the conversation with them.

No handler goes through Gradio's queue, so a page holds no stream of Gradio's open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from frontends.client import ApiError, ParleyClient
from frontends.gradio.i18n import Words, words
from frontends.gradio.sampling import FIELDS, PRESETS, BadSetting, SliderField, overrides, preset_of, shown

Updates = list[Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What the script tells: the JSON object in the hidden field."""

    conversation_id: str | None = None
    language: str = "en"
    system_prompt: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)  # overrides
    defaults: Mapping[str, Any] = field(default_factory=dict)  # the model's own sampling

    @classmethod
    def read(cls, text: str) -> Context:
        """Parse the field; whatever is not ours is an empty context."""
        try:
            found = json.loads(text)
        except ValueError:
            return cls()
        return cls(**{k: v for k, v in found.items() if k in cls.__slots__}) if isinstance(found, dict) else cls()


class Drawer:
    """Builds the form and answers its events."""

    def __init__(self, client: ParleyClient) -> None:
        self._client = client

    def build(self) -> None:
        """Add the form to the layout that is being built."""
        say = words("en")
        self.context = gr.Textbox(elem_id="parley-context", visible="hidden", label="context")
        self.draft = gr.Button("{}", elem_id="parley-draft", visible="hidden")
        self.prompt = gr.Textbox(**_prompt(say), lines=4, max_lines=12, elem_id="parley-system-prompt")
        self.preset = gr.Radio(**_preset(say), elem_id="parley-preset")
        basic = [_slider(f, say) for f in FIELDS if f.basic]
        with gr.Accordion(say["advanced"], open=False, elem_id="parley-advanced") as self.advanced:
            fine = [_slider(f, say) for f in FIELDS if not f.basic]
            self.seed = gr.Textbox(**_seed(say), max_lines=1, elem_id="parley-seed")
            self.stop = gr.Textbox(**_stop(say), lines=2, max_lines=6, elem_id="parley-stop")
        self.reset = gr.Button(say["reset"], elem_id="parley-reset", size="sm")
        self.status = gr.Markdown("", elem_id="parley-status")
        self.sliders = basic + fine
        self._wire()

    def _wire(self) -> None:
        values = [self.prompt, *self.sliders, self.seed, self.stop]
        everything = [*values, self.preset, self.advanced, self.reset, self.status]
        told = [self.draft, self.preset, self.status]
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        self.context.change(self.show, self.context, everything, **quiet)
        # A slider's `release` knows no keyboard; of many steps in a row only the last waits for its turn.
        saves = [s.input for s in self.sliders] + [t.blur for t in (self.prompt, self.seed, self.stop)]
        gr.on(saves, self.save, [self.context, *values], told, trigger_mode="always_last", **quiet)
        self.preset.input(self.apply_preset, [self.context, self.preset, *values], [*told, *self.sliders], **quiet)
        self.reset.click(
            self.apply_reset, [self.context, self.prompt], [*told, *self.sliders, self.seed, self.stop], **quiet
        )

    def show(self, text: str) -> Updates:
        """Show `text`, a :class:`Context`: values and, in its language, labels."""
        context = Context.read(text)
        say, values = words(context.language), shown(context.defaults, context.sampling)
        return [
            gr.update(**_prompt(say), value=context.system_prompt),
            *(gr.update(**_texts(f.name, say), value=values[f.name]) for f in FIELDS),
            gr.update(**_seed(say), value="" if values["seed"] is None else str(values["seed"])),
            gr.update(**_stop(say), value="\n".join(values["stop"])),
            gr.update(**_preset(say), value=preset_of(values)),
            gr.update(label=say["advanced"]),
            gr.update(value=say["reset"]),
            "",
        ]

    async def save(self, request: gr.Request, text: str, prompt: str, *values: Any) -> Updates:
        """Write what the form shows; `values` in the order of the form, seed and stop last."""
        context = Context.read(text)
        say = words(context.language)
        try:
            sampling = overrides(context.defaults, values)
        except BadSetting as bad:
            return [gr.skip(), gr.skip(), say[bad.key]]
        return await self._write(request, context, prompt, sampling)

    async def apply_preset(self, request: gr.Request, text: str, name: str, prompt: str, *values: Any) -> Updates:
        """Set the sliders that a preset speaks of, and save."""
        numbers = dict(zip((f.name for f in FIELDS), values[: len(FIELDS)], strict=True)) | PRESETS[name]
        sliders = [numbers[f.name] for f in FIELDS]
        return [*await self.save(request, text, prompt, *sliders, *values[len(FIELDS) :]), *sliders]

    async def apply_reset(self, request: gr.Request, text: str, prompt: str) -> Updates:
        """Back to the model's own sampling; the instructions stay."""
        context = Context.read(text)
        values = shown(context.defaults, {})
        told = await self._write(request, context, prompt, {})
        return [*told, *(values[f.name] for f in FIELDS), "", "\n".join(values["stop"])]

    async def _write(self, request: gr.Request, context: Context, prompt: str, sampling: dict[str, Any]) -> Updates:
        say = words(context.language)
        preset = preset_of(shown(context.defaults, sampling))
        draft = json.dumps({"system_prompt": prompt, "sampling": sampling}, ensure_ascii=False)
        if context.conversation_id is None:
            return [draft, preset, say["kept"]]
        try:
            client = self._client.on_behalf_of(request.headers)
            changes = {"system_prompt": prompt, "sampling": sampling}
            await client.update_conversation(context.conversation_id, changes)
        except ApiError as error:
            refusal = say["unreachable"] if error.status == 0 else say["not_saved"].format(message=error.message)
            return [gr.skip(), preset, refusal]
        return [gr.skip(), preset, say["saved"]]


def _texts(name: str, say: Words) -> dict[str, Any]:
    return {"label": say[name], "info": say[f"{name}_info"]}


def _prompt(say: Words) -> dict[str, Any]:
    return {**_texts("system_prompt", say), "placeholder": say["system_prompt_placeholder"]}


def _seed(say: Words) -> dict[str, Any]:
    return {**_texts("seed", say), "placeholder": say["seed_placeholder"]}


def _stop(say: Words) -> dict[str, Any]:
    return _texts("stop", say)


def _preset(say: Words) -> dict[str, Any]:
    return {"label": say["preset"], "choices": [(say[f"preset_{name}"], name) for name in PRESETS]}


def _slider(spec: SliderField, say: Words) -> gr.Slider:
    return gr.Slider(
        spec.low, spec.high, value=spec.default, step=spec.step, elem_id=f"parley-{spec.name}", **_texts(spec.name, say)
    )
