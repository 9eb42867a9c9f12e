/** The bar shown while the server can't be reached. */
import { icon } from "../widgets/icons.js";
import { h } from "./dom.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function connectionBar(app) {
  const bar = h("div.p-connection", { role: "status", hidden: true });
  const draw = () => {
    const lost = h("strong", {}, app.t("connection.lost"));
    bar.replaceChildren(icon("warning"), lost, h("span", {}, app.t("connection.lost_hint")));
  };
  app.on("connection", (up) => {
    if (up && !bar.hidden) app.toast(app.t("connection.back"));
    bar.hidden = up;
    if (!up) draw();
  });
  app.on("language", draw);
  return bar;
}
