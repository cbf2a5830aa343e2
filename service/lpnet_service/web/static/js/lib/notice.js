// The notice of a page (#notice), and its results: the elements marked `data-results`.
import { ApiError } from "./api.js";
import { document } from "./browser.js";
import { byId } from "./dom.js";

/** Show a message in the page's notice; "" hides it. */
export function showNotice(message) {
  const notice = byId("notice");
  notice.textContent = message;
  notice.hidden = !message;
}

/** Show the page's results, and a message above them if there is one. */
export function showResults(message = "") {
  showNotice(message);
  setResultsHidden(false);
}

/** Show a message instead of the page's results. */
export function showInstead(message) {
  showNotice(message);
  setResultsHidden(true);
}

function setResultsHidden(hidden) {
  for (const element of document.querySelectorAll("[data-results]")) element.hidden = hidden;
}

/** The message of an error that the API reports; throws any other error. */
export function messageOf(error) {
  if (error instanceof ApiError) return error.message;
  throw error;
}
