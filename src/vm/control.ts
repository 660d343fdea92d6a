/** QEMU's machine protocol: one question at a time. */
import { createConnection } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** Waits until QEMU has made the whole machine: it greets before that, but answers only then. */
export async function answersOnControl(socket: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const greeted = await control(socket, ["qmp_capabilities", "query-status"]).then(
      () => true,
      () => false,
    );
    if (greeted) return;
    await sleep(20);
  }
}

export async function pressPowerButton(socket: string): Promise<void> {
  await control(socket, ["qmp_capabilities", "system_powerdown"]);
}

/** Sends each command when the one before is answered; QEMU greets first. */
async function control(socket: string, commands: readonly string[]): Promise<void> {
  const connection = createConnection(socket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connection.on("error", reject);
  connection.on("close", () => reject(new Error("QEMU closed its control socket")));
  const left = [...commands];
  const answers = createInterface({ input: connection });
  answers.on("error", reject); // it repeats the connection's
  answers.on("line", (line) => {
    const answer = JSON.parse(line) as { readonly event?: string; readonly error?: { readonly desc: string } };
    if (answer.error !== undefined) reject(new Error(`QEMU: ${answer.error.desc}`));
    if (answer.event !== undefined) return; // these come at any time
    const next = left.shift();
    if (next === undefined) resolve();
    else connection.write(`${JSON.stringify({ execute: next })}\n`);
  });
  try {
    await promise;
  } finally {
    connection.destroy();
  }
}
