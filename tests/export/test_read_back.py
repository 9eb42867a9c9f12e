"""Files of conversations are read back by Parley's own import: the same turns."""

from __future__ import annotations

import io

import pytest

from app.chat.transfer.reading.formats import read
from app.chat.transfer.reading.tree import ReadConversation
from app.domain.feedback import ConversationFeedback
from app.export.base import encoded, get_format

from .rated import long_conversation, rated_conversation, rows_of

SYSTEM, ASKED, GOOD = "Be brief.", "泡绿茶用多热的水？", "八十度。🍵\n别用沸水。"
LONG = ["Which tea is green?", "Longjing is.", "How hot?", "75 to 80 °C."]


def read_back(name: str, chat: ConversationFeedback) -> list[ReadConversation]:
    """What the import finds in the file of a format."""
    made = get_format(name)
    rows = [encoded(row, made.layout) for row in rows_of(made, chat) if row is not None]
    data = made.layout.start + made.layout.between.join(rows) + made.layout.end
    found = list(read(io.BytesIO(data), 1 << 20))
    assert all(isinstance(each, ReadConversation) for each in found)
    return [each for each in found if isinstance(each, ReadConversation)]


@pytest.mark.parametrize("name", ["trl_sft", "sharegpt", "llama_factory_sft"])
def test_with_the_system_prompt(name: str) -> None:
    (chat,) = read_back(name, rated_conversation())
    assert chat.system_prompt == SYSTEM
    assert [message.content for message in chat.messages] == [ASKED, GOOD]


@pytest.mark.parametrize("name", ["belle", "colossalai_sft", "chatllama_actor", "chatglm_ptuning"])
def test_with_the_system_prompt_in_the_first_question(name: str) -> None:
    (chat,) = read_back(name, rated_conversation())
    assert [message.content for message in chat.messages] == [f"{SYSTEM}\n\n{ASKED}", GOOD]


@pytest.mark.parametrize(
    "name", ["trl_sft", "sharegpt", "llama_factory_sft", "belle", "colossalai_sft", "chatglm_ptuning"]
)
def test_with_all_turns(name: str) -> None:
    (chat,) = read_back(name, long_conversation())
    assert [(message.role.value, message.content) for message in chat.messages] == [
        ("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(LONG)
    ]


def test_trees_with_all_branches() -> None:
    (chat,) = read_back("open_assistant", long_conversation())
    texts = {message.content: message for message in chat.messages}
    assert set(texts) == {*LONG, "80 °C.", "Boiling.", "Warm."}
    question = [message.content for message in chat.messages].index("How hot?")
    assert {text for text, message in texts.items() if message.parent == question} == {
        "75 to 80 °C.",
        "80 °C.",
        "Boiling.",
        "Warm.",
    }
