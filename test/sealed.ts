/** Objects of a few bytes that are what their names say, as a build makes them. */
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { sealObject } from "../src/closure/store/digest.ts";

/** 2026, and before any test. */
const DATE = 1_767_225_600;

/** Gives the folder, which is called by what is to follow the digest, its name in a store. @returns the name */
export async function sealed(folder: string): Promise<string> {
  const name = `${await sealObject(folder, DATE, DATE)}-${basename(folder)}`;
  const target = join(dirname(folder), name);
  await rm(target, { recursive: true, force: true }); // one that is the same
  await rename(folder, target);
  return name;
}
