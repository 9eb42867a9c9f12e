"""Words of the page of a shared conversation."""

from __future__ import annotations

from collections.abc import Mapping

Texts = Mapping[str, str]

ENGLISH: Texts = {
    "lang": "en",
    "untitled": "Conversation",
    "by": "Shared by {author} on {date}",
    "anonymous": "Shared on {date}",
    "until": "readable until {date}",
    "question": "Question",
    "reply": "Reply",
    "made": "Replies are written by a language model and may be wrong.",
    "download": "Continue in your own Parley (download)",
    "passcode": "Passcode",
    "open": "Open",
    "share_not_found": "This link has expired or was withdrawn.",
    "passcode_needed": "This conversation is shared with a passcode. Ask whoever sent you the link.",
    "wrong_password": "This passcode is wrong.",
    "too_many_attempts": "Too many wrong passcodes. Try again in {retry_after_s} seconds.",
    "failed": "This page can't be shown right now. Try again in a moment.",
}
CHINESE: Texts = {
    "lang": "zh-CN",
    "untitled": "对话",
    "by": "{author} 分享于 {date}",
    "anonymous": "分享于 {date}",
    "until": "有效期至 {date}",
    "question": "提问",
    "reply": "回复",
    "made": "回复由语言模型生成，可能有误。",
    "download": "在自己的 Parley 中继续（下载）",
    "passcode": "口令",
    "open": "查看",
    "share_not_found": "此链接已过期或已撤回。",
    "passcode_needed": "此对话需要口令才能查看，请向发送链接的人索取。",
    "wrong_password": "口令错误。",
    "too_many_attempts": "口令错误次数过多，请在 {retry_after_s} 秒后重试。",
    "failed": "暂时无法显示此页面，请稍后再试。",
}


def texts_for(accept_language: str) -> Texts:
    """The words in the first of a browser's languages."""
    return CHINESE if accept_language.strip().lower().startswith("zh") else ENGLISH
