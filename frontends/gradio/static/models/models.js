/** The list of models, the model of the open conversation, and the progress of downloads. */
import { isAdmin } from "../account/who.js";
import { same } from "../page/compare.js";
import { NeededStream } from "../page/needed_stream.js";
import { throttled } from "../page/throttle.js";
import { preferredModel, rememberModel } from "./chosen_model.js";
import { asLoaded, findModel, isKnown, variantOf } from "./reference.js";

const BUSY = new Set(["fetching", "loading"]);
const RETRY_MS = 5000;
const MINOR_MS = 1000; // progress and free memory change often

/**
 * Add to `app` the functions `model`, `reference`, `missingModel`, `refreshModels`, `followModels`, `chooseModel`, `warmModel`.
 * @param {Object} app
 */
export function addModels(app) {
  let timer = 0;
  let isFollowed = () => false; // whether the list is visible
  const isNeeded = () => isFollowed() || app.state.models.some(isBusy);
  const stream = new NeededStream({
    path: () => `/api/models/events?language=${app.state.language}`,
    names: ["models", "model", "removed", "memory"],
    isNeeded,
    onEvent: received,
  });
  const drawProgress = throttled(() => app.emit("models", app.state.models), MINOR_MS);
  const drawMemory = throttled(() => app.emit("memory", app.state.memory), MINOR_MS);

  function show(items, memory) {
    const models = items.filter((model) => model.kind === "chat");
    const isNews = !app.state.modelsKnown || !same(models, app.state.models);
    Object.assign(app.state, { models, memory, modelsKnown: true });
    if (isNews) app.emit("models", models);
    stream.open();
  }

  function received(name, data) {
    const { models, memory } = app.state;
    if (name === "models") show(data.items, data.memory);
    else if (name === "removed") show(models.filter(({ id }) => id !== data.id), memory);
    else if (name === "memory") {
      app.state.memory = data.memory;
      drawMemory();
    } else if (isProgress(models, data.model)) {
      app.state.models = withModel(models, data.model);
      drawProgress();
    } else show(withModel(models, data.model), memory);
  }

  app.refreshModels = async () => {
    clearTimeout(timer);
    stream.close(); // its events may be older than the response; it opens again afterwards
    try {
      const { items, memory } = await app.api.get("/api/models");
      show(items, memory);
    } catch (error) {
      // Without the list the page still shows the conversation; the request is repeated.
      timer = setTimeout(app.refreshModels, RETRY_MS);
    }
  };

  /** Receive changes for as long as `isVisible` returns true; downloads and loading are followed in any case. */
  app.followModels = (isVisible) => {
    isFollowed = isVisible;
    stream.open();
  };

  /** The reference (base@quantization+adapter) for the next reply: the conversation's, the draft's, or the best. */
  app.reference = () => {
    const { conversation, draft, models } = app.state;
    const wanted = conversation ? conversation.model_id : draft.model_id;
    return isKnown(models, wanted) ? wanted : (app.missingModel() ?? preferredModel(app));
  };

  /** The open conversation's model if there is no such model any more; else null. No other one may answer unasked. */
  app.missingModel = () => {
    const { conversation, models, modelsKnown } = app.state;
    const wanted = conversation?.model_id;
    return wanted && modelsKnown && !isKnown(models, wanted) ? wanted : null;
  };

  /** The model of that reference, with the state of its variant. */
  app.model = () => {
    const reference = app.reference();
    const model = findModel(app.state.models, reference);
    return model ? asLoaded(model, reference) : null;
  };

  app.chooseModel = async (reference) => {
    if (!app.state.conversationId) app.state.draft.model_id = reference;
    else await app.api.patch(`/api/conversations/${app.state.conversationId}`, { model_id: reference });
    rememberModel(reference);
    app.emit("model", reference);
  };

  /** Load the model for the next reply while the question is being typed. */
  app.warmModel = async () => {
    const reference = app.reference();
    const model = findModel(app.state.models, reference);
    const variant = model && variantOf(model, reference);
    if (variant?.state !== "ready" || !isAdmin(app)) return; // for others the question itself loads it
    variant.state = "loading"; // so that it is requested only once
    app.emit("models", app.state.models);
    try {
      await app.api.post(`/api/models/${encodeURIComponent(variant.id)}/load`);
    } catch {
      // Sending the question will show the error.
    }
    await app.refreshModels();
  };

  app.on("connection", (up) => up && app.refreshModels());
  app.on("language", () => app.refreshModels()); // descriptions are in the page's language
}

/** `models` with `next` in place of the model with its id, or appended. */
function withModel(models, next) {
  const isKnown = models.some(({ id }) => id === next.id);
  return isKnown ? models.map((model) => (model.id === next.id ? next : model)) : [...models, next];
}

/** Whether `next` differs only in how far it is downloaded or loaded. */
function isProgress(models, next) {
  const known = models.find(({ id }) => id === next.id);
  const states = ({ state, quantizations = [] }) => [state, ...quantizations.map((variant) => variant.state)];
  return Boolean(known) && isBusy(next) && same(states(known), states(next));
}

function isBusy(model) {
  return BUSY.has(model.state) || (model.quantizations ?? []).some((variant) => BUSY.has(variant.state));
}
