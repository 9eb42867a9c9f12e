"""Texts in several languages and scripts, and code, that two tokenizers must cut in the same way."""

from __future__ import annotations

CORPUS = (
    "The quick brown fox jumps over the lazy dog. It's what he'd said; they've gone, we'll see, I'm here.",
    "IT'S WHAT HE'D SAID. THEY'VE GONE. WE'LL SEE.",
    "今天天气很好，我们去公园散步吧！人工智能是计算机科学的一个分支。",
    "問：為什麼天空是藍色的？答：因為陽光在空氣中散射。龍、龜、鬱。",
    "今日はいい天気ですね。カタカナとひらがな、ガギグゲゴ。ｶﾀｶﾅ",
    "오늘은 날씨가 좋네요. 한국어 문장입니다.",
    "Сегодня хорошая погода, не правда ли? Ёлка, объём, №5.",
    "الطقس جميل اليوم، أليس كذلك؟ السلامُ عليكُم ۔",
    "आज मौसम अच्छा है। क्या आप ठीक हैं? नमस्ते।",
    "วันนี้อากาศดีมาก ใช่ไหมครับ",
    "Ça va très bien, naïve façade, Größe, Ørsted, Łódź, São Paulo, İstanbul, ﬁn",
    "😀 👍🏽 👨‍👩‍👧‍👦 🇨🇳🇩🇪 ❤️ 🏳️‍🌈 1️⃣",
    "def f(x: int) -> int:\n    if x > 0:\n\t\treturn x ** 2  # ok\n\n\n    return -x\r\n",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * 0x1F; } // {}[]()<>|&^%$#@!~`",
    '{"key": [1, 2.5, -3e10, null], "url": "https://example.org/a?b=c&d=%20"}\n',
    "1 12 123 1234 12345 123456 3.14159 1,000,000 2024-01-31 ½ ² Ⅷ ٣ 五",
    "a  b   c    d     e\t\tf\n\n\ng \n h\n ",
    "trailing spaces   ",
    "line\n\n",
    "x",
    "A" * 40 + "b" * 40 + "!" * 20 + "." * 20 + "-" * 20 + "=" * 20,
    "∑ᵢ xᵢ² ≤ ∫₀^∞ e⁻ˣ dx → α, β, γ ∈ ℝ; “quotes” ‘single’ — dash – … €",
    "\u00a0non-breaking\u3000ideographic\u200bzero\u2028line",
)
# Cut in the same way by llama.cpp and SentencePiece; transformers joins their first space with the one put before it.
LEADING_SPACES = (" one space", "   three", "\n newline first", "\ttab first", " ", "  ", "\n")
