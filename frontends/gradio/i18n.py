"""The drawer's words. Everything else on the page is worded in ``static/i18n/``.

Both languages have the same keys (a test compares them).
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, str]

ENGLISH: Words = {
    "system_prompt": "Instructions",
    "system_prompt_info": "What the model should keep in mind in this conversation.",
    "system_prompt_placeholder": "For example: Answer briefly, in simple words.",
    "preset": "Style",
    "preset_precise": "Precise",
    "preset_balanced": "Balanced",
    "preset_creative": "Creative",
    "temperature": "Temperature",
    "temperature_info": "Higher is more surprising; 0 always takes the likeliest word.",
    "max_new_tokens": "Longest reply",
    "max_new_tokens_info": "In tokens; a token is about three quarters of a word.",
    "advanced": "Fine tuning",
    "top_p": "Top-p",
    "top_p_info": "Choose among the likeliest words that together have this share.",
    "top_k": "Top-k",
    "top_k_info": "Choose among so many of the likeliest words; 0 means any.",
    "min_p": "Min-p",
    "min_p_info": "Leave out words much less likely than the likeliest.",
    "repetition_penalty": "Repetition penalty",
    "repetition_penalty_info": "Above 1 discourages saying the same again.",
    "seed": "Seed",
    "seed_info": "A number repeats a reply; empty draws a new one each time.",
    "seed_placeholder": "random",
    "stop": "Stop at",
    "stop_info": "The reply ends before any of these, one per line.",
    "reset": "Back to the model's settings",
    "saved": "Saved for this conversation.",
    "kept": "Will be used for the new conversation.",
    "bad_seed": "The seed is a whole number from 0 to 4294967294, or empty.",
    "bad_stop": "At most 16 lines to stop at, each up to 128 characters.",
    "not_saved": "Not saved: {message}",
    "unreachable": "Not saved: the server can't be reached. What you set stays here; change it again to save it.",
}

CHINESE: Words = {
    "system_prompt": "对话指令",
    "system_prompt_info": "希望模型在这个对话里一直记住的事。",
    "system_prompt_placeholder": "例如：请用简单的话简短回答。",
    "preset": "风格",
    "preset_precise": "严谨",
    "preset_balanced": "均衡",
    "preset_creative": "创意",
    "temperature": "温度",
    "temperature_info": "越高越出人意料；为 0 时总是选最可能的词。",
    "max_new_tokens": "回答长度上限",
    "max_new_tokens_info": "以 token 计，一个汉字大约是一个 token。",
    "advanced": "细调",
    "top_p": "Top-p",
    "top_p_info": "只在合计占这个比例的最可能的词里选。",
    "top_k": "Top-k",
    "top_k_info": "只在最可能的这么多个词里选；0 表示不限。",
    "min_p": "Min-p",
    "min_p_info": "不选比最可能的词差得太远的词。",
    "repetition_penalty": "重复惩罚",
    "repetition_penalty_info": "大于 1 时会尽量避免重复。",
    "seed": "随机种子",
    "seed_info": "填一个数可以重现同样的回答；留空则每次不同。",
    "seed_placeholder": "随机",
    "stop": "遇到就停",
    "stop_info": "回答会在这些文字之前结束，每行一条。",
    "reset": "恢复模型的设置",
    "saved": "已保存到这个对话。",
    "kept": "会用在新的对话里。",
    "bad_seed": "随机种子应为 0 到 4294967294 的整数，或留空。",
    "bad_stop": "最多 16 行，每行最多 128 个字。",
    "not_saved": "没有保存：{message}",
    "unreachable": "没有保存：连不上服务器。你的设置还在这里，稍后再改一下就会保存。",
}

LANGUAGES: Mapping[str, Words] = {"en": ENGLISH, "zh": CHINESE}


def words(language: str) -> Words:
    """The words of `language`; English where we don't speak it."""
    return LANGUAGES.get(language, ENGLISH)
