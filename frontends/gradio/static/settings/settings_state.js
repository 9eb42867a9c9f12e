/** The state of the open conversation's settings while they are edited. No DOM. */
import { same } from "../page/compare.js";
import { ChangeSaver } from "./change_saver.js";
import { overridesOf, presetOf, PRESETS, valuesOf } from "./sampling.js";

/**
 * @typedef {Object} Settings as in the API: two parts, each saved as a whole
 * @property {string} system_prompt
 * @property {Object} sampling overrides of the model's defaults
 */

const PARTS = ["system_prompt", "sampling"];

/**
 * An edit changes `settings` at once and is saved when it is committed. Without a conversation it is kept in the draft
 * of the next one. What the server reports never overwrites an unsaved edit.
 */
export class SettingsState {
  /**
   * @param {Object} on
   * @param {(id: string, changes: Partial<Settings>) => Promise<void>} on.save
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
      failed: ifOpen((error) => this.on.status(error)),
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
    this.#start(id, settings);
    this.on.status(null);
    this.on.changed();
  }

  /**
   * Apply settings that the server reported by an event or a reload.
   * @param {Settings} settings
   */
  receive(settings) {
    const before = this.settings;
    for (const part of PARTS) this.#receive(part, settings[part]);
    if (!same(before, this.settings)) this.on.changed();
  }

  #receive(part, value) {
    const own = this.sent.findIndex(([name, sent]) => name === part && same(sent, value));
    if (own >= 0) {
      this.sent = this.sent.filter(([name], at) => name !== part || at > own);
      delete this.missed[part]; // it is older than this save
    } else if (this.edited.has(part) || this.saver.holds(part)) this.missed[part] = value;
    else {
      this.settings = { ...this.settings, [part]: value };
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
    if (text !== this.settings.system_prompt) this.#edit("system_prompt", text);
  }

  /** @param {Object} values of some sampling settings */
  editSampling(values) {
    this.#edit("sampling", overridesOf(this.defaults, { ...this.values, ...values }));
  }

  /** @param {keyof PRESETS} name */
  applyPreset(name) {
    this.editSampling(PRESETS[name]);
    this.commit();
  }

  /** Reset the sampling to the model's defaults; the instructions stay. */
  reset() {
    this.#edit("sampling", {});
    this.commit();
  }

  #edit(part, value) {
    this.edited.add(part);
    this.settings = { ...this.settings, [part]: value };
    if (this.id === null) this.on.keep(this.settings);
    this.on.changed();
  }

  // --- saving -------------------------------------------------------------------------------------

  /** Save the edits. */
  commit() {
    const changes = Object.fromEntries([...this.edited].map((part) => [part, this.settings[part]]));
    this.edited.clear();
    if (Object.keys(changes).length === 0) return;
    if (this.id === null) this.on.status("kept");
    else this.saver.put(changes);
  }

  /** Commit, and wait until the server has answered all requests. */
  async settled() {
    this.commit();
    await this.saver.settled();
  }

  async #save(id, changes) {
    const sent = Object.entries(changes);
    if (this.id === id) this.sent.push(...sent);
    try {
      await this.on.save(id, changes);
    } catch (error) {
      this.sent = this.sent.filter((one) => !sent.includes(one));
      throw error;
    }
  }

  #saved() {
    // While the event of an own save is still to come, what was missed is older than that save.
    const isSent = (part) => this.sent.some(([name]) => name === part);
    const missed = Object.entries(this.missed).filter(([part]) => !this.edited.has(part) && !isSent(part));
    for (const [part, value] of missed) {
      this.settings = { ...this.settings, [part]: value };
      delete this.missed[part];
    }
    this.on.status("saved");
    if (missed.length) this.on.changed();
  }
}
