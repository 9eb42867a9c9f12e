/** The settings of the open conversation while they are edited: one state, one writer. No DOM. */
import { same } from "../page/compare.js";
import { ChangeSaver } from "./change_saver.js";
import { overridesOf, presetOf, PRESETS, valuesOf } from "./sampling.js";

/**
 * @typedef {Object} Settings as the API has them: two parts, each saved as a whole
 * @property {string} system_prompt
 * @property {Object} sampling overrides of the model's own
 */

const PARTS = ["system_prompt", "sampling"];

/**
 * An edit changes `settings` at once and is saved when it is committed. Before there is a conversation it goes into the
 * draft that the next one begins with. What the store tells never takes an edit away.
 */
export class SettingsState {
  /**
   * @param {Object} on
   * @param {(id: string, changes: Partial<Settings>) => Promise<void>} on.save
   * @param {(settings: Settings) => void} on.keep for the next conversation
   * @param {() => void} on.changed draw again
   * @param {(status: null|"saved"|"kept"|Error) => void} on.told
   */
  constructor(on) {
    this.on = on;
    this.id = null;
    this.defaults = {}; // the model's own sampling
    this.#start(null, { system_prompt: "", sampling: {} });
  }

  #start(id, { system_prompt, sampling }) {
    this.id = id;
    this.settings = { system_prompt, sampling };
    this.edited = new Set(); // parts that were edited and not committed yet
    this.sent = []; // [part, value] of saves that no event has told of yet, the oldest first
    this.missed = {}; // what the store told of parts that were being edited or saved
    this.saver = this.#saverFor(id);
  }

  // Each conversation has a saver of its own: what a former one answers says nothing about this one.
  #saverFor(id) {
    const ifOpen = (act) => (value) => this.saver === saver && act(value);
    const saver = new ChangeSaver({
      save: (changes) => this.#save(id, changes),
      saved: ifOpen(() => this.#saved()),
      failed: ifOpen((error) => this.on.told(error)),
    });
    return saver;
  }

  /** Every sampling setting's value: the conversation's, else the model's. */
  get values() {
    return valuesOf(this.defaults, this.settings.sampling);
  }

  /** The preset whose values these are, if any. */
  get preset() {
    return presetOf(this.values);
  }

  // --- what the page tells ------------------------------------------------------------------------

  /**
   * Another conversation is open. What was edited in the former one is saved there.
   * @param {string|null} id null: the next new conversation
   * @param {Settings} settings
   */
  open(id, settings) {
    this.commit();
    this.#start(id, settings);
    this.on.told(null);
    this.on.changed();
  }

  /**
   * The store has these settings now, as an event or a reload tells.
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
      delete this.missed[part]; // it was told before this save
    } else if (this.edited.has(part) || this.saver.holds(part)) this.missed[part] = value;
    else this.settings = { ...this.settings, [part]: value };
  }

  /** @param {Object} defaults of the model that answers now */
  setDefaults(defaults) {
    if (same(defaults, this.defaults)) return;
    this.defaults = defaults;
    this.on.changed();
  }

  // --- what a person does -------------------------------------------------------------------------

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

  /** Back to the model's own sampling; the instructions stay. */
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

  /** Save what was edited. */
  commit() {
    const changes = Object.fromEntries([...this.edited].map((part) => [part, this.settings[part]]));
    this.edited.clear();
    if (Object.keys(changes).length === 0) return;
    if (this.id === null) this.on.told("kept");
    else this.saver.put(changes);
  }

  /** Commit, and wait until the store has everything that it takes. */
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
    const missed = Object.entries(this.missed).filter(([part]) => !this.edited.has(part));
    for (const [part, value] of missed) {
      this.settings = { ...this.settings, [part]: value };
      delete this.missed[part];
    }
    this.on.told("saved");
    if (missed.length) this.on.changed();
  }
}
