/** The last line of a test run: `N passed, N failed, N skipped`. */
import type { TestEvent } from "node:test/reporters";

export default async function* summary(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { data } = event;
    // A suite, or a file, is counted by the tests in it; a file that could not even start has none.
    if (data.details.type === "suite" && event.type === "test:pass") continue;
    if (data.skip !== undefined && data.skip !== false) counts.skipped += 1;
    else if (event.type === "test:pass") counts.passed += 1;
    else counts.failed += 1;
  }
  yield `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}
