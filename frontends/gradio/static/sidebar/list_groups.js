/** Groups the conversation list by day, week and month. */
import { LOCALES } from "../i18n/language.js";

const DAY_MS = 86_400_000;

/**
 * Group conversations that are sorted pinned first, then newest first.
 * @param {Object} app
 * @param {Object[]} conversations
 * @param {Date} [now]
 * @returns {{key: string, title: string, items: Object[]}[]}
 */
export function grouped(app, conversations, now = new Date()) {
  const groups = new Map();
  for (const conversation of conversations) {
    const { key, title } = groupOf(app, conversation, now);
    if (!groups.has(key)) groups.set(key, { key, title, items: [] });
    groups.get(key).items.push(conversation);
  }
  return [...groups.values()];
}

function groupOf(app, conversation, now) {
  if (conversation.pinned) return { key: "pinned", title: app.t("sidebar.pinned") };
  const when = new Date(conversation.updated_at);
  const days = Math.round((midnight(now) - midnight(when)) / DAY_MS); // rounded: a day may have 23 or 25 hours
  if (days <= 0) return { key: "today", title: relativeDay(app, 0) };
  if (days === 1) return { key: "yesterday", title: relativeDay(app, -1) };
  if (days <= 7) return { key: "week", title: app.t("sidebar.week") };
  return { key: `${when.getFullYear()}-${when.getMonth()}`, title: month(app, when, now) };
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

function relativeDay(app, days) {
  const text = new Intl.RelativeTimeFormat(LOCALES[app.state.language], { numeric: "auto" }).format(days, "day");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function month(app, when, now) {
  const year = when.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(LOCALES[app.state.language], { month: "long", ...year }).format(when);
}
