/** The lines of a guest's serial console, as they come. */
const ESCAPE = "\u001b";

export interface ConsoleLog {
  /** Complete lines, without colours and other control sequences. */
  readonly lines: readonly string[];
  /** Text as it arrives, in any pieces. */
  readonly add: (text: string) => void;
  /** No text will come any more. */
  readonly end: () => void;
  /**
   * The first line, past or future, that matches; a prompt counts too, which is a line that is not complete.
   * `null` when the console ended, or `signal` aborted, before.
   */
  readonly find: (pattern: RegExp, signal: AbortSignal) => Promise<RegExpExecArray | null>;
}

export function consoleLog(onLine: (line: string) => void = () => {}): ConsoleLog {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let open = "";
  let ended = false;
  const wake = () => {
    for (const look of [...waiting]) look();
  };
  return {
    lines,
    add(text) {
      const pieces = (open + text).split("\n");
      open = pieces.pop() ?? "";
      for (const piece of pieces) {
        const line = plainText(piece);
        lines.push(line);
        onLine(line);
      }
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    find(pattern, signal) {
      const { promise, resolve } = Promise.withResolvers<RegExpExecArray | null>();
      let seen = 0;
      const look = () => {
        const fresh = [...lines.slice(seen), plainText(open)];
        seen = lines.length;
        const match = fresh
          .map((line) => new RegExp(pattern, pattern.flags.replace(/[gy]/g, "")).exec(line))
          .find((it) => it !== null);
        if (match !== undefined || ended || signal.aborted) resolve(match ?? null);
      };
      waiting.add(look);
      signal.addEventListener("abort", look);
      look();
      return promise.finally(() => {
        waiting.delete(look);
        signal.removeEventListener("abort", look);
      });
    },
  };
}

/** Control sequences as in ECMA-48, 5.4, and the short ones of one letter. */
const CONTROL_SEQUENCE = new RegExp(`${ESCAPE}(\\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])|\\r`, "g");

function plainText(line: string): string {
  return line.replace(CONTROL_SEQUENCE, "");
}
