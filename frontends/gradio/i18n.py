"""The drawer's words. Everything else on the page is worded in ``static/i18n/``.

Both languages have the same keys (a test compares them).
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, str]

ENGLISH: Words = {
    "system_prompt": "Instructions",
    "system_prompt_info": "What the model should keep in mind in this chat.",
    "system_prompt_placeholder": "For example: Answer briefly, in simple words.",
    "preset": "Style",
    "preset_precise": "Precise",
    "preset_balanced": "Balanced",
    "preset_creative": "Creative",
    "temperature": "Temperature",
    "temperature_info": "Higher is more surprising; 0 always picks the most likely word.",
    "max_new_tokens": "Maximum reply length",
    "max_new_tokens_info": "In tokens; a token is about three quarters of a word.",
    "advanced": "Advanced",
    "top_p": "Top-p",
    "top_p_info": "Considers only the most likely words whose probabilities add up to this.",
    "top_k": "Top-k",
    "top_k_info": "Considers only this many of the most likely words; 0 means no limit.",
    "min_p": "Min-p",
    "min_p_info": "Leaves out words whose probability is below this share of the most likely word's.",
    "repetition_penalty": "Repetition penalty",
    "repetition_penalty_info": "Above 1, the model repeats itself less.",
    "seed": "Seed",
    "seed_info": "The same number gives the same reply; leave it empty for a new one each time.",
    "seed_placeholder": "random",
    "stop": "Stop sequences",
    "stop_info": "The reply ends before any of these. One per line.",
    "reset": "Reset to model defaults",
    "saved": "Saved for this chat.",
    "kept": "Will be used for the new chat.",
    "bad_seed": "The seed must be a whole number from 0 to 4294967294, or empty.",
    "bad_stop": "Use at most 16 stop sequences, each up to 128 characters.",
    "not_saved": "Not saved: {message}",
    "unreachable": "Not saved: the server can't be reached. Your changes are still here; edit one again to save.",
}

CHINESE: Words = {
    "system_prompt": "对话指令",
    "system_prompt_info": "希望模型在这个对话中始终遵守的要求。",
    "system_prompt_placeholder": "例如：请用简单的话简短回答。",
    "preset": "风格",
    "preset_precise": "严谨",
    "preset_balanced": "均衡",
    "preset_creative": "创意",
    "temperature": "温度",
    "temperature_info": "越高越有创意；为 0 时总是选择最可能的词。",
    "max_new_tokens": "回答长度上限",
    "max_new_tokens_info": "以 token 计，一个汉字大约是一个 token。",
    "advanced": "高级设置",
    "top_p": "Top-p",
    "top_p_info": "只从累计概率达到该值的最可能的词中选择。",
    "top_k": "Top-k",
    "top_k_info": "只从最可能的这么多个词中选择；0 表示不限。",
    "min_p": "Min-p",
    "min_p_info": "排除概率低于最可能的词这一比例的词。",
    "repetition_penalty": "重复惩罚",
    "repetition_penalty_info": "大于 1 时会减少重复。",
    "seed": "随机种子",
    "seed_info": "填写相同的数会得到相同的回答；留空则每次不同。",
    "seed_placeholder": "随机",
    "stop": "停止词",
    "stop_info": "回答会在这些文字之前结束，每行一个。",
    "reset": "恢复默认设置",
    "saved": "已保存到这个对话。",
    "kept": "将用于新对话。",
    "bad_seed": "随机种子须为 0 到 4294967294 的整数，或留空。",
    "bad_stop": "最多 16 个停止词，每个最多 128 个字符。",
    "not_saved": "保存失败：{message}",
    "unreachable": "保存失败：无法连接服务器。你的设置还在这里，稍后再改一下即可保存。",
}

LANGUAGES: Mapping[str, Words] = {"en": ENGLISH, "zh": CHINESE}


def words(language: str) -> Words:
    """The words of `language`; English where we don't speak it."""
    return LANGUAGES.get(language, ENGLISH)
