/** What views are made of. Text of machines and people becomes text nodes, never markup. */

/** @typedef {Node | string | number} Child */

/**
 * @param {string} tag
 * @param {Readonly<Record<string, string | boolean | (() => void)>>} attributes functions listen to the event of their name
 * @param {...(Child | readonly Child[])} children
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly (Child | readonly Child[])[])[]} rows
 * @param {string} none what to say where there is no row
 */
export function table(head, rows, none) {
  if (rows.length === 0) return h("p", { class: "quiet" }, none);
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, cell))))),
    ),
  );
}

/** @param {readonly (readonly [string, Child | readonly Child[]])[]} pairs */
export function facts(pairs) {
  return h("dl", {}, ...pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

const WORDS = {
  good: ["healthy", "done", "active"],
  bad: ["failed", "rejected", "unhealthy", "refused", "stuck", "paused"],
  busy: ["working", "changing", "installed", "running", "reverting"],
};

/** How a state looks: its word is always there too. @param {string} state */
export function toneOf(state) {
  return Object.entries(WORDS).find(([, words]) => words.includes(state))?.[0] ?? "quiet";
}

/** @param {string} state */
export function stateWord(state) {
  return h("span", { class: toneOf(state) }, state);
}

/** As much of a store path as tells it from others; the whole of it on hover. @param {string | null} closure */
export function closure(closure) {
  if (closure === null) return h("span", { class: "quiet" }, "nothing yet");
  return h("code", { title: closure }, closure.replace(/^\/nix\/store\/(.{8}).*$/, "$1"));
}

/** @param {string | null} id */
export function release(id) {
  if (id === null) return h("span", { class: "quiet" }, "none");
  return h("a", { href: `#releases/${encodeURIComponent(id)}`, title: id }, h("code", {}, id.slice(0, 8)));
}

/** @param {string} name */
export function machine(name) {
  return h("a", { href: `#machines/${encodeURIComponent(name)}` }, name);
}

/** How long ago, by this browser's clock. @param {string | null} moment */
export function time(moment) {
  if (moment === null) return h("span", { class: "quiet" }, "never");
  return h("time", { datetime: moment, title: moment }, ago((Date.now() - Date.parse(moment)) / 1000));
}

/** @type {readonly (readonly [Intl.RelativeTimeFormatUnit, number])[]} */
const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** @param {number} seconds */
function ago(seconds) {
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(-Math.round(seconds / length), unit);
}
