/**
 * After an outage thousands of agents come at once. Each that is let in takes memory for its handshake and its request, so they come in a
 * few at a time and in their order, and whoever waits costs a socket. Nobody holds the line up: who is slow no longer counts.
 */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** How many are being let in at a time. */
const MOST = 100;
/** After how long somebody no longer counts, in milliseconds. */
const PATIENCE = 1_000;

export interface Door {
  /** Nobody comes in any more, and whoever is there goes. */
  shut(): void;
}

export function putDoorBefore(server: Server): Door {
  const listeners = server.listeners("connection");
  const inside = new Map<string, NodeJS.Timeout>();
  const everybody = new Set<Socket>();
  const line: Socket[] = [];
  const next = () => {
    while (inside.size < MOST) {
      const socket = line.shift();
      if (socket === undefined) return;
      if (!socket.destroyed) letIn(socket);
    }
  };
  const isThrough = (name: string) => {
    clearTimeout(inside.get(name));
    if (inside.delete(name)) next();
  };
  const letIn = (socket: Socket) => {
    const name = nameOf(socket);
    const through = () => isThrough(name);
    inside.set(name, setTimeout(through, PATIENCE).unref());
    socket.once("close", through);
    for (const listener of listeners) listener.call(server, socket);
  };
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    everybody.add(socket);
    socket.once("close", () => everybody.delete(socket));
    socket.on("error", () => {}); // it went away while it waited
    line.push(socket);
    next();
  });
  server.on("request", ({ socket }, answer: ServerResponse) => {
    const name = nameOf(socket); // which a socket that is closed has no more
    answer.once("close", () => isThrough(name));
  });
  return {
    shut: () => {
      line.length = 0;
      for (const socket of everybody) socket.destroy();
    },
  };
}

/** The same of a connection and of the TLS within it. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
