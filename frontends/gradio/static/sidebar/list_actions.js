/** Actions of the conversation list: rename, pin, export, delete. */
import { address } from "../page/api.js";
import { showShareBox } from "../share/share_box.js";

/** Changes are shown at once, and undone when the server refuses them. */
export class ListActions {
  /**
   * @param {Object} app
   * @param {import("./list_data.js").ListData} data
   * @param {() => void} draw
   */
  constructor(app, data, draw) {
    this.app = app;
    this.data = data;
    this.draw = draw;
  }

  /**
   * The entries of a conversation's menu.
   * @param {import("./list_row.js").Row} row
   * @param {(row: Object) => void} remove
   * @returns {import("../widgets/menu.js").Entry[]}
   */
  entries(row, remove) {
    const { app } = this;
    const { id, pinned } = row.conversation;
    const exported = address(`/api/conversations/${id}/export?format=`);
    return [
      { icon: "edit", label: app.t("sidebar.rename"), act: () => row.edit() },
      {
        icon: "pin",
        label: app.t(pinned ? "sidebar.unpin" : "sidebar.pin"),
        act: () => void this.change(id, { pinned: !pinned }),
      },
      { icon: "link", label: app.t("share.title"), act: () => showShareBox(app, row.button, row.conversation) },
      { icon: "download", label: app.t("sidebar.export_markdown"), href: `${exported}markdown` },
      { icon: "download", label: app.t("sidebar.export_json"), href: `${exported}json` },
      { icon: "trash", label: app.t("sidebar.delete"), danger: true, act: () => remove(row) },
    ];
  }

  /**
   * Rename or pin.
   * @param {string} id
   * @param {Object} changes
   */
  async change(id, changes) {
    const before = this.data.items.find((item) => item.id === id);
    this.#put({ id, ...changes });
    try {
      this.#put(await this.app.api.patch(`/api/conversations/${id}`, changes));
    } catch (error) {
      if (before) this.#put(before);
      this.app.toast(this.app.errorText(error));
    }
  }

  #put(conversation) {
    if (this.data.put(conversation)) this.draw();
  }

  /**
   * Delete, with the option to undo.
   * @param {Object} conversation
   */
  async remove(conversation) {
    const { app } = this;
    const wasOpen = app.state.conversationId === conversation.id;
    if (wasOpen) app.open(null);
    try {
      await app.api.delete(`/api/conversations/${conversation.id}`);
    } catch (error) {
      this.#put(conversation);
      app.toast(app.errorText(error));
      return;
    }
    const title = conversation.title || app.t("app.untitled");
    app.toast(app.t("sidebar.deleted", { title }), {
      action: app.t("app.undo"),
      onAction: () => void this.#restore(conversation, wasOpen),
    });
  }

  async #restore(conversation, reopen) {
    try {
      this.#put(await this.app.api.post(`/api/conversations/${conversation.id}/restore`));
      if (reopen) this.app.open(conversation.id);
    } catch (error) {
      this.app.toast(this.app.errorText(error));
    }
  }
}
