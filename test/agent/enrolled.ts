/** A host that a real control plane knows, and servers that stand in for that control plane. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { authorityOf } from "../../src/control/state-folder.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { Plane } from "../control/plane.ts";
import { AgentHost, MACHINE } from "./host.ts";

/** @param size of the disk that the host has for itself; null: this machine's */
export async function enrolled(size: string | null = null) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  if (size !== null) {
    await run("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", folder.path]);
    stack.defer(async () => void (await run("umount", [folder.path])));
  }
  const plane = stack.use(await Plane.start());
  const host = new AgentHost(folder.path, plane.plane.port, plane.plane.authority);
  await plane.admin("POST", "/machines", { name: MACHINE });
  const token = async () => String((await plane.admin("POST", `/machines/${MACHINE}/token`)).token);
  await host.enrol(await token());
  const machine = () => plane.admin("GET", `/machines/${MACHINE}`);
  return { folder, plane, host, token, machine, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** From here on the host asks this one in the control plane's place, with a certificate as of `now`. */
export async function standIn(
  plane: Plane,
  host: AgentHost,
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  now = Date.now(),
): Promise<AsyncDisposable> {
  const authority = await authorityOf(plane.folder.path, Date.now());
  const { certificate, key } = await authority.serverCertificate(["localhost"], now);
  const server = createServer({ cert: certificate, key }, (request, response) => answer(response, request)).listen(0);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  host.declare({ controlPlane: `https://localhost:${port}` });
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
