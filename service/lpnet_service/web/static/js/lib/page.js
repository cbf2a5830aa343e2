// What every page does: colours, who is logged in, whether the service answers, errors.
import { ApiError, get, remove, setCsrf } from "./api.js";
import { byId, fill, h } from "./dom.js";

/** Start a page: `main` fills it, and what it raises is shown in the place of the content. */
export async function start(main) {
  colours();
  connection();
  // At the width of a phone the pages do not all fit into the bar.
  document.querySelector(".bar nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  try {
    await who();
    await main();
  } catch (error) {
    failed(error);
  } finally {
    document.documentElement.dataset.ready = "";
  }
}

/** Call `look` now and every `seconds` while the page is seen; an error of a later call is only
 * said in the bar, and the next call mends it. */
export async function live(look, seconds) {
  await look();
  let busy = false;
  const again = async () => {
    if (document.hidden || busy) return;
    busy = true;
    try {
      await look();
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "unreachable") throw error;
    } finally {
      busy = false;
    }
  };
  setInterval(again, seconds * 1000);
  document.addEventListener("visibilitychange", again);
}

/** Show why there is nothing to show. */
export function failed(error, place = byId("main")) {
  if (!(error instanceof ApiError)) console.error(error);
  const words = error instanceof ApiError ? error.message : "Something went wrong on this page.";
  const reload = h("button", { type: "button", onclick: () => location.reload() }, "Try again");
  place.append(h("p", { class: "notice bad", role: "alert" }, h("strong", {}, error.code === "unreachable" ? "No connection. " : "That did not work. "), words), reload);
  place.querySelectorAll(".wait").forEach((element) => element.remove());
}

function colours() {
  const root = document.documentElement;
  const button = byId("theme");
  const say = () => {
    const dark = root.dataset.theme === "dark";
    button.textContent = dark ? "☾" : "☀";
    button.setAttribute("aria-label", dark ? "Colours: dark. Change to light" : "Colours: light. Change to dark");
  };
  const turn = (theme) => {
    root.dataset.theme = theme;
    say();
    dispatchEvent(new CustomEvent("lpnet:theme"));
  };
  button.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("lpnet-theme", theme);
    turn(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (change) => {
    if (!localStorage.getItem("lpnet-theme")) turn(change.matches ? "dark" : "light");
  });
  say();
}

function connection() {
  const link = byId("link");
  addEventListener("lpnet:away", () => {
    if (link.classList.contains("away")) return;
    const since = new Date().toLocaleTimeString([], { timeStyle: "short" });
    link.classList.add("away");
    link.textContent = `No answer from the service since ${since}`;
  });
  addEventListener("lpnet:here", () => {
    if (!link.classList.contains("away")) return;
    link.classList.remove("away");
    link.textContent = "";
  });
}

async function who() {
  const session = await get("/v1/session");
  setCsrf(session.csrf);
  if (!session.csrf) return;
  const leave = h("button", { type: "button", class: "quiet small" }, "Log out");
  leave.addEventListener("click", async () => {
    await remove("/v1/session");
    location.assign("/login");
  });
  fill(byId("who"), session.name, " ", leave);
}
