/** The file of the state, on the persist root: there as it was or as it is now, whenever the power is cut. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { writeDurably } from "../local/durable-file.ts";
import { readIfThere } from "../local/read-if-there.ts";
import { type AgentState, stateIn, stateText } from "./state.ts";

const FILE = "state";

/** Nothing is applied then: what was rejected here, and what is too old, nobody knows any more. */
export class MemoryLost extends UserError {}

/** @throws MemoryLost */
export async function readState(folder: string): Promise<AgentState> {
  const file = join(folder, FILE);
  const text = await readIfThere(file);
  const enrol = "enrol this host again, with a new token: nixfleet agent enrol URL --authority FILE";
  if (text === null) {
    throw new MemoryLost(`${file} is missing, so nothing is applied here`, [
      `this host was never enrolled, or what it has to remember was lost: ${enrol}`,
    ]);
  }
  const state = stateIn(text);
  if (state === null) {
    throw new MemoryLost(`${file} is damaged, so nothing is applied here`, [
      `what was rejected here, and which releases are too old, is not known any more: ${enrol}`,
    ]);
  }
  return state;
}

/** @throws UserError where it cannot be written: no change begins then, and none ends */
export async function writeState(folder: string, state: AgentState): Promise<void> {
  const file = join(folder, FILE);
  try {
    await writeDurably(file, stateText(state), 0o600);
  } catch (error) {
    throw new UserError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, [
      "what a change does is written down first, so none begins until it can be: make room there (nixfleet roots says what takes it)",
    ]);
  }
}

/** For whoever enrols the host again: what is damaged is kept beside it. @returns the state, if there is a good one */
export async function stateBefore(folder: string): Promise<AgentState | null> {
  const file = join(folder, FILE);
  const text = await readIfThere(file);
  const state = text === null ? null : stateIn(text);
  if (text !== null && state === null) await rename(file, `${file}.damaged`);
  return state;
}
