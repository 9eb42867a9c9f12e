/** The theme: light, dark or the system's. An early script in the page's head sets it for the first paint. */
import { readStored, store } from "./storage.js";

const KEY = "parley.theme";
const CHOICES = ["system", "light", "dark"];

/**
 * @param {Object} app gets `state.theme` and "theme" events
 * @returns {{next: () => void}}
 */
export function createTheme(app) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = readStored(KEY);
  app.state.theme = CHOICES.includes(chosen) ? chosen : "system";

  function apply() {
    const dark = app.state.theme === "system" ? system.matches : app.state.theme === "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    syncGradio();
  }

  // Gradio sets the class of the body by the system's theme; it must follow ours.
  function syncGradio() {
    const dark = document.documentElement.dataset.theme === "dark";
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  }

  system.addEventListener("change", apply);
  new MutationObserver(syncGradio).observe(document.body, { attributeFilter: ["class"] });
  apply();

  return {
    next() {
      app.state.theme = CHOICES[(CHOICES.indexOf(app.state.theme) + 1) % CHOICES.length];
      store(KEY, app.state.theme);
      apply();
      app.emit("theme", app.state.theme);
    },
  };
}
