// Logging in by a token: the service answers with a cookie that no script can read.
import { ApiError, post } from "../lib/api.js";
import { byId } from "../lib/dom.js";

byId("login").addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const said = byId("said");
  said.hidden = true;
  try {
    await post("/v1/session", { token: byId("token").value.trim() }, { login: false });
    location.assign(next());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    said.hidden = false;
    said.textContent = error.status === 401 ? "The service does not know this token, or it has ended." : error.message;
    byId("token").select();
  }
});
document.documentElement.dataset.ready = "";

// Only to a page of this service: whoever sends a link must not choose another place.
function next() {
  const asked = new URLSearchParams(location.search).get("next") || "/";
  const url = new URL(asked, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : "/";
}
