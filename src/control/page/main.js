/** The page for people: asks for an API key, and shows the fleet with it. */
import { ask, key, Refused } from "./control-plane.js";
import { h } from "./elements.js";
import { VIEWS } from "./views.js";

const EVERY = 5000;

const main = part("main");
const message = part("#message");
const nav = part("nav");
const who = part("#who");

/** Counts what is shown, so that an answer that comes late to another view is dropped. */
let turn = 0;
let pages = 1;
let body = h("div", {});

/** @param {string} selector @returns {HTMLElement} */
function part(selector) {
  const found = document.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return found;
}

/** @param {unknown} error */
function say(error) {
  if (error instanceof Refused && error.status === 401) return logIn(error.message);
  message.textContent = error instanceof Error ? error.message : String(error);
}

/** @param {string} why */
function logIn(why) {
  turn++;
  key.forget();
  nav.hidden = true;
  who.hidden = true;
  message.textContent = why;
  const input = h("input", { type: "password", name: "key", required: true, autocomplete: "off", size: "60" });
  const form = h("form", {}, h("label", {}, "API key", input), h("button", {}, "Log in"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input instanceof HTMLInputElement) key.set(input.value.trim());
    show();
  });
  main.replaceChildren(
    h("h2", {}, "Log in"),
    form,
    h("p", { class: "quiet" }, "This tab keeps the key until you close it."),
  );
  input.focus();
}

function address() {
  const [name = "", query = ""] = location.hash.slice(1).split("?");
  const [view = "", ...path] = name.split("/").map(decodeURIComponent);
  return {
    view: Object.hasOwn(VIEWS, view) ? view : "fleet",
    path,
    filter: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** Shows what the address says, from its beginning. */
function show() {
  if (key.get() === null) return logIn("");
  pages = 1;
  const { view: name, path, filter } = address();
  const view = VIEWS[name];
  if (view === undefined) return;
  for (const link of nav.querySelectorAll("a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${view.title} · NixFleet`;
  body = h("div", {});
  main.replaceChildren(h("h2", {}, view.title), ...(path.length > 0 ? [] : [filters(name, filter)]), body);
  refresh();
}

/** @param {string} name @param {Readonly<Record<string, string>>} filter */
function filters(name, filter) {
  const fields = (VIEWS[name]?.filters ?? []).map(([field, label, choices]) => {
    const value = filter[field] ?? "";
    const input =
      choices.length === 0
        ? h("input", { name: field, value })
        : h(
            "select",
            { name: field },
            ...["", ...choices].map((one) => h("option", { value: one, selected: one === value }, one || "any")),
          );
    return h("label", {}, label, input);
  });
  if (fields.length === 0) return "";
  const form = h("form", {}, ...fields, h("button", {}, "Show"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!(form instanceof HTMLFormElement)) return;
    const given = [...new FormData(form)].map(([field, value]) => [field, String(value).trim()]);
    location.hash = `${name}?${new URLSearchParams(given.filter(([, value]) => value !== ""))}`;
  });
  return form;
}

/** Reads the present view again. */
async function refresh() {
  const mine = ++turn;
  const { view: name, path, filter } = address();
  try {
    const { key: holder } = await ask("GET", "/fleet");
    const shown = { path, filter, pages, more: false, act, mayDeploy: holder.role !== "readonly" };
    const element = await VIEWS[name]?.show(shown);
    if (mine !== turn || element === undefined) return;
    nav.hidden = false;
    for (const link of nav.querySelectorAll("a")) link.hidden = link.hash === "#audit" && holder.role !== "admin";
    who.hidden = false;
    who.replaceChildren(
      `${holder.name} (${holder.role}) `,
      h("button", { type: "button", click: () => logIn("") }, "Log out"),
    );
    message.textContent = "";
    body.replaceChildren(element, ...(shown.more ? [h("button", { type: "button", click: more }, "Show more")] : []));
  } catch (error) {
    if (mine === turn) say(error);
  }
}

function more() {
  pages++;
  refresh();
}

/** @param {"POST" | "PUT" | "DELETE"} method @param {string} path @param {string} question */
async function act(method, path, question) {
  if (!confirm(question)) return;
  try {
    await ask(method, path);
    await refresh();
  } catch (error) {
    say(error);
  }
}

addEventListener("hashchange", show);
// What has the focus stays: a button that somebody is about to press, or text that is being read by a screen reader.
setInterval(() => {
  if (document.visibilityState === "visible" && key.get() !== null && !main.contains(document.activeElement)) refresh();
}, EVERY);
show();
