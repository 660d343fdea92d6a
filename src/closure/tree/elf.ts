/** An ELF program without what only debuggers and linkers read: elf(5). */

/** What a program header says of a part that is loaded. */
const PT_LOAD = 1;

/**
 * The program up to the end of what the kernel loads. Symbols and debug information come after that, and the table of
 * sections, which a running program does not have: the header says so.
 * @throws Error for what is not a 64-bit little-endian ELF file
 */
export function loadedPart(program: Uint8Array): Uint8Array {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  if (view.byteLength < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint8(4) !== 2 || view.getUint8(5) !== 1) {
    throw new Error("not a 64-bit little-endian ELF file");
  }
  const [first, size, count] = [
    Number(view.getBigUint64(32, true)),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  let end = first + size * count;
  for (let index = 0; index < count; index++) {
    const at = first + size * index;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    end = Math.max(end, Number(view.getBigUint64(at + 8, true)) + Number(view.getBigUint64(at + 32, true)));
  }
  const part = program.slice(0, end);
  const header = new DataView(part.buffer, part.byteOffset, part.byteLength);
  header.setBigUint64(40, 0n, true); // where the sections are
  for (const field of [58, 60, 62]) header.setUint16(field, 0, true); // how large each is, how many, which has their names
  return part;
}
