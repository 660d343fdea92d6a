/** The wipe as its NixOS module renders it. */
import { join } from "node:path";
import { z } from "zod";
import { NIX_TESTS, type Nix } from "./nix.ts";

const unit = z.object({ text: z.string(), wantedBy: z.array(z.string()), requiredBy: z.array(z.string()) });

const rendered = z.object({
  failed: z.array(z.string()),
  initrd: z.object({
    units: z.object({ "nixfleet-wipe": unit, "nixfleet-room": unit }),
    storePaths: z.array(z.string()),
    files: z.object({
      "/etc/nixfleet/wipe.conf": z.object({ text: z.string() }),
      "/usr/lib/nixfleet": z.object({ source: z.string() }),
    }),
  }),
  host: z.object({
    units: z.object({ "nixfleet-prune": unit }),
    files: z.object({ "nixfleet/wipe.conf": z.object({ text: z.string() }) }),
  }),
});

export type RenderedWipe = z.infer<typeof rendered>;

/** A host that can have the wipe. */
export const HOST = `{
  nixfleet.wipe.enable = true;
  boot.initrd.systemd.enable = true;
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/root";
    fsType = "btrfs";
    options = [ "subvol=@root" ];
  };
  fileSystems."/nix".device = "/dev/disk/by-label/root";
  fileSystems."/boot".device = "/dev/disk/by-label/ESP";
}`;

/** @param modules Nix expressions */
export async function renderedWipe({ evaluate }: Nix, ...modules: readonly string[]): Promise<RenderedWipe> {
  return rendered.parse(
    await evaluate(`import ${join(NIX_TESTS, "wipe.nix")} { modules = [ ${modules.join(" ")} ]; }`),
  );
}
