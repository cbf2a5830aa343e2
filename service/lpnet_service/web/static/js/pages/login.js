// Login with a token: the service responds with a session cookie that no script can read.
import { post } from "../lib/api.js";
import { document } from "../lib/browser.js";
import { byId } from "../lib/dom.js";
import { messageOf } from "../lib/notice.js";

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const alert = byId("login-error");
  const token = byId("token");
  alert.hidden = true;
  try {
    await post("/v1/session", { token: token.value.trim() }, { redirectToLogin: false });
    location.assign(nextPage());
  } catch (error) {
    const isRefused = error.status === 401;
    alert.textContent = isRefused ? "This token is unknown or has expired." : messageOf(error);
    alert.hidden = false;
    token.select();
  }
});
document.documentElement.dataset.ready = "";

// A link to this page must not be able to lead to another site.
function nextPage() {
  const path = new URLSearchParams(location.search).get("next") || "/";
  const target = new URL(path, location.origin);
  return target.origin === location.origin ? target.pathname + target.search : "/";
}
