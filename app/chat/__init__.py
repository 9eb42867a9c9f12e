"""Chat services: asking for replies, changing conversations, their events, import and export."""
