/** The state of the open conversation's settings while they are edited. No DOM. */
import { same } from "../page/compare.js";
import { ChangeSaver } from "./change_saver.js";
import { overridesOf, presetOf, PRESETS, SAMPLING_NAMES, valuesOf } from "./sampling.js";

/**
 * @typedef {Object} Settings as in the API
 * @property {string} system_prompt
 * @property {Object} sampling overrides of the model's defaults
 */

// Each part is saved by itself: other tabs may change others at the same time. An override that is null is not there.
const PARTS = ["system_prompt", ...SAMPLING_NAMES];

/**
 * An edit changes `settings` at once and is saved when it is committed. Without a conversation it is kept in the draft
 * of the next one. What the server reports never overwrites an unsaved edit; what it refuses is as stored again.
 */
export class SettingsState {
  /**
   * @param {Object} on
   * @param {(id: string, changes: Object) => Promise<void>} on.save sends changes as PATCH takes them
   * @param {(settings: Settings) => void} on.keep keeps them for the next conversation
   * @param {() => void} on.changed redraws
   * @param {(status: null|"saved"|"kept"|Error) => void} on.status shows whether they are saved
   */
  constructor(on) {
    this.on = on;
    this.id = null;
    this.defaults = {}; // the model's sampling
    this.#start(null, { system_prompt: "", sampling: {} });
  }

