// Sets the colour theme before anything is drawn, so that a dark page never flashes light.
(() => {
  const { document, matchMedia } = globalThis;
  const systemTheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = localStorage.getItem("lpnet-theme") ?? systemTheme;
})();
