// What a browser gets for a path without a page.
import { byId } from "../lib/dom.js";
import { start } from "../lib/page.js";

start(() => {
  byId("path").textContent = location.pathname;
});
