/** The models that the server knows, which of them answers, and how far fetching is. */

const BUSY = new Set(["fetching", "loading"]);
const POLL_MS = 1000;

/**
 * Gives `app` the functions `model`, `refreshModels`, `chooseModel`, `warmModel`.
 * @param {Object} app
 */
export function addModels(app) {
  let timer = 0;

  app.refreshModels = async () => {
    clearTimeout(timer);
    try {
      const { items, memory } = await app.api.get("/api/models");
      app.state.models = items.filter((model) => model.kind === "chat");
      app.state.memory = memory;
      app.state.modelsKnown = true;
      app.emit("models", app.state.models);
      if (items.some((model) => BUSY.has(model.state))) timer = setTimeout(app.refreshModels, POLL_MS);
    } catch (error) {
      // Without the list the page still shows the conversation; it asks again.
      timer = setTimeout(app.refreshModels, 5 * POLL_MS);
    }
  };

  /** The model that will answer next: the conversation's, else the one chosen for a new one, else the best. */
  app.model = () => {
    const wanted = app.state.conversation?.model_id ?? (app.state.conversation ? null : app.state.draft.model_id);
    return app.state.models.find((model) => model.id === wanted) ?? preferred(app);
  };

  app.chooseModel = async (id) => {
    if (!app.state.conversationId) app.state.draft.model_id = id;
    else await app.api.patch(`/api/conversations/${app.state.conversationId}`, { model_id: id });
    app.emit("model", id);
  };

  /** Load the model that will answer while the question is still being typed. */
  app.warmModel = async () => {
    const model = app.model();
    if (model?.state !== "ready") return;
    model.state = "loading"; // asked for once
    app.emit("models", app.state.models);
    try {
      await app.api.post(`/api/models/${encodeURIComponent(model.id)}/load`);
    } catch {
      // The question itself will tell what is wrong, in place.
    }
    await app.refreshModels();
  };

  app.on("connection", (up) => up && app.refreshModels());
  app.on("language", () => app.refreshModels()); // descriptions come in the reader's language
}

/**
 * @param {Object|null} model
 * @returns {boolean} whether it can answer, at once or after loading
 */
export function isReady(model) {
  if (!model) return false;
  return model.state === "ready" || model.state === "loaded" || model.state === "loading";
}

/** The server's default if it speaks the reader's language, else the first ready one that does, else any ready one. */
function preferred(app) {
  const { models, info, language } = app.state;
  const ready = models.filter(isReady);
  const usual = ready.find((model) => model.id === info?.default_model_id);
  const speaks = (model) => model?.languages.includes(language);
  if (speaks(usual)) return usual;
  return ready.find(speaks) ?? usual ?? ready[0] ?? null;
}
