// What every page does: its colour theme, the session, the connection, and errors.
import { ApiError, get, remove, setCsrfToken } from "./api.js";
import { document, matchMedia } from "./browser.js";
import { byId, fill, h } from "./dom.js";
import { explainMarked } from "./explain.js";

const root = document.documentElement;

/** Start a page: `main` fills it; an error that it throws is shown on the page. */
export async function start(main) {
  addThemeButton();
  watchConnection();
  explainMarked();
  // At phone width the menu scrolls sideways.
  const currentPage = document.querySelector(".bar nav [aria-current]");
  currentPage?.scrollIntoView({ inline: "center", block: "nearest" });
  try {
    await showSession();
    await main();
  } catch (error) {
    showError(error);
  } finally {
    root.dataset.ready = "";
  }
}

/**
 * Call `load` now and every `seconds` while the page is visible. The first call may fail; when
 * the service is unreachable later, the bar says so and the next call tries again.
 */
export async function poll(load, seconds) {
  await load();
  let isLoading = false;
  const reload = async () => {
    if (document.hidden || isLoading) return;
    isLoading = true;
    try {
      await load();
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "server_unreachable") throw error;
    } finally {
      isLoading = false;
    }
  };
  setInterval(reload, seconds * 1000);
  document.addEventListener("visibilitychange", reload);
}

/** Append an error and a button that reloads the page. */
export function showError(error, container = byId("main")) {
  const isReported = error instanceof ApiError;
  if (!isReported) console.error(error);
  const title = error.code === "server_unreachable" ? "No connection. " : "That did not work. ";
  const message = isReported ? error.message : "Something went wrong on this page.";
  for (const element of container.querySelectorAll(".loading")) element.remove();
  container.append(
    h("p", { class: "notice bad", role: "alert" }, h("strong", {}, title), message),
    h("button", { type: "button", onclick: () => location.reload() }, "Try again"),
  );
}

function addThemeButton() {
  const button = byId("theme");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "☾" : "☀";
    button.setAttribute("aria-label", `Colours: ${theme}. Change to ${otherTheme()}`);
    dispatchEvent(new CustomEvent("lpnet:theme"));
  };
  button.addEventListener("click", () => {
    setTheme(otherTheme());
    localStorage.setItem("lpnet-theme", root.dataset.theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
    if (!localStorage.getItem("lpnet-theme")) setTheme(matches ? "dark" : "light");
  });
  setTheme(root.dataset.theme);
}

function otherTheme() {
  return root.dataset.theme === "dark" ? "light" : "dark";
}

function watchConnection() {
  const status = byId("connection");
  addEventListener("lpnet:disconnected", () => {
    if (status.classList.contains("lost")) return;
    const time = new Date().toLocaleTimeString([], { timeStyle: "short" });
    status.classList.add("lost");
    status.textContent = `No response from the service since ${time}`;
  });
  addEventListener("lpnet:connected", () => {
    if (!status.classList.contains("lost")) return;
    status.classList.remove("lost");
    status.textContent = "";
  });
}

async function showSession() {
  const session = await get("/v1/session");
  setCsrfToken(session.csrf);
  if (!session.csrf) return;
  const button = h("button", { type: "button", class: "quiet small" }, "Log out");
  button.addEventListener("click", async () => {
    await remove("/v1/session");
    location.assign("/login");
  });
  fill(byId("session"), session.name, " ", button);
}
