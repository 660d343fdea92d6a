/**
 * A connection between a builder and a host, both on this machine: what goes over it is counted, and comes as late as over a
 * long line. `tc netem` would do the same, but not every kernel has it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer as createWebServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Line extends AsyncDisposable {
  readonly port: number;
  /** What went over it, in both directions, in bytes. */
  carried(): number;
}

/** What may be on its way, in bytes. */
const AT_ONCE = 16 << 20;

/** @param delay in each direction, in milliseconds */
export async function line(port: number, delay: number): Promise<Line> {
  let carried = 0;
  const carry = (from: Socket, to: Socket) => {
    let written = Promise.resolve();
    let open = 0;
    from.on("error", () => to.destroy());
    from.on("data", (chunk) => {
      carried += chunk.length;
      open += chunk.length;
      if (open > AT_ONCE) from.pause();
      const arrives = late(delay);
      written = written.then(async () => {
        await arrives;
        if (!to.destroyed && !to.write(chunk)) await once(to, "drain").catch(() => {});
        open -= chunk.length;
        from.resume();
      });
    });
    from.on("end", async () => {
      await late(delay);
      await written;
      to.end();
    });
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, async (near) => {
    near.on("error", () => {});
    await late(2 * delay); // what a connection takes to come about
    const far = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    carry(near, far);
    carry(far, near);
    near.resume();
  });
  return {
    port: await listening(server),
    carried: () => carried,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** Timers of one length come in their order; without a delay, nothing waits. */
async function late(delay: number): Promise<void> {
  if (delay > 0) await sleep(delay);
}

export interface Served extends AsyncDisposable {
  readonly port: number;
}

/** A host that runs any command line, as sshd does but without its cryptography: remote-shell.pl is its ssh. */
export async function shellServer(): Promise<Served> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\n");
      const start = end + 1 + Number(head.subarray(0, end).toString());
      if (end < 0 || head.length < start) return;
      socket.off("data", onData);
      const child = spawn("sh", ["-c", head.subarray(end + 1, start).toString()], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      child.stdin.on("error", () => {});
      child.stdin.write(head.subarray(start));
      socket.pipe(child.stdin);
      child.stdout.pipe(socket);
    };
    socket.on("data", onData);
  });
  const port = await listening(server);
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

/** A folder's files, and nothing else. */
export async function webServer(folder: string): Promise<Served> {
  const server = createWebServer(async (request, response) => {
    const file = join(folder, decodeURIComponent(request.url ?? "/"));
    const found = await stat(file).catch(() => null);
    if (found === null || !found.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": found.size });
    createReadStream(file).pipe(response);
  });
  const port = await listening(server);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
