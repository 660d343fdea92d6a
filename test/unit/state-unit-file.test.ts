import assert from "node:assert/strict";
import { test } from "node:test";
import { isTrue, lastValue, parseUnit, unitName, withSpecifiers, wordsOf } from "../../src/audit/unit-file.ts";

const UNIT = `
# a comment = with a sign
; another
[Unit]
Description=ends in \\
  # a comment between
  two lines
Wants = a.service  b.service
Wants=c.service

[Service]
StateDirectory=one "two words" 'three'
User=first
User=second
ExecStart=/bin/x --a=b
[Install]
WantedBy=multi-user.target`;

test("a unit's settings are read with their sections, continued lines and lists", () => {
  const unit = parseUnit([UNIT]);
  assert.equal(lastValue(unit, "Unit.Description"), "ends in two lines");
  assert.deepEqual(wordsOf(unit, "Unit.Wants"), ["a.service", "b.service", "c.service"]);
  assert.deepEqual(wordsOf(unit, "Service.StateDirectory"), ["one", "two words", "three"]);
  assert.equal(lastValue(unit, "Service.User"), "second");
  assert.equal(lastValue(unit, "Service.ExecStart"), "/bin/x --a=b");
  assert.equal(lastValue(unit, "Unit.User"), null);
  assert.deepEqual(wordsOf(unit, "Service.LogsDirectory"), []);
});

test("a drop-in adds to a list, and an empty value begins it anew", () => {
  const added = parseUnit([UNIT, "[Service]\nStateDirectory=four"]);
  assert.equal(wordsOf(added, "Service.StateDirectory").length, 4);
  const anew = parseUnit([UNIT, "[Service]\nStateDirectory=\nStateDirectory=only\nUser="]);
  assert.deepEqual(wordsOf(anew, "Service.StateDirectory"), ["only"]);
  assert.equal(lastValue(anew, "Service.User"), null);
});

test("what is no unit at all has no settings, and breaks nothing", () => {
  for (const text of ["", "\\", "[", "=x", "a\\\nb\\", "[Service]\n=\nUser", "\0\xff"]) {
    assert.equal(lastValue(parseUnit([text]), "Service.User"), null, JSON.stringify(text));
  }
});

test("a yes is any of systemd's", () => {
  for (const yes of ["yes", "true", "1", "on", "Yes"]) assert.ok(isTrue(yes), yes);
  for (const no of ["no", "false", "0", "", "yesno", null]) assert.ok(!isTrue(no), String(no));
});

for (const [name, template, instance] of [
  ["ssh.service", null, null],
  ["getty@tty1.service", "getty@.service", "tty1"],
  ["getty@.service", "getty@.service", null],
  ["postgresql@17-main.service", "postgresql@.service", "17-main"],
  ["a@b@c.service", "a@.service", "b@c"],
  ["dbus-org.freedesktop.login1.service", null, null],
] as const) {
  test(`${name} is ${template === null ? "no instance" : `${instance ?? "no instance"} of ${template}`}`, () => {
    assert.deepEqual(unitName(name), { name, template, instance });
  });
}

for (const [written, unit, path] of [
  ["foo/bar", "x.service", "foo/bar"],
  ["%i", "db@main.service", "main"],
  ["%p/%i", "db@17-main.service", "db/17-main"],
  ["%P", "a-b\\x2dc.service", "a/b-c"],
  ["%I", "x@srv-data.service", "srv/data"],
  ["%j", "a-b-c@d.service", "c"],
  ["%n-%N", "x@i.service", "x@i.service-x@i"],
  ["%S/app", "x.service", "/var/lib/app"],
  ["100%%", "x.service", "100%"],
  ["journal/%m.%i", "systemd-journald@a.service", "journal"],
  ["capsules/%i", "capsule@.service", "capsules"],
  ["%m", "x.service", null],
  ["/var/lib/%v/x", "x.service", "/var/lib"],
] as const) {
  test(`${written} of ${unit} is ${path ?? "known to the running host only"}`, () => {
    assert.equal(withSpecifiers(written, unit), path);
  });
}
