/** Asks the control plane with the key of whoever looks at this page. The key is in this tab alone, and goes when it is closed. */

const KEPT = "nixfleet-key";

export const key = {
  get: () => sessionStorage.getItem(KEPT),
  /** @param {string} text */
  set: (text) => sessionStorage.setItem(KEPT, text),
  forget: () => sessionStorage.removeItem(KEPT),
};

export class Refused extends Error {
  /** @param {number} status of HTTP @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/**
 * @param {"GET" | "POST" | "PUT" | "DELETE"} method
 * @param {string} path below /api/v1
 * @returns {Promise<any>} what the API answers, as docs/api.md has it
 * @throws {Refused} with the reason that it gives
 */
export async function ask(method, path) {
  const answered = await fetch(`/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${key.get() ?? ""}` },
    cache: "no-store",
    credentials: "omit",
  }).catch(() => {
    throw new Refused(0, "The control plane does not answer. This page tries again every few seconds.");
  });
  const body = answered.status === 204 ? null : await answered.json();
  if (!answered.ok) throw new Refused(answered.status, [body.detail, ...(body.errors ?? [])].join("; "));
  return body;
}

/**
 * The first pages of a list.
 * @param {string} path
 * @param {Readonly<Record<string, string>>} query empty values are left out
 * @param {number} pages how many
 */
export async function list(path, query, pages) {
  const items = [];
  let next = null;
  for (let page = 0; page < pages && (page === 0 || next !== null); page++) {
    const given = Object.entries({ ...query, cursor: next ?? "" }).filter(([, value]) => value !== "");
    const answer = await ask("GET", `${path}?${new URLSearchParams(given)}`);
    items.push(...answer.items);
    next = answer.next;
  }
  return { items, more: next !== null };
}
