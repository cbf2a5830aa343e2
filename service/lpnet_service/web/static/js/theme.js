// Runs before anything is drawn, so that a dark page never flashes light.
(() => {
  const asked = localStorage.getItem("lpnet-theme");
  const dark = asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
