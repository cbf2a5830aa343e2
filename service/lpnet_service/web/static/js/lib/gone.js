// Says that a link leads to something that is not there, before something else is shown.
import { document } from "./browser.js";
import { h } from "./dom.js";

const NOTICE = "gone";

/** Say above the page's content that what a link names is not here. */
export function showGone(message) {
  const notice = document.getElementById(NOTICE) ?? addNotice();
  if (notice.textContent.includes(message)) return;
  notice.textContent = `${notice.textContent} ${message}`.trim();
}

function addNotice() {
  const notice = h("p", { class: "notice warn", id: NOTICE, role: "status" });
  const main = document.getElementById("main");
  main.querySelector(".head").after(notice);
  // The reader's own choice is no longer the link's.
  main.addEventListener("change", () => notice.remove(), { once: true });
  return notice;
}
