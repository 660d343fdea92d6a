/**
 * The smallest file that QEMU starts as a Linux kernel (Documentation/arch/x86/boot.rst): real-mode code that writes a
 * text to the serial port and then either waits for ever or resets the machine. It makes tests of machines fast.
 */
export function tinyKernel(text: string, then: "wait" | "reset"): Buffer {
  const image = Buffer.alloc(2 * SECTOR + SECTOR);
  image[0x1f1] = 1; // sectors of real-mode code after the first
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.writeUInt16LE(0x6eeb, SECTOR); // the entry point: jump over the header
  image.write("HdrS", 0x202);
  image.writeUInt16LE(0x0206, 0x206); // version of the boot protocol
  image[0x211] = 1; // the rest is loaded high
  image.writeUInt32LE(0x7fffffff, 0x22c); // where an initrd may lie
  image.writeUInt32LE(2047, 0x238); // length of the command line
  const code = [
    ...[0xfa, 0xba, 0xf8, 0x03], // cli; mov dx, 0x3f8
    ...[...Buffer.from(text)].flatMap((byte) => [0xb0, byte, 0xee]), // mov al, byte; out dx, al
    ...(then === "reset" ? [0xb0, 0xfe, 0xe6, 0x64] : []), // mov al, 0xfe; out 0x64, al
    ...[0xf4, 0xeb, 0xfd], // hlt, again and again
  ];
  image.set(code, SECTOR + 0x70);
  return image;
}

const SECTOR = 512;
