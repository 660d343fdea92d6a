/** What each page shows. A view reads from the API and gives an element; it is called again every few seconds. */
import { ask, list } from "./control-plane.js";
import { closure, facts, h, machine, release, stateWord, table, time, toneOf } from "./elements.js";

/**
 * @typedef {object} Shown
 * @property {readonly string[]} path of the address: what comes after the page's name
 * @property {Readonly<Record<string, string>>} filter
 * @property {number} pages how many pages of a list
 * @property {boolean} more whether there are more (the view says so)
 * @property {(method: "POST" | "PUT" | "DELETE", path: string, question: string) => void} act asks, does it, and shows the view again
 * @property {boolean} mayDeploy
 */

/** @type {Readonly<Record<string, { title: string, filters: readonly [string, string, readonly string[]][], show: (shown: Shown) => Promise<Node> }>>} */
export const VIEWS = {
  fleet: { title: "Fleet", filters: [], show: fleet },
  machines: {
    title: "Machines",
    filters: [
      ["tag", "Tag", []],
      ["lifecycle", "Lifecycle", ["pending", "provisioning", "active", "maintenance", "decommissioned"]],
      ["outcome", "Says", ["working", "installed", "healthy", "unhealthy", "rejected", "refused"]],
    ],
    show: (shown) => (shown.path.length > 0 ? oneMachine(shown) : machines(shown)),
  },
  rollouts: {
    title: "Rollouts",
    filters: [["status", "Status", ["pending", "running", "paused", "reverting", "done", "failed", "cancelled"]]],
    show: (shown) => (shown.path.length > 0 ? oneRollout(shown) : rollouts(shown)),
  },
  releases: {
    title: "Releases",
    filters: [],
    show: (shown) => (shown.path.length > 0 ? oneRelease(shown) : releases(shown)),
  },
  audit: {
    title: "Audit",
    filters: [
      ["who", "Who", []],
      ["action", "Action", []],
      ["subject", "Subject", []],
    ],
    show: audit,
  },
};

async function fleet() {
  const { machines: counts, rollouts: statuses } = await ask("GET", "/fleet");
  const { items } = await list("/rollouts", { limit: "10" }, 1);
  return h(
    "div",
    {},
    h("h3", {}, "Machines"),
    table(
      ["Lifecycle", "Says", "How many"],
      counts.map((/** @type {any} */ { lifecycle, outcome, count }) => [
        lifecycle,
        outcome === "none" ? h("span", { class: "quiet" }, "nothing yet") : stateWord(outcome),
        h(
          "a",
          { href: `#machines?${new URLSearchParams({ lifecycle, outcome: outcome === "none" ? "" : outcome })}` },
          count,
        ),
      ]),
      "No machine is known. Add one: nixfleet machines add NAME",
    ),
    h("h3", {}, "Newest rollouts"),
    rolloutTable(items),
    h("p", { class: "quiet" }, statuses.map((/** @type {any} */ { status, count }) => `${count} ${status}`).join(", ")),
  );
}

/** @param {Shown} shown */
async function machines(shown) {
  const { items, more } = await list("/machines", shown.filter, shown.pages);
  shown.more = more;
  return table(
    ["Machine", "Lifecycle", "Tags", "Runs", "Should run", "Says", "Last seen"],
    items.map((one) => [
      machine(one.name),
      one.lifecycle,
      one.tags.join(" "),
      closure(one.running),
      one.target.kind === "keep" ? "the same" : closure(one.target.closure),
      said(one.outcome),
      time(one.seen),
    ]),
    "No machine is like that.",
  );
}

/** @param {any} outcome */
function said(outcome) {
  if (outcome === null) return h("span", { class: "quiet" }, "nothing yet");
  const more = outcome.why ?? outcome.doing;
  return [stateWord(outcome.kind), ...(more === undefined ? [] : [`: ${more}`])];
}

/** @param {Shown} shown */
async function oneMachine({ path: [name = ""], act, mayDeploy }) {
  const at = `/machines/${encodeURIComponent(name)}`;
  const one = await ask("GET", at);
  const { items: events } = await list(`${at}/events`, { limit: "50" }, 1);
  return h(
    "div",
    {},
    h("h3", {}, name),
    facts([
      ["Lifecycle", one.lifecycle],
      ["Tags", one.tags.join(" ") || "none"],
      ["Declared by the host", one.declaredTags.join(" ") || "none"],
      ["Runs", [closure(one.running), " of release ", release(one.release)]],
      ["Proved by a boot", one.report === null ? "unknown" : one.report.running.proved ? "yes" : "not yet"],
      ["Should run", one.target.kind === "keep" ? "the same" : closure(one.target.closure)],
      ["Says", said(one.outcome)],
      ["Last seen", time(one.seen)],
      ["Rollout", one.rollout === null ? "none" : h("a", { href: `#rollouts/${one.rollout}` }, one.rollout)],
      [
        "Undeclared",
        !one.report?.drift
          ? "not counted"
          : `${one.report.drift.undeclared} paths on the root, ${one.report.drift.stray} under persist roots`,
      ],
    ]),
    h("h3", {}, "Checks"),
    table(
      ["Check", "State", "Says"],
      (one.report?.checks ?? []).map((/** @type {any} */ check) => [
        check.name,
        stateWord(check.passes ? "healthy" : "failed"),
        check.says,
      ]),
      "Its agent reports no check.",
    ),
    h("h3", {}, "Releases that it rejected"),
    table(
      ["Release", "Why", "When", ""],
      one.rejections.map((/** @type {any} */ rejection) => [
        release(rejection.release),
        rejection.why,
        time(rejection.at),
        mayDeploy
          ? button("Let it try again", () =>
              act("DELETE", `${at}/rejections/${rejection.release}`, `Let ${name} try this release again?`),
            )
          : "",
      ]),
      "None.",
    ),
    h("h3", {}, "Events"),
    table(
      ["When", "What", "Detail"],
      events.map((event) => [time(event.at), event.kind, h("pre", {}, JSON.stringify(event.detail))]),
      "None.",
    ),
  );
}

