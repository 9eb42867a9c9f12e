/** Files that are dragged over the window: a cover says what dropping them does, wherever they are dropped. */
import { isMember } from "../account/who.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { areWrong, hasFiles } from "./import_files.js";

/**
 * @param {Object} app
 * @param {(files: File[]) => void} drop
 */
export function mountDropArea(app, drop) {
  const title = h("strong");
  const hint = h("span");
  const cover = h("div.p-drop", { hidden: true }, h("div.p-drop-box", {}, icon("upload"), title, hint));
  document.body.append(cover);

  let isOwn = false; // something of the page is dragged: browsers also offer its pictures as files
  const hide = () => (cover.hidden = true);
  const over = (event) => {
    if (isOwn || !hasFiles(event.dataTransfer)) return;
    event.preventDefault(); // else the browser opens the file in place of the page
    if (!isMember(app)) return void (event.dataTransfer.dropEffect = "none"); // a guest may not import
    const wrong = areWrong(event.dataTransfer);
    event.dataTransfer.dropEffect = wrong ? "none" : "copy";
    cover.toggleAttribute("data-wrong", wrong);
    title.textContent = app.t(wrong ? "imports.drop_wrong" : "imports.drop");
    hint.textContent = app.t("imports.drop_hint");
    cover.hidden = false;
  };
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  addEventListener("dragleave", (event) => event.relatedTarget === null && hide());
  addEventListener("dragstart", () => (isOwn = true));
  addEventListener("dragend", () => (isOwn = false));
  addEventListener("drop", (event) => {
    hide();
    if (isOwn || !hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    if (isMember(app)) drop([...event.dataTransfer.files]);
  });
}
