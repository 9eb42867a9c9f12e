/** What the next question compares, kept in this browser. */
import { ApiError } from "../page/api.js";
import { readStored, store } from "../page/storage.js";
import { isReady } from "../models/chosen_model.js";
import { isTooLarge } from "../models/model_state.js";
import { bestReference, findModel, isKnown, parts, variantOf } from "../models/reference.js";
import { contest, isPointless, parseSetup } from "./contenders.js";

const KEY = "parley.compare";

/** Emits "compare" when it changes. */
export class CompareSetup {
  /** @param {Object} app */
  constructor(app) {
    this.app = app;
    this.setup = parseSetup(readStored(KEY));
  }

  get isOn() {
    return this.setup.on;
  }

  /** @param {Partial<import("./contenders.js").Setup>} values */
  change(values) {
    this.setup = { ...this.setup, ...values };
    store(KEY, JSON.stringify(this.setup));
    this.app.emit("compare", this.setup);
  }

  /** @returns {string|null} the second model: the chosen one if it is there, else another one that is ready */
  second() {
    const { models } = this.app.state;
    const { second } = this.setup;
    if (isKnown(models, second) && isReady(variantOf(findModel(models, second), second))) return second;
    const first = parts(this.app.reference()).base;
    const other = models.find((model) => model.id !== first && isReady(model) && !isTooLarge(model));
    return other ? bestReference(other) : null;
  }

  /** @returns {boolean} whether all replies would be the same */
  get isPointless() {
    const { mode } = this.setup;
    if (mode === "models") return this.second() === this.app.reference();
    return isPointless(this.setup, this.app.model()?.default_sampling ?? {}, this.app.settings().sampling ?? {});
  }

  /**
   * What is asked for next.
   * @param {Partial<import("./contenders.js").Setup>} [other] than what is chosen in the composer
   * @returns {{contenders: Object[], blind: boolean, source: string}}
   * @throws {ApiError} where there is no second model, or it is the first one
   */
  contest(other = {}) {
    const setup = { ...this.setup, second: this.second(), ...other };
    const first = this.app.reference();
    if (setup.mode === "models") {
      if (!setup.second) throw new ApiError("compare_needs_model", "");
      if (setup.second === first) throw new ApiError("compare_same_model", "");
    }
    return contest(setup, first, this.app.settings().sampling ?? {});
  }
}
