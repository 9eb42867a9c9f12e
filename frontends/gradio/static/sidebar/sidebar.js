/** The sidebar: new chat, search, import and export, and the conversation list. */
import { accountButton } from "../account/account_button.js";
import { hasLogin, isMember } from "../account/who.js";
import { feedbackButton } from "../feedback/feedback_button.js";
import { jobsButton } from "../jobs/jobs_button.js";
import { address } from "../page/api.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { showMenu } from "../widgets/menu.js";
import { showPopover } from "../widgets/popover.js";
import { mountDropArea } from "./drop_area.js";
import { Imports } from "./imports.js";
import { ListActions } from "./list_actions.js";
import { ListData } from "./list_data.js";
import { grouped } from "./list_groups.js";
import { ListKeyboard } from "./list_keyboard.js";
import { Row } from "./list_row.js";

const ACCEPTED = ".json,.jsonl,.ndjson,.zip,application/json,application/zip";
const SEARCH_AFTER_MS = 150;
const REFRESH_AFTER_MS = 80;
const SKELETON_ROWS = 6;

/**
 * @param {HTMLElement} root
 * @param {Object} app
 */
export function mountSidebar(root, app) {
  const sidebar = new Sidebar(app);
  root.append(sidebar.element);
  void sidebar.load();
}

class Sidebar {
  constructor(app) {
    this.app = app;
    this.rows = new Map();
    this.groups = new Map();
    this.data = new ListData(app);
    this.actions = new ListActions(app, this.data, () => this.draw());
    this.imports = new Imports(app, {
      imported: (conversation, only) => this.#imported(conversation, only),
      showDetails: (title, lines) => this.#showDetails(title, lines),
    });
    this.#build();
    this.keyboard = new ListKeyboard(this.list, this.rows, {
      leave: () => this.search.focus(),
      menu: (row) => this.#menu(row),
      remove: (row) => this.#remove(row),
    });
    this.#listen();
    this.#setTexts();
    this.draw();
  }

  #build() {
    this.brand = h(
      "div.p-brand",
      {},
      h("img", { src: address("/ui/static/icon.svg"), alt: "", width: "24", height: "24" }),
      h("span", {}, "Parley"),
    );
    this.file = h("input", { type: "file", accept: ACCEPTED, multiple: true, hidden: true });
    this.importButton = h("button.p-icon", { type: "button", onclick: () => this.file.click() }, icon("upload"));
    this.exportLink = h(
      "a.p-icon",
      { href: address("/api/conversations/export"), download: "" },
      icon("download"),
    );
    this.newText = h("span");
    this.newButton = h(
      "button.p-new",
      { type: "button", onclick: () => this.app.open(null) },
      icon("plus"),
      this.newText,
    );
    this.search = h("input.p-search-field", { type: "search", autocomplete: "off", spellcheck: "false", dir: "auto" });
    this.clear = h(
      "button.p-icon.p-search-clear",
      { type: "button", hidden: true, onclick: () => this.#clearSearch() },
      icon("close"),
    );
    this.list = h("div.p-list");
    this.note = h("div.p-list-note", { role: "status" });
    this.end = h("div.p-list-end", { "aria-hidden": "true" });
    this.scroller = h("div.p-list-scroller", {}, this.list, this.note, this.end);
    this.element = h(
      "nav.p-sidebar",
      {},
      h(
        "div.p-sidebar-head",
        {},
        this.brand,
        h("span.p-spring"),
        feedbackButton(this.app),
        jobsButton(this.app),
        this.importButton,
        this.exportLink,
        this.file,
      ),
      h(
        "div.p-sidebar-tools",
        {},
        this.newButton,
        h("div.p-search", { role: "search" }, icon("search"), this.search, this.clear),
      ),
      this.scroller,
      accountButton(this.app),
    );
  }

  #listen() {
    const { app } = this;
    this.file.addEventListener("change", () => {
      void this.imports.take(this.file.files);
      this.file.value = "";
    });
    mountDropArea(app, (files) => void this.imports.take(files));
    // While an input method composes, the field contains unfinished characters.
    this.search.addEventListener("input", (event) => !event.isComposing && this.#searchSoon());
    this.search.addEventListener("compositionend", () => this.#searchSoon());
    this.search.addEventListener("keydown", (event) => this.#searchKey(event));
    new IntersectionObserver((seen) => seen[0].isIntersecting && void this.#more(), {
      root: this.scroller,
      rootMargin: "300px",
    }).observe(this.end);

    app.on("info", () => this.draw());
    app.on("language", () => {
      this.#setTexts();
      this.draw();
    });
    app.on("conversation", () => {
      for (const row of this.rows.values()) row.markCurrent();
      this.keyboard.chooseTabStop(this.app.state.conversationId);
    });
    app.on("conversation-updated", (conversation) => {
      if (this.data.put(conversation)) this.draw();
    });
    app.on("list-changed", () => this.#refreshSoon());
    app.on("connection", (up) => up && this.#refreshSoon());
    app.on("day", () => this.draw());
    document.addEventListener("visibilitychange", () => !document.hidden && this.#refreshSoon());
  }

  #setTexts() {
    const { app } = this;
    this.element.setAttribute("aria-label", app.t("sidebar.label"));
    this.newText.textContent = app.t("app.new_chat");
    this.search.placeholder = app.t("sidebar.search");
    this.search.setAttribute("aria-label", app.t("sidebar.search"));
    for (const [button, key] of [
      [this.clear, "sidebar.clear_search"],
      [this.importButton, "sidebar.import"],
      [this.exportLink, "sidebar.export_all"],
    ]) {
      button.title = app.t(key);
      button.setAttribute("aria-label", app.t(key));
    }
  }

  // --- import ------------------------------------------------------------------------------------

  #imported(conversation, only) {
    if (this.data.put(conversation)) this.draw();
    void this.load();
    if (only) this.app.open(conversation.id);
  }

  #showDetails(title, lines) {
    const list = h("ul.p-import-lines", {}, ...lines.map((line) => h("li", { dir: "auto" }, line)));
    showPopover(this.importButton, { title, close: this.app.t("app.close"), content: [list] });
  }

  // --- loading -----------------------------------------------------------------------------------

  /** Load the list, or the results for the search field. */
  async load() {
    try {
      if (!(await this.data.load(this.search.value.trim()))) return;
      this.failed = null;
    } catch (error) {
      this.failed = error;
    }
    this.draw();
  }

  async #more() {
    try {
      if (await this.data.more()) this.draw();
    } catch {
      // Loaded again when the end of the list becomes visible again, or the server comes back.
    }
  }