/** @param {Shown} shown */
async function rollouts(shown) {
  const { items, more } = await list("/rollouts", shown.filter, shown.pages);
  shown.more = more;
  return rolloutTable(items);
}

/** @param {readonly any[]} items */
function rolloutTable(items) {
  return table(
    ["Rollout", "Release", "Status", "Wave", "Machines", "Began"],
    items.map((one) => [
      h("a", { href: `#rollouts/${one.id}` }, h("code", {}, one.id.slice(0, 8))),
      release(one.release),
      stateWord(one.status),
      `${one.wave} of ${one.waves.length}`,
      progress(one.machines),
      [time(one.created), ` by ${one.createdBy}`],
    ]),
    "No rollout yet. Start one: nixfleet rollout start RELEASE",
  );
}

/** How many machines are in which state, as a bar and in words. @param {Readonly<Record<string, number>>} machines */
function progress(machines) {
  const states = Object.entries(machines);
  const all = states.reduce((sum, [, count]) => sum + count, 0);
  const parts = states.map(([state, count]) => {
    const part = h("span", { class: toneOf(state) });
    part.style.width = `${(100 * count) / all}%`;
    return part;
  });
  const words = states.map(([state, count]) => `${count} ${state}`).join(", ");
  return [h("div", { class: "bar", "aria-hidden": "true" }, ...parts), words];
}

/** @type {Readonly<Record<string, string>>} */
const QUESTIONS = {
  pause: "Pause this rollout? No other machine begins.",
  resume: "Resume this rollout? It forgives the failures so far.",
  cancel: "Cancel this rollout? What has changed stays.",
  revert: "Bring each machine that this rollout changed back to what it ran before?",
};

/** @param {Shown} shown */
async function oneRollout(shown) {
  const [id = ""] = shown.path;
  const at = `/rollouts/${encodeURIComponent(id)}`;
  const one = await ask("GET", at);
  const { items, more } = await list(`${at}/machines`, {}, shown.pages);
  shown.more = more;
  /** @type {readonly string[]} */
  const commands = shown.mayDeploy ? one.commands : [];
  return h(
    "div",
    {},
    h("h3", {}, `Rollout ${id}`),
    facts([
      ["Release", release(one.release)],
      ["Status", [stateWord(one.status), ...(one.why === "" ? [] : [`: ${one.why}`])]],
      ["Waves", `${one.waves.join(", ")}; wave ${one.wave} is on`],
      ["Machines", progress(one.machines)],
      ["Began", [time(one.created), ` by ${one.createdBy}`]],
    ]),
    h(
      "div",
      { class: "actions" },
      ...commands.map((command) =>
        button(command, () => shown.act("POST", `${at}/${command}`, QUESTIONS[command] ?? command)),
      ),
    ),
    table(
      ["Machine", "State", "Why", "Closure"],
      items.map((member) => [
        machine(member.machine),
        stateWord(member.state),
        member.why ?? "",
        closure(member.closure),
      ]),
      "It has no machines.",
    ),
  );
}

/** @param {Shown} shown */
async function releases(shown) {
  const { items, more } = await list("/releases", {}, shown.pages);
  shown.more = more;
  return table(
    ["Release", "Number", "Commit", "Note", "Hosts", "Made"],
    items.map((one) => [
      release(one.id),
      one.sequence,
      h("code", {}, one.commit?.slice(0, 12) ?? ""),
      one.note,
      one.hosts,
      time(one.created),
    ]),
    "No release yet.",
  );
}

/** @param {Shown} shown */
async function oneRelease({ path: [id = ""] }) {
  const one = await ask("GET", `/releases/${encodeURIComponent(id)}`);
  return h(
    "div",
    {},
    h("h3", {}, `Release ${one.sequence}`),
    facts([
      ["Id", h("code", {}, one.id)],
      ["Commit", one.commit ?? "none"],
      ["Note", one.note || "none"],
      ["Made", time(one.created)],
    ]),
    table(
      ["Host", "Closure"],
      Object.entries(one.hosts).map(([name, path]) => [machine(name), h("code", {}, path)]),
      "It has no hosts.",
    ),
  );
}

/** @param {Shown} shown */
async function audit(shown) {
  const { items, more } = await list("/audit", shown.filter, shown.pages);
  shown.more = more;
  return table(
    ["When", "Who", "Action", "Subject", "Before", "After"],
    items.map((entry) => [
      time(entry.at),
      entry.who,
      entry.action,
      entry.subject,
      h("pre", {}, entry.before === null ? "" : JSON.stringify(entry.before)),
      h("pre", {}, entry.after === null ? "" : JSON.stringify(entry.after)),
    ]),
    "Nothing is like that.",
  );
}

/** @param {string} text @param {() => void} click */
function button(text, click) {
  return h("button", { type: "button", click }, text);
}
