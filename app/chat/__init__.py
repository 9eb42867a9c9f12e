"""Use-cases of a conversation: asking for replies, changing conversations, events, import and export."""
