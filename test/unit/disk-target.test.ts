import { equal, match } from "node:assert/strict";
import { test } from "node:test";
import type { BlockDevice } from "../../src/disk/device.ts";
import { formatRefusal } from "../../src/disk/target.ts";
import { GIB, MIB } from "../../src/layout/size.ts";
import { layout } from "./disk-layout.ts";

const empty: BlockDevice = {
  path: "/dev/vdb",
  type: "disk",
  size: 8 * GIB,
  model: "VIRTUAL",
  sequence: "1",
  readOnly: false,
  uses: [],
  contents: [],
};

test("an empty disk may be formatted, with or without being named", () => {
  equal(formatRefusal(layout, empty, false), null);
  equal(formatRefusal(layout, empty, true), null);
});

const refused: readonly { readonly what: string; readonly device: Partial<BlockDevice>; readonly says: RegExp }[] = [
  { what: "a partition", device: { type: "part" }, says: /is a partition\n.*whole disk/ },
  { what: "a read-only disk", device: { readOnly: true }, says: /is read-only/ },
  { what: "a disk in use", device: { uses: ["/dev/vdb1 is mounted on /srv"] }, says: /is in use\n.*mounted on \/srv/ },
  { what: "a disk that is too small", device: { size: 200 * MIB }, says: /too small\n.*386M/ },
];

for (const { what, device, says } of refused) {
  test(`${what} is refused, even when it is named to be wiped`, () => {
    match(formatRefusal(layout, { ...empty, ...device }, true)?.text ?? "", says);
  });
}

test("a disk that holds data is refused with what it holds, until it is named itself", () => {
  const full = { ...empty, contents: ["a gpt partition table", "partition root (8G): btrfs labelled root"] };
  const text = formatRefusal(layout, full, false)?.text ?? "";
  match(text, /\/dev\/vdb \(8G, VIRTUAL\) holds data\n/);
  match(text, /partition root \(8G\): btrfs labelled root\n/);
  match(text, /--wipe \/dev\/vdb/);
  equal(formatRefusal(layout, full, true), null);
});
