/** Model references, `base[@quantization][+adapter]`: parse, join and resolve them. */

/**
 * @param {string|null|undefined} reference
 * @returns {{base: string, quantization: string, adapter: string}} missing parts are empty
 */
export function parts(reference) {
  const [, base = "", quantization = "", adapter = ""] =
    /^([^@+]*)(?:@([^@+]*))?(?:\+([^@+]*))?$/.exec(reference ?? "") ?? [];
  return { base, quantization, adapter };
}

/**
 * @param {{id: string}} variant one of the model's `quantizations`, or the model itself
 * @param {string} [adapter]
 * @returns {string}
 */
export function join(variant, adapter) {
  return adapter ? `${variant.id}+${adapter}` : variant.id;
}

/**
 * @param {Object[]} models
 * @param {string|null|undefined} reference
 * @returns {Object|undefined} the model with the reference's base
 */
export function findModel(models, reference) {
  const { base } = parts(reference);
  return models.find((model) => model.id === base);
}

/**
 * @param {Object[]} models
 * @param {string|null|undefined} reference
 * @returns {boolean} whether there is such a model, with the variant and the adapter that are named
 */
export function isKnown(models, reference) {
  const model = findModel(models, reference);
  const { quantization, adapter } = parts(reference);
  const hasOne = (list, wanted) => !wanted || (list ?? []).some(({ name }) => name === wanted);
  return Boolean(model) && hasOne(model.quantizations, quantization) && hasOne(model.adapters, adapter);
}

/**
 * The variant that `reference` names: one of the model's `quantizations`, or the model itself if it has none.
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

/** @returns {string} of the default variant, or of the first that fits if that one doesn't */
export function bestReference(model) {
  const usual = variantOf(model, model.id);
  if (usual.fits !== false) return usual.id;
  return (model.quantizations?.find((variant) => variant.fits) ?? usual).id;
}

/** @returns {Object} `model` with the state and memory of the variant that `reference` names */
export function asLoaded(model, reference) {
  const { state, memory_bytes, fits, load_share, error, why } = variantOf(model, reference);
  if (model.state === "fetching") return model;
  return { ...model, state, memory_bytes, fits, load_share, why, error: model.error ?? error };
}

/** @returns {boolean} whether it has several variants, or adapters */
export function hasChoices(model) {
  return (model.quantizations?.length ?? 0) > 1 || (model.adapters?.length ?? 0) > 0;
}

/** @returns {string} e.g. "ChatGLM-6B · nf4 · Polite": the title, the variant unless it is the default, the adapter */
export function fullName(model, reference) {
  const { quantization, adapter } = parts(reference);
  const variant = variantOf(model, reference);
  const adapterName = model.adapters?.find((one) => one.name === adapter)?.title ?? adapter;
  return [model.title, quantization && !variant.default && quantization, adapterName].filter(Boolean).join(" · ");
}
