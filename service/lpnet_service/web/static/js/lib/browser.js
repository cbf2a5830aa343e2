// Globals of a browser that Deno lacks: its linter reports every other undefined name.
export const {
  CSS,
  document,
  getComputedStyle,
  history,
  matchMedia,
  ResizeObserver,
} = globalThis;
