/**
 * What was written to a disk, in order, and the states in which a power cut may have left it.
 * The format is that of dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst), as QEMU's `blklogwrites`
 * writes it: a superblock, then for each request a header of one sector and its data.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Random } from "./random.ts";

/** A request to the disk. A write is of whole blocks; a flush makes all before it last. */
export type Request =
  | { readonly kind: "write"; readonly block: number; readonly data: Buffer }
  | { readonly kind: "discard"; readonly block: number; readonly blocks: number }
  | { readonly kind: "flush" };

/** Numbers of 4 KiB blocks, and what they hold; what is not in it is zero. */
export type Blocks = Map<number, Buffer>;

/** A disk writes so much whole or not at all; every write of btrfs is a multiple of it. */
const BLOCK = 4096;
const MAGIC = 0x6a736677736872n;
const FLUSH = 1n;
const FUA = 2n;
const DISCARD = 4n;

/** @throws Error when the file is no such log, or has requests of another size than btrfs makes */
export function readWriteLog(file: string): Request[] {
  const log = openSync(file, "r");
  try {
    const head = bytes(log, 0, 512);
    if (head.every((byte) => byte === 0)) return []; // it is begun with the first request
    if (head.readBigUInt64LE(0) !== MAGIC) throw new Error(`${file} is not a log of writes`);
    const count = Number(head.readBigUInt64LE(16));
    const sector = head.readUInt32LE(24);
    const requests: Request[] = [];
    let position = sector;
    for (let index = 0; index < count; index++) {
      const entry = bytes(log, position, 32);
      const flags = entry.readBigUInt64LE(16);
      const length = Number(entry.readBigUInt64LE(8)) * sector;
      if (entry.every((byte) => byte === 0)) break; // not written when the recording ended
      const offset = Number(entry.readBigUInt64LE(0)) * sector;
      if (flags & FUA) throw new Error("a write that lasts by itself (FUA), which a loop device never makes");
      if (offset % BLOCK !== 0 || length % BLOCK !== 0) throw new Error(`a request of ${length} bytes at ${offset}`);
      position += sector;
      if (flags & DISCARD) requests.push({ kind: "discard", block: offset / BLOCK, blocks: length / BLOCK });
      else if (length > 0) {
        requests.push({ kind: "write", block: offset / BLOCK, data: bytes(log, position, length) });
        position += length;
      }
      if (flags & FLUSH) requests.push({ kind: "flush" });
    }
    return requests;
  } finally {
    closeSync(log);
  }
}

/** The blocks of an image that are not zero. */
export function readBlocks(image: string): Blocks {
  const file = openSync(image, "r");
  try {
    const blocks: Blocks = new Map();
    const { size } = fstatSync(file);
    const stride = 2 ** 20;
    const zero = Buffer.alloc(BLOCK);
    for (let offset = 0; offset < size; offset += stride) {
      const part = bytes(file, offset, Math.min(stride, size - offset));
      for (let at = 0; at < part.length; at += BLOCK) {
        const block = part.subarray(at, at + BLOCK);
        if (!block.equals(zero)) blocks.set((offset + at) / BLOCK, Buffer.from(block));
      }
    }
    return blocks;
  } finally {
    closeSync(file);
  }
}

/** How much of what was not flushed a power cut leaves: all, as if it had been flushed; none; any of its blocks. */
export type Leaves = "all" | "none" | "some";

/**
 * The disk when the power is cut after the first `count` requests: all that was flushed, and of the rest what `leaves`
 * says, whatever the order in which it was written.
 */
export function afterPowerCut(
  base: Blocks,
  requests: readonly Request[],
  count: number,
  leaves: Leaves,
  random: Random,
) {
  const disk: Blocks = new Map(base);
  const done = requests.slice(0, count);
  const flushed = leaves === "all" ? count : done.findLastIndex(({ kind }) => kind === "flush") + 1;
  const share = [0.05, 0.5, 0.95][random.below(3)] ?? 0.5;
  done.forEach((request, index) => {
    const lasts = () => index < flushed || (leaves === "some" && random.chance(share));
    if (request.kind === "write") {
      for (let at = 0; at < request.data.length; at += BLOCK) {
        if (lasts()) disk.set(request.block + at / BLOCK, request.data.subarray(at, at + BLOCK));
      }
    } else if (request.kind === "discard" && lasts()) {
      if (request.blocks < disk.size) for (let at = 0; at < request.blocks; at++) disk.delete(request.block + at);
      else
        for (const block of disk.keys()) {
          if (block >= request.block && block < request.block + request.blocks) disk.delete(block);
        }
    }
  });
  return disk;
}

/** Makes an image of `size` bytes. */
export function writeBlocks(disk: Blocks, image: string, size: number): void {
  const file = openSync(image, "w");
  try {
    ftruncateSync(file, size);
    for (const [block, data] of disk) writeSync(file, data, 0, BLOCK, block * BLOCK);
  } finally {
    closeSync(file);
  }
}

function bytes(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  if (readSync(file, buffer, 0, length, position) !== length) throw new Error("the file ends too early");
  return buffer;
}
