/** Keyboard control of the conversation list: a single tab stop, arrow keys inside. */

/** Handles the keys of the list; the order of rows is that of their elements. */
export class ListKeyboard {
  /**
   * @param {HTMLElement} list
   * @param {Map<string, import("./list_row.js").Row>} rows by conversation id
   * @param {Object} on
   * @param {() => void} on.leave moves the focus up, out of the list
   * @param {(row: import("./list_row.js").Row) => void} on.menu
   * @param {(row: import("./list_row.js").Row) => void} on.remove
   */
  constructor(list, rows, on) {
    this.list = list;
    this.rows = rows;
    this.on = on;
    this.tabStop = null; // the id of the row that is the tab stop
    list.addEventListener("keydown", (event) => this.#pressed(event));
    list.addEventListener("focusin", (event) => this.#stopAt(this.#rowOf(event.target)));
  }

  /** The row at the top, if any. */
  get first() {
    return this.#order()[0] ?? null;
  }

  /**
   * Choose the tab stop after drawing the list: the focused row, else the one of `id`, else the first.
   * @param {string|null} id of the conversation that is open
   */
  chooseTabStop(id) {
    const focused = this.list.contains(document.activeElement) ? this.rows.get(this.tabStop) : null;
    this.#stopAt(focused ?? this.rows.get(id) ?? this.first);
  }

  #stopAt(row) {
    if (!row) return;
    this.rows.get(this.tabStop)?.setReachable(false);
    this.tabStop = row.conversation.id;
    row.setReachable(true);
  }

  #rowOf(element) {
    const at = element.closest?.(".p-row");
    return [...this.rows.values()].find((row) => row.element === at) ?? null;
  }

  #order() {
    return [...this.list.querySelectorAll(".p-row")].map((element) => this.#rowOf(element));
  }

  #pressed(event) {
    const row = this.#rowOf(event.target);
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const act = this.#keys[event.key];
    if (!act) return;
    event.preventDefault();
    act(row, this.#order());
  }

  #keys = {
    ArrowDown: (row, order) => order[order.indexOf(row) + 1]?.link.focus(),
    ArrowUp: (row, order) => this.#up(order[order.indexOf(row) - 1]),
    ArrowRight: (row) => row.button.focus(),
    ArrowLeft: (row) => row.link.focus(),
    Home: (row, order) => order[0].link.focus(),
    End: (row, order) => order.at(-1).link.focus(),
    F2: (row) => row.edit(),
    Delete: (row) => this.on.remove(row),
    ContextMenu: (row) => this.on.menu(row),
  };

  #up(row) {
    if (row) row.link.focus();
    else this.on.leave();
  }
}
