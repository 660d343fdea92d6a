/** The end of a test run: which files took longest, then `N passed, N failed, N skipped` as the last line. */
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";

/** A file that takes longer, in seconds, is named. */
const LONG = 10;

export default async function* summary(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const seconds = new Map<string, number>();
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { data } = event;
    if (data.nesting === 0 && data.file !== undefined) {
      seconds.set(data.file, (seconds.get(data.file) ?? 0) + data.details.duration_ms / 1000);
    }
    // A suite, or a file, is counted by the tests in it; a file that could not even start has none.
    if (data.details.type === "suite" && event.type === "test:pass") continue;
    if (data.skip !== undefined && data.skip !== false) counts.skipped += 1;
    else if (event.type === "test:pass") counts.passed += 1;
    else counts.failed += 1;
  }
  const slow = [...seconds].filter(([, time]) => time > LONG).sort(([, a], [, b]) => b - a);
  if (slow.length > 0) yield "\nseconds  file\n";
  for (const [file, time] of slow) yield `${time.toFixed(0).padStart(7)}  ${relative(process.cwd(), file)}\n`;
  yield `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}
