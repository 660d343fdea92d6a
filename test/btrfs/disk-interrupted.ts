/** A program for the test: makes the image `argv[2]` and gets the signal `argv[4]` in its command number `argv[3]`. */
import { makeImages } from "../../src/disk/image.ts";
import { GIB } from "../../src/layout/size.ts";
import { interruption, unwindOnInterrupt } from "../../src/local/interruption.ts";
import { run } from "../../src/local/process.ts";
import { layout } from "../unit/disk-layout.ts";

const [file = "", stopAt = "", signal = ""] = process.argv.slice(2);
let left = Number(stopAt);

unwindOnInterrupt();
try {
  await makeImages([{ layout, file, size: GIB }], async () => void (await run("sleep", ["0.1"])), {
    onCommand: () => {
      left -= 1;
      // The signal arrives a little later, so that it finds the command running.
      if (left === 0) setTimeout(() => process.kill(process.pid, signal), Math.random() * 20);
    },
  });
} catch (error) {
  if (error !== interruption.reason) throw error;
  process.exitCode = 130;
}
