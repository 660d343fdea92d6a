/** A cpio archive in the format that the kernel unpacks as an initrd ("newc", Documentation/driver-api/early-userspace/buffer-format.rst). */
import { posix } from "node:path";
import type { MadeFilePlan } from "../../plan/file-plan.ts";

/**
 * The archive of these files, and of the folders above them, all owned by root, byte for byte the same for the same
 * files. Its length is a multiple of 4: the kernel wants each archive of several to start at one.
 * @param date of every entry, in seconds
 */
export function cpioArchive(files: readonly MadeFilePlan[], date: number): Buffer {
  const folders = new Set(files.flatMap((file) => parents(file.path)));
  const members = [
    ...[...folders].map((path) => ({ path, mode: 0o040755, data: Buffer.alloc(0) })),
    ...files.map((file) =>
      file.kind === "text"
        ? { path: file.path, mode: 0o100000 | Number.parseInt(file.mode, 8), data: Buffer.from(file.text) }
        : { path: file.path, mode: 0o120777, data: Buffer.from(file.target) },
    ),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  return Buffer.concat([
    ...members.map((member, index) => record(member.path.slice(1), member.mode, member.data, index + 1, date)),
    record("TRAILER!!!", 0, Buffer.alloc(0), 0, 0),
  ]);
}

/** `/etc/systemd/x` → `/etc`, `/etc/systemd` */
function parents(path: string): string[] {
  const parent = posix.dirname(path);
  return parent === "/" ? [] : [...parents(parent), parent];
}

function record(name: string, mode: number, data: Buffer, inode: number, date: number): Buffer {
  const bytes = Buffer.from(`${name}\0`);
  const links = (mode & 0o170000) === 0o040000 ? 2 : 1;
  const fields = [inode, mode, 0, 0, links, date, data.length, 0, 0, 0, 0, bytes.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return Buffer.concat([padded(Buffer.concat([header, bytes])), padded(data)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
