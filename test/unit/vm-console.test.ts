import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { consoleLog } from "../../src/vm/console.ts";

const never = new AbortController().signal;

test("lines are found in the past and in the future, in whatever pieces they come", async () => {
  const log = consoleLog();
  log.add("first\r\nsec");
  equal((await log.find(/fir/, never))?.input, "first");
  const later = log.find(/^second (\d)$/, never);
  log.add("ond 2\nthird\n");
  equal((await later)?.[1], "2");
  deepEqual(log.lines, ["first", "second 2", "third"]);
});

test("a prompt is found although its line is not complete", async () => {
  const log = consoleLog();
  const prompt = log.find(/login: $/, never);
  log.add("host login");
  log.add(": ");
  equal((await prompt)?.input, "host login: ");
});

test("control sequences are no part of a line, also when they come in pieces", async () => {
  const lines: string[] = [];
  const log = consoleLog((line) => lines.push(line));
  log.add("\u001b[0;32m[  OK");
  log.add("  \u001b[");
  log.add("0m] Started\u001b[!p\u001b[32766;32766H\u001bc\n");
  deepEqual(lines, ["[  OK  ] Started"]);
});

test("whoever waits learns that the console ended, or that the time is over", async () => {
  const log = consoleLog();
  equal(await log.find(/x/, AbortSignal.timeout(1)), null);
  const waiting = log.find(/x/, never);
  log.end();
  equal(await waiting, null);
  equal(await log.find(/x/, never), null);
});

test("a pattern with the flag g finds as one without", async () => {
  const log = consoleLog();
  log.add("aa\naa\n");
  const pattern = /a/g;
  equal((await log.find(pattern, never))?.index, 0);
  equal((await log.find(pattern, never))?.index, 0);
});
