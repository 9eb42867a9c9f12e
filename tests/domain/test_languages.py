from __future__ import annotations

import pytest

from app.domain.languages import LANGUAGES, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How hot should the water be?", "en"),
        ("泡绿茶用多热的水？", "zh"),
        ("用 Python 写一个快速排序", "zh"),
        ("Translate 你好 to English, please", "en"),
        ("緑茶はどのくらいの温度で入れますか", "ja"),
        ("请介绍一下动画《けいおん》的剧情、人物、音乐以及它在中国和日本引起的反响，还有它对以后的动画的影响", "zh"),
        ("녹차는 몇 도로 우려요?", "ko"),
        ("Какая температура?", "ru"),
        ("ما هي درجة الحرارة؟", "ar"),
        ("तापमान क्या है?", "hi"),
        ("น้ำร้อนแค่ไหน", "th"),
        ("¿Qué temperatura?", "en"),
        ("123 + 456 = ?", ""),
        ("", ""),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language
    assert language in ("", *LANGUAGES)
