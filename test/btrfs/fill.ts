/** A filesystem filled as any user can. */
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";

/** With what takes metadata (long links, then empty files), or data; for as long as the kernel finds room for any of it. */
export async function fillAsUser(top: string, folder: string, what: "metadata" | "data" = "metadata"): Promise<void> {
  const path = join(top, folder, "of-a-user");
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  const user = ["--reuid=4000", "--regid=4000", "--clear-groups", "--"];
  if (what === "data") {
    await run("setpriv", [...user, "dd", "if=/dev/zero", `of=${path}/big`, "bs=64k"]).catch(() => {});
    await run("sync", ["-f", top]);
  }
  // A second time, for what the kernel had set aside for the first.
  for (const round of ["a", "b"]) {
    await run("setpriv", [...user, "perl", "-e", FILL, round], { cwd: path });
    await run("sync", ["-f", top]);
  }
}

const FILL = `
my ($round, $number, $full) = ($ARGV[0], 0, 0);
for my $make (sub { symlink "x" x 4000, $_[0] }, sub { open my $file, ">", $_[0] }) {
  $full = 0;
  while ($full < 8) { $full = $make->($round . $number++) ? 0 : $full + 1; select undef, undef, undef, 0.01 if $full }
}`;
