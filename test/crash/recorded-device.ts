/** A disk that records what is written to it, and when it is flushed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { type Request, readWriteLog } from "./write-log.ts";

const LOG_SIZE = 8 * 2 ** 30;

/**
 * Lets `use` work on the image, through a file that QEMU's storage daemon serves (FUSE), and returns every request that
 * reached it, as the daemon recorded it (blklogwrites). A loop device on that file is like a real disk: when it is
 * flushed, the file is (fsync), and that is recorded.
 * @param parent where the log goes, best in memory
 */
export async function recorded(
  image: string,
  parent: string,
  use: (disk: RecordedDisk) => Promise<void>,
): Promise<Request[]> {
  await using folder = await temporaryFolder(parent);
  const log = join(folder.path, "log");
  closeSync(openSync(log, "w"));
  truncateSync(log, LOG_SIZE); // sparse
  {
    await using disk = await storageDaemon(image, log, join(folder.path, "disk"));
    await use(disk);
  }
  return readWriteLog(log);
}

export interface RecordedDisk {
  /** The image, seen through the recording. */
  readonly file: string;
  /** From now on nothing reaches the disk. Without it, the end of who has the file open would flush it (FUSE_FLUSH). */
  readonly cutPower: () => Promise<void>;
  /** How many requests have reached it. */
  readonly requests: () => number;
}

interface StorageDaemon extends RecordedDisk, AsyncDisposable {}

async function storageDaemon(image: string, log: string, file: string): Promise<StorageDaemon> {
  closeSync(openSync(file, "w"));
  const { size } = statSync(image);
  const blockdev = (options: Readonly<Record<string, string | number>>) => ["--blockdev", JSON.stringify(options)];
  // However this process ends, the daemon ends with it.
  const child = spawn(
    "setpriv",
    [
      ...["--pdeathsig", "TERM", "--", "qemu-storage-daemon"],
      ...blockdev({ driver: "file", "node-name": "image", filename: image }),
      ...blockdev({ driver: "file", "node-name": "log", filename: log }),
      // The log's superblock says how many requests there are: also those after the last flush.
      ...blockdev({
        driver: "blklogwrites",
        "node-name": "recorded",
        file: "image",
        log: "log",
        "log-super-update-interval": 1,
      }),
      ...["--export", `type=fuse,id=disk,node-name=recorded,mountpoint=${file},writable=on`],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const closed = once(child, "close");
  const endBy = async (signal: "SIGTERM" | "SIGKILL") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
  };
  const end = async () => {
    await endBy("SIGTERM");
    if (readFileSync("/proc/self/mountinfo", "utf8").includes(` ${file} `)) await run("umount", ["--lazy", file]);
  };
  for (const until = Date.now() + 10_000; statSync(file).size !== size; await sleep(5)) {
    if (child.exitCode === null && Date.now() < until) continue;
    await end();
    throw new Error(`qemu-storage-daemon does not serve ${image}: ${stderr}`);
  }
  return {
    file,
    cutPower: () => endBy("SIGKILL"),
    requests: () => readWriteLog(log).length,
    [Symbol.asyncDispose]: end,
  };
}