  #start(id, { system_prompt, sampling }) {
    this.id = id;
    this.settings = { system_prompt, sampling };
    this.stored = this.settings; // as far as known
    this.edited = new Set(); // parts that were edited and not committed yet
    this.sent = []; // [part, value] of saves without an event yet, the oldest first
    this.missed = {}; // values that the server reported while the part was being edited or saved
    this.saver = this.#saverFor(id);
  }

  // Each conversation has its own saver: results for a former conversation must not affect this one.
  #saverFor(id) {
    const ifOpen = (act) => (value) => this.saver === saver && act(value);
    const saver = new ChangeSaver({
      save: (changes) => this.#save(id, changes),
      saved: ifOpen(() => this.#saved()),
      failed: ifOpen((error) => this.#failed(error)),
      refused: ifOpen((parts) => this.#discard(parts)),
    });
    return saver;
  }

  /** The value of every sampling setting: the conversation's, else the model's. */
  get values() {
    return valuesOf(this.defaults, this.settings.sampling);
  }

  /** The preset with these values, if any. */
  get preset() {
    return presetOf(this.values);
  }

  // --- events of the page -------------------------------------------------------------------------

  /**
   * Switch to another conversation. Edits of the former one are saved there.
   * @param {string|null} id null: the next new conversation
   * @param {Settings} settings
   */
  open(id, settings) {
    this.commit();
    this.saver.retry();
    this.#start(id, settings);
    this.on.status(null);
    this.on.changed();
  }

  /**
   * The draft has become a conversation. What was edited after that was requested is saved there.
   * @param {string} id
   * @param {Settings} settings as it was created
   */
  created(id, settings) {
    const draft = this.settings;
    this.#start(id, settings);
    for (const part of PARTS) {
      const value = valueOf(draft, part);
      if (!same(value, valueOf(settings, part))) this.#edit({ [part]: value });
    }
    this.commit();
    this.on.changed();
  }

  /**
   * Apply settings that the server reported by an event or a reload.
   * @param {Settings} settings
   */
  receive(settings) {
    const before = this.settings;
    for (const part of PARTS) this.#receive(part, valueOf(settings, part));
    if (!same(before, this.settings)) this.on.changed();
  }

  #receive(part, value) {
    const own = this.sent.findIndex(([name, sent]) => name === part && same(sent, value));
    if (own >= 0) {
      this.sent = this.sent.filter(([name], at) => name !== part || at > own);
      delete this.missed[part]; // it is older than this save
      return;
    }
    this.stored = withValue(this.stored, part, value);
    if (this.edited.has(part) || this.saver.holds(part)) this.missed[part] = value;
    else {
      this.settings = withValue(this.settings, part, value);
      delete this.missed[part];
    }
  }

  /** @param {Object} defaults of the conversation's model */
  setDefaults(defaults) {
    if (same(defaults, this.defaults)) return;
    this.defaults = defaults;
    this.on.changed();
  }

  // --- edits --------------------------------------------------------------------------------------

  /** @param {string} text */
  editSystemPrompt(text) {
    if (text !== this.settings.system_prompt) this.#edit({ system_prompt: text });
  }

  /** Take back what was edited of the system prompt and is not committed yet. */
  discardSystemPrompt() {
    this.edited.delete("system_prompt");
    this.#discard(["system_prompt"]);
  }

  /** @param {Object} values of some sampling settings */
  editSampling(values) {
    this.#edit(overridesOf(this.defaults, values));
  }

  /** @param {keyof PRESETS} name */
  applyPreset(name) {
    this.editSampling(PRESETS[name]);
    this.commit();
  }

  /** Reset the sampling to the model's defaults; the instructions stay. */
  reset() {
    this.#edit(Object.fromEntries(SAMPLING_NAMES.map((name) => [name, null])));
    this.commit();
  }

  #edit(values) {
    for (const [part, value] of Object.entries(values)) {
      this.edited.add(part);
      this.settings = withValue(this.settings, part, value);
    }
    if (this.id === null) this.#keep();
    this.on.changed();
  }

  // A draft is stored as soon as it is edited.
  #keep() {
    this.stored = this.settings;
    this.on.keep(this.settings);
  }

  // --- saving -------------------------------------------------------------------------------------

  /** Save the edits. */
  commit() {
    const changes = Object.fromEntries([...this.edited].map((part) => [part, valueOf(this.settings, part)]));
    this.edited.clear();
    if (Object.keys(changes).length === 0) return;
    if (this.id === null) this.on.status("kept");
    else this.saver.put(changes);
  }

  /** Send again what did not reach the server. */
  retry() {
    this.saver.retry();
  }

  /** Commit, and wait until the server has answered all requests. */
  async settled() {
    this.commit();
    this.saver.retry();
    await this.saver.settled();
  }

  async #save(id, changes) {
    const { system_prompt, ...sampling } = changes;
    const body = system_prompt === undefined ? {} : { system_prompt };
    if (Object.keys(sampling).length > 0) body.sampling_changes = sampling;
    const sent = Object.entries(changes);
    if (this.id === id) this.sent.push(...sent);
    try {
      await this.on.save(id, body);
    } catch (error) {
      this.sent = this.sent.filter((one) => !sent.includes(one));
      throw error;
    }
    if (this.id === id) for (const [part, value] of sent) this.stored = withValue(this.stored, part, value);
  }

  #saved() {
    this.#applyMissed();
    this.on.status("saved");
  }

  #failed(error) {
    this.#applyMissed();
    this.on.status(error);
  }

  // While the event of an own save is still to come, what was missed is older than that save.
  #applyMissed() {
    const isSent = (part) => this.sent.some(([name]) => name === part);
    const isOwn = (part) => this.edited.has(part) || this.saver.holds(part) || isSent(part);
    const missed = Object.entries(this.missed).filter(([part]) => !isOwn(part));
    for (const [part, value] of missed) {
      this.settings = withValue(this.settings, part, value);
      delete this.missed[part];
    }
    if (missed.length) this.on.changed();
  }

  #discard(parts) {
    for (const part of parts) {
      if (this.edited.has(part) || this.saver.holds(part)) continue; // a newer edit
      this.settings = withValue(this.settings, part, valueOf(this.stored, part));
      delete this.missed[part];
    }
    this.on.changed();
  }
}

function valueOf(settings, part) {
  return part === "system_prompt" ? settings.system_prompt : (settings.sampling[part] ?? null);
}

function withValue(settings, part, value) {
  if (part === "system_prompt") return { ...settings, system_prompt: value };
  const { [part]: _former, ...sampling } = settings.sampling;
  return { ...settings, sampling: value === null ? sampling : { ...sampling, [part]: value } };
}
