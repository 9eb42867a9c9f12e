"""The drawer's logic: what is shown, what is an override, what a handler answers."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pytest

from frontends.client import ApiError
from frontends.gradio.drawer import Context, Drawer
from frontends.gradio.i18n import words
from frontends.gradio.sampling import FIELDS, PRESETS, BadSetting, overrides, preset_of, shown

DEFAULTS = {
    "temperature": 0.2,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "repetition_penalty": 1.0,
    "max_new_tokens": 1024,
}
NUMBERS = [DEFAULTS[f.name] for f in FIELDS]


def with_(**changes: float) -> list[Any]:
    return [changes.get(f.name, DEFAULTS[f.name]) for f in FIELDS]


def test_only_what_differs_from_the_model_is_an_override() -> None:
    assert overrides(DEFAULTS, [*NUMBERS, "", ""]) == {}
    found = overrides(DEFAULTS, [*with_(temperature=0.7, top_k=20.0), "7", "###\nUser:\n"])
    assert found == {"temperature": 0.7, "top_k": 20, "seed": 7, "stop": ["###", "User:"]}
    assert isinstance(found["top_k"], int)


def test_numbers_out_of_range_are_brought_into_it() -> None:
    assert overrides(DEFAULTS, [*with_(temperature=9, top_p=0), "", ""]) == {"temperature": 2, "top_p": 0.01}


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", "4294967295", "٣"])
def test_a_bad_seed_is_refused(seed: str) -> None:
    with pytest.raises(BadSetting, match="bad_seed"):
        overrides(DEFAULTS, [*NUMBERS, seed, ""])


@pytest.mark.parametrize("stop", ["x\n" * 17, "x" * 129])
def test_bad_stop_strings_are_refused(stop: str) -> None:
    with pytest.raises(BadSetting, match="bad_stop"):
        overrides(DEFAULTS, [*NUMBERS, "", stop])


def test_presets_are_recognised_from_their_values() -> None:
    for name, preset in PRESETS.items():
        assert preset_of(shown(DEFAULTS, preset)) == name
    assert preset_of(shown(DEFAULTS, {"temperature": 0.33})) is None


@pytest.mark.parametrize("text", ["", "null", "[1]", "{", '{"unknown": 1}'])
def test_a_field_that_is_not_ours_is_an_empty_context(text: str) -> None:
    assert Context.read(text) == Context()


class Client:
    """Takes what is written, or refuses it."""

    def __init__(self, error: ApiError | None = None) -> None:
        self.error = error
        self.written: list[tuple[str, dict[str, Any]]] = []

    def on_behalf_of(self, headers: object) -> Client:
        return self

    async def update_conversation(self, conversation_id: str, changes: dict[str, Any]) -> None:
        if self.error:
            raise self.error
        self.written.append((conversation_id, changes))


async def save(client: Client, **context: Any) -> list[Any]:
    text = json.dumps({"defaults": DEFAULTS, "language": "zh"} | context)
    drawer = Drawer(client)  # type: ignore[arg-type]
    return await drawer.save(gr.Request(headers={}), text, "Be brief.", *with_(temperature=0.5), "", "")


@pytest.mark.anyio
async def test_changes_are_written_to_the_open_conversation() -> None:
    client = Client()
    *_, status = await save(client, conversation_id="c1")
    assert client.written == [("c1", {"system_prompt": "Be brief.", "sampling": {"temperature": 0.5}})]
    assert status == words("zh")["saved"]


@pytest.mark.anyio
async def test_before_there_is_one_they_go_back_to_the_script() -> None:
    client = Client()
    draft, _, status = await save(client)
    assert json.loads(draft) == {"system_prompt": "Be brief.", "sampling": {"temperature": 0.5}}
    assert (client.written, status) == ([], words("zh")["kept"])


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "key"), [(0, "unreachable"), (404, "not_saved")])
async def test_a_refusal_is_told(status: int, key: str) -> None:
    *_, told = await save(Client(ApiError("x", "gone", status=status)), conversation_id="c1")
    assert told == words("zh")[key].format(message="gone")


@pytest.mark.anyio
async def test_showing_a_context_sets_values_and_words() -> None:
    # In a running loop: elsewhere Gradio makes loops of its own and leaves them open.
    with gr.Blocks():
        drawer = Drawer(Client())  # type: ignore[arg-type]
        drawer.build()
    text = json.dumps({"language": "zh", "defaults": DEFAULTS, "sampling": {"seed": 5}, "system_prompt": "P"})
    prompt, temperature, *_ = drawer.show(text)
    assert (prompt["value"], prompt["label"]) == ("P", words("zh")["system_prompt"])
    assert (temperature["value"], temperature["label"]) == (0.2, words("zh")["temperature"])
