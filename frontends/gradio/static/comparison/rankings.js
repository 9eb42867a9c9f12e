/** The reader's rankings in a conversation: each choice is sent once, and shown before the server has answered. No DOM. */
import { asRequest, wasShown } from "./judgement.js";

/** The latest ranking of each set of replies; withdrawn ones, too, so that older news does not revive them. */
export class Rankings {
  /**
   * @param {Object} app
   * @param {() => void} changed draws the conversation again
   */
  constructor(app, changed) {
    Object.assign(this, { app, changed });
    this.known = new Map(); // key of the replies → Ranking
    this.sending = new Map(); // key → {request, stored}, until all requests about these replies are answered
  }

  /**
   * Know what the server has told of the whole conversation: what is not in its list was withdrawn.
   * @param {import("./judgement.js").Ranking[]} rankings
   */
  fill(rankings) {
    const listed = new Set(rankings.map(keyOf));
    for (const key of this.known.keys()) if (!listed.has(key) && !this.sending.has(key)) this.known.delete(key);
    for (const ranking of rankings) this.receive(ranking);
  }

  /**
   * Know a ranking that the server has told. What was chosen here meanwhile is newer.
   * @param {import("./judgement.js").Ranking} ranking
   * @returns {boolean} whether it is news
   */
  receive(ranking) {
    const key = keyOf(ranking);
    const known = this.known.get(key);
    if (this.sending.has(key) || (known && Date.parse(ranking.created_at) < Date.parse(known.created_at))) return false;
    this.known.set(key, ranking);
    return true;
  }

  /**
   * @param {string} messageId
   * @returns {import("./judgement.js").Ranking|null} the one that waits for a choice between this reply and others
   */
  openAt(messageId) {
    return this.#shownWith(messageId, (ranking) => ranking.open);
  }

  /**
   * @param {string} messageId
   * @returns {import("./judgement.js").Ranking|null} what was chosen between this reply and others
   */
  decidedAt(messageId) {
    return this.#shownWith(messageId, (ranking) => !ranking.open);
  }

  /**
   * @param {string[]} messageIds
   * @returns {import("./judgement.js").Ranking|null} what was chosen between these replies
   */
  between(messageIds) {
    const found = this.known.get([...messageIds].sort().join());
    return found && !found.withdrawn && !found.open ? found : null;
  }

  /** @returns {boolean} whether this reply was shown side by side with others, whatever became of that */
  wasCompared(messageId) {
    return [...this.known.values()].some((one) => wasShown(one) && one.items.some((item) => item.message_id === messageId));
  }

  #shownWith(messageId, isWanted) {
    const has = (ranking) => ranking.items.some((item) => item.message_id === messageId);
    const found = [...this.known.values()].filter((one) => !one.withdrawn && has(one) && wasShown(one) && isWanted(one));
    return found.at(-1) ?? null;
  }

  /**
   * Store a choice. The same one again changes nothing.
   * @param {import("./judgement.js").Ranking} ranking with the choice
   * @returns {Promise<boolean>} whether it was stored; if not, that is told, and what is stored is shown again
   */
  async choose(ranking) {
    const known = this.known.get(keyOf(ranking));
    if (known && !known.open && !known.withdrawn && isSame(known, ranking)) return true;
    const body = asRequest(ranking);
    return this.#send({ ...ranking, withdrawn: false }, () =>
      this.app.api.post("/api/rankings", body, { keepalive: true }),
    );
  }

  /**
   * Withdraw a choice, or close a comparison without one.
   * @param {import("./judgement.js").Ranking} ranking
   * @returns {Promise<boolean>} whether it is withdrawn
   */
  async withdraw(ranking) {
    const key = keyOf(ranking);
    // By then it may have another id: that of a choice that is still being sent.
    const id = () => (this.sending.get(key)?.stored ?? ranking).id;
    const withdrawn = (told) => ({ ...told, open: false, withdrawn: true }); // also told of one withdrawn elsewhere before
    const request = async () => withdrawn(await this.app.api.delete(`/api/rankings/${id()}`));
    return this.#send(withdrawn(ranking), request);
  }

  async #send(next, ask) {
    const key = keyOf(next);
    const former = this.sending.get(key);
    const sending = { stored: former ? former.stored : this.known.get(key) };
    sending.request = former ? former.request.then(ask, ask) : ask();
    this.sending.set(key, sending);
    this.known.set(key, next);
    this.changed();
    try {
      const stored = await sending.request;
      const latest = this.sending.get(key);
      if (latest) latest.stored = stored; // the requests that follow know it too, in case they fail
      return true;
    } catch (error) {
      this.app.toast(this.app.errorText(error));
      return false;
    } finally {
      if (this.sending.get(key) === sending) this.#settle(key, sending.stored);
    }
  }

  #settle(key, stored) {
    this.sending.delete(key);
    if (stored) this.known.set(key, stored);
    else this.known.delete(key);
    this.changed();
  }
}

function keyOf(ranking) {
  return ranking.items.map((item) => item.message_id).sort().join();
}

function isSame(one, other) {
  const ranks = ({ items }) => new Map(items.map((item) => [item.message_id, item.rank]));
  const [known, next] = [ranks(one), ranks(other)];
  return one.both_bad === other.both_bad && [...known].every(([id, rank]) => next.get(id) === rank);
}