  #searchSoon() {
    this.clear.hidden = !this.search.value;
    clearTimeout(this.searchTimer);
    this.searchTimer = setTimeout(() => void this.load(), SEARCH_AFTER_MS);
  }

  #refreshSoon() {
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => void this.load(), REFRESH_AFTER_MS);
  }

  #clearSearch() {
    this.search.value = "";
    this.search.focus();
    this.#searchSoon();
  }

  // --- drawing -----------------------------------------------------------------------------------

  /** Update the list; unchanged rows keep their elements. */
  draw() {
    const focused = document.activeElement;
    this.importButton.hidden = !isMember(this.app);
    const sections = this.#groups().map((group) => this.#section(group));
    arrange(this.list, sections);
    const listed = new Set(this.data.items.map((item) => item.id));
    for (const id of this.rows.keys()) if (!listed.has(id)) this.rows.delete(id);
    if (this.list.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true });
    this.keyboard.chooseTabStop(this.app.state.conversationId);
    this.#drawNote();
  }

  #groups() {
    const { items, query } = this.data;
    if (!query) return grouped(this.app, items);
    return items.length ? [{ key: "found", title: this.app.t("sidebar.found"), items }] : [];
  }

  #section({ key, title, items }) {
    if (!this.groups.has(key)) {
      const name = h("h2.p-group-name", { id: `parley-group-${key}` });
      const rows = h("ul.p-rows", { "aria-labelledby": name.id });
      this.groups.set(key, { name, rows, element: h("section.p-group", {}, name, rows) });
    }
    const group = this.groups.get(key);
    group.name.textContent = title;
    arrange(
      group.rows,
      items.map((item) => this.#row(item).element),
    );
    return group.element;
  }

  #row(conversation) {
    let row = this.rows.get(conversation.id);
    if (!row) {
      row = new Row(this.app, {
        open: (one) => this.app.open(one.conversation.id, one.conversation.match ?? undefined),
        menu: (one) => this.#menu(one),
        rename: (one, title) => void this.actions.change(one.conversation.id, { title }),
      });
      this.rows.set(conversation.id, row);
    }
    row.update(conversation);
    return row;
  }

  #drawNote() {
    const { app, data } = this;
    const nodes = [];
    if (this.failed && !data.items.length) {
      const again = h(
        "button.p-button.p-small",
        { type: "button", onclick: () => void this.load() },
        icon("refresh"),
        app.t("sidebar.again"),
      );
      nodes.push(h("p", {}, app.errorText(this.failed)), again);
    } else if (!data.loaded) {
      for (let i = 0; i < SKELETON_ROWS; i++) nodes.push(h("div.p-skeleton", { "aria-hidden": "true" }));
      nodes.push(h("span.p-offscreen", {}, app.t("sidebar.loading")));
    } else if (!data.items.length) {
      nodes.push(
        h("p", {}, data.query ? app.t("sidebar.nothing_found", { query: data.query }) : app.t(hasLogin(app) ? "sidebar.empty_account" : "sidebar.empty")),
      );
    }
    this.note.replaceChildren(...nodes);
  }

  // --- keyboard ----------------------------------------------------------------------------------

  #searchKey(event) {
    if (event.key === "Escape" && this.search.value) {
      event.preventDefault();
      event.stopPropagation();
      this.#clearSearch();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.keyboard.first?.link.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(this.searchTimer);
      void this.load();
    }
  }

  #menu(row) {
    showMenu(
      row.button,
      row.button.getAttribute("aria-label"),
      this.actions.entries(row, (one) => this.#remove(one)),
    );
  }

  #remove(row) {
    const hadFocus = row.element.contains(document.activeElement);
    const next = this.data.remove(row.conversation.id);
    this.draw();
    if (hadFocus) (this.rows.get(next)?.link ?? this.newButton).focus({ preventScroll: true });
    void this.actions.remove(row.conversation);
  }
}

/** Make `nodes` the children of `parent`, in order, without moving those already in place. */
function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}
