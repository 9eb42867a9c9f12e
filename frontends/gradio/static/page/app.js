/** The `app` object: state, events and services shared by all parts of the page, and navigation. */
import { createTranslate, LOCALES, preferredLanguage, rememberLanguage } from "../i18n/language.js";
import { addJobs } from "../jobs/jobs.js";
import { addModels } from "../models/models.js";
import { createApi } from "./api.js";
import { errorText } from "./error_text.js";

const EMPTY_DRAFT = { system_prompt: "", sampling: {}, model_id: null };

/**
 * @returns {Object} the `app` that is passed to every part: `api`, `t`, `errorText`, `state`, `on`, `emit`, `open`,
 *   `toast`, `model`, `settings`, …
 */
export function createApp() {
  const listeners = new Map();
  const app = {
    api: createApi(),
    state: {
      conversationId: null,
      conversation: null,
      models: [],
      info: null,
      language: preferredLanguage(),
      draft: { ...EMPTY_DRAFT }, // settings of the next new conversation
    },
    on(event, act) {
      listeners.set(event, [...(listeners.get(event) ?? []), act]);
    },
    emit(event, data) {
      for (const act of listeners.get(event) ?? []) act(data);
    },
    toast: () => {}, // set by main.js
    settingsSaved: async () => {}, // set by the settings panel: waits until all edits are stored
    errorText: (error) => errorText(app, error),
    settings: () => app.state.conversation ?? (app.state.conversationId ? {} : app.state.draft),
    newConversation: () => ({ ...app.state.draft, model_id: app.reference() }),
    setLanguage(language) {
      useLanguage(app, language);
      app.emit("language", language);
    },
  };
  useLanguage(app, app.state.language); // without an event, since nothing is drawn yet
  app.t = createTranslate(() => app.state.language);
  addModels(app);
  addJobs(app);
  addNavigation(app);
  return app;
}

function useLanguage(app, language) {
  rememberLanguage(language);
  app.state.language = language;
  document.documentElement.lang = LOCALES[language];
}

function addNavigation(app) {
  function go(id, match) {
    app.state.conversationId = id;
    app.state.conversation = null;
    app.emit("open", { id, match });
    app.emit("conversation", id);
  }

  app.open = (id, match) => {
    if (id !== idInAddress()) history.pushState(null, "", address(id));
    go(id, match);
  };

  // The first message created the conversation that the welcome screen was for.
  app.created = (conversation) => {
    app.state.conversationId = conversation.id;
    app.state.conversation = conversation;
    app.state.draft = { ...EMPTY_DRAFT };
    history.pushState(null, "", address(conversation.id));
    app.emit("created", conversation);
    app.emit("conversation", conversation.id);
    app.emit("conversation-updated", conversation);
  };

  app.openFromAddress = () => go(idInAddress());
  addEventListener("popstate", app.openFromAddress);
}

/** @returns {string|null} the conversation that the page's address names */
export function idInAddress() {
  return new URLSearchParams(location.search).get("c");
}

function address(id) {
  return id === null ? location.pathname : `${location.pathname}?c=${encodeURIComponent(id)}`;
}
