/** `nixfleet machines`: the hosts that the control plane knows. */
import { z } from "zod";
import { ask, type Login, readLogin } from "../control/client.ts";
import { UserError } from "../errors.ts";
import { print, printJson, table } from "./output.ts";
import { everything, understood } from "./pages.ts";

interface Options {
  readonly tag?: readonly string[];
  readonly json?: boolean;
}

const machine = z.looseObject({
  name: z.string(),
  lifecycle: z.string(),
  tags: z.array(z.string()),
  running: z.string().nullable(),
  target: z.looseObject({ kind: z.string(), closure: z.string().optional() }),
  outcome: z.looseObject({ kind: z.string(), why: z.string().optional() }).nullable(),
  drift: z.looseObject({ undeclared: z.number(), stray: z.number() }).nullable(),
  seen: z.string().nullable(),
});

const ACTIONS: Readonly<
  Record<string, (login: Login, name: string, values: readonly string[], options: Options) => Promise<unknown>>
> = {
  show: (login, name) => ask(login, "GET", at(name)),
  events: (login, name) => everything(login, `${at(name)}/events`, z.looseObject({})),
  add: (login, name, _, { tag }) => ask(login, "POST", "/machines", { body: { name, tags: tag ?? [] } }),
  tag: (login, name, tags) => ask(login, "PUT", `${at(name)}/tags`, { body: { tags } }),
  lifecycle: (login, name, [lifecycle]) => ask(login, "PUT", `${at(name)}/lifecycle`, { body: { lifecycle } }),
  enrol: (login, name) => ask(login, "POST", `${at(name)}/token`),
  revoke: (login, name) => ask(login, "POST", `${at(name)}/revoke`),
  clear: (login, name, [release = ""]) => ask(login, "DELETE", `${at(name)}/rejections/${encodeURIComponent(release)}`),
  forget: (login, name) => ask(login, "DELETE", at(name)),
};

export async function machines(
  action: string,
  name: string | undefined,
  values: readonly string[],
  options: Options,
): Promise<void> {
  const act = ACTIONS[action];
  if (action !== "list" && act === undefined) {
    throw new UserError(`machines cannot ${action}`, [`wanted list, ${Object.keys(ACTIONS).join(", ")}`]);
  }
  const login = await readLogin();
  if (act === undefined) return await list(login, options);
  if (name === undefined) throw new UserError("which machine?", [`nixfleet machines ${action} NAME`]);
  const answer = await act(login, name, values, options);
  if (options.json) return printJson(answer === "" ? {} : answer);
  if (action === "enrol") {
    const { token, expires } = understood(z.looseObject({ token: z.string(), expires: z.string() }), answer);
    return print(`${token}\nenrols ${name} once, until ${expires}; it is not shown again`);
  }
  print(answer === "" ? `${name}: done` : JSON.stringify(answer, null, 2));
}

async function list(login: Login, { tag, json }: Options): Promise<void> {
  if ((tag?.length ?? 0) > 1) throw new UserError("a list is of one tag", ["give --tag once"]);
  const found = await everything(login, "/machines", machine, { tag: tag?.[0] });
  if (json) return printJson(found);
  print(
    table(
      ["machine", "lifecycle", "tags", "runs", "should run", "says", "drift", "last seen"],
      found.map(({ name, lifecycle, tags, running, target, outcome, drift, seen }) => [
        name,
        lifecycle,
        tags.join(" "),
        short(running),
        target.kind === "keep" ? "" : short(target.closure ?? null),
        [outcome?.kind ?? "", outcome?.why ?? ""].filter((part) => part !== "").join(": "),
        drift === null ? "" : `${drift.undeclared}, ${drift.stray} stray`,
        seen ?? "never",
      ]),
    ),
  );
}

/** As much of a store path as tells it from others. */
function short(closure: string | null): string {
  return closure === null ? "" : closure.replace(/^\/nix\/store\/(.{8}).*$/, "$1");
}

function at(name: string): string {
  return `/machines/${encodeURIComponent(name)}`;
}
