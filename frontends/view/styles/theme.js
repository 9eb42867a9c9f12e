// Dark or light, as the reader's system is, or as they have chosen on Parley's page.
(() => {
  const chosen = () => {
    try {
      return localStorage.getItem("parley.theme");
    } catch {
      return null;
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = { light: "light", dark: "dark" }[chosen()] ?? system;
})();
