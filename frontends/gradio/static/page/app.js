/** The `app` object: state, events and services shared by all parts of the page. */
import { createTranslate, LOCALES, preferredLanguage, rememberLanguage } from "../i18n/language.js";
import { addJobs } from "../jobs/jobs.js";
import { addModels } from "../models/models.js";
import { createApi } from "./api.js";
import { errorText } from "./error_text.js";
import { addNavigation, EMPTY_DRAFT } from "./navigation.js";

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
      view: null, // the area that covers the conversation, and its tab: "feedback/review"
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
