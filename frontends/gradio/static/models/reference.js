/** Model references, `base[@quantization][+adapter]`: read, built, and resolved in the list of models. */

/**
 * @param {string|null|undefined} reference
 * @returns {{base: string, quantization: string, adapter: string}} parts left out are empty
 */
export function parts(reference) {
  const [, base = "", quantization = "", adapter = ""] =
    /^([^@+]*)(?:@([^@+]*))?(?:\+([^@+]*))?$/.exec(reference ?? "") ?? [];
  return { base, quantization, adapter };
}

/**
 * @param {{id: string}} variant as the model's `quantizations` have it, or the model itself
 * @param {string} [adapter]
 * @returns {string}
 */
export function join(variant, adapter) {
  return adapter ? `${variant.id}+${adapter}` : variant.id;
}

/**
 * @param {Object[]} models
 * @param {string|null|undefined} reference
 * @returns {Object|undefined} the model that it names, whatever stands behind its id
 */
export function findModel(models, reference) {
  const { base } = parts(reference);
  return models.find((model) => model.id === base);
}

/**
 * How a model is loaded when `reference` asks for it: one of its `quantizations`; without those, the model itself.
 * @param {Object} model
 * @param {string} reference
 * @returns {Object} with `id`, `state`, `memory_bytes`, `fits`, `error`
 */
export function variantOf(model, reference) {
  const { base, quantization } = parts(reference);
  const variants = model.quantizations ?? [];
  const wanted = base === model.id ? variants.find((variant) => variant.name === quantization) : null;
  return wanted ?? variants.find((variant) => variant.default) ?? model;
}

/** @returns {string} the reference that suits this machine: the default variant, else the first that fits */
export function bestReference(model) {
  const usual = variantOf(model, model.id);
  if (usual.fits !== false) return usual.id;
  return (model.quantizations?.find((variant) => variant.fits) ?? usual).id;
}

/** @returns {Object} `model` with the state and the needs that it has when loaded as `reference` says */
export function asLoaded(model, reference) {
  const { state, memory_bytes, fits, error, why } = variantOf(model, reference);
  return model.state === "fetching" ? model : { ...model, state, memory_bytes, fits, why, error: model.error ?? error };
}

/** @returns {boolean} whether there is anything to choose behind the model's id */
export function hasChoices(model) {
  return (model.quantizations?.length ?? 0) > 1 || (model.adapters?.length ?? 0) > 0;
}

/** @returns {string} e.g. "ChatGLM-6B · nf4 · Polite": the model's title, and what differs from the usual */
export function fullName(model, reference) {
  const { quantization, adapter } = parts(reference);
  const variant = variantOf(model, reference);
  const adapterName = model.adapters?.find((one) => one.name === adapter)?.title ?? adapter;
  return [model.title, quantization && !variant.default && quantization, adapterName].filter(Boolean).join(" · ");
}
