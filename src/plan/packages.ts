/** Which Debian packages a host is assembled from. */
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, diskPackages } from "./disk.ts";
import { type LoaderPlan, loaderPackages } from "./loader.ts";

export interface PackagesPlan {
  /** The Debian release, for instance `trixie`. */
  readonly suite: string;
  /** `amd64` or `arm64`. */
  readonly architecture: string;
  /** Lines of a `sources.list`; empty: mmdebstrap's own default for the suite. */
  readonly archive: readonly string[];
  /** Sorted, without duplicates; the kernel's package is among them. */
  readonly packages: readonly string[];
  /** Locales to generate besides C.UTF-8, as in `/etc/locale.gen`: `en_US.UTF-8`. */
  readonly locales: readonly string[];
}

/** What every host needs to start at all. */
const ESSENTIAL = ["btrfs-progs", "dbus", "dracut", "systemd", "systemd-sysv", "tzdata", "udev"];

export function packagesPlan(config: SystemConfig, disk: DiskPlan, loader: LoaderPlan): PackagesPlan {
  const { locale, platform } = config.hostSpec;
  const locales = locale === "C.UTF-8" ? [] : [locale];
  const packages = [
    ...ESSENTIAL,
    config.boot.kernelPackage,
    ...diskPackages(disk),
    ...loaderPackages(loader),
    ...(locales.length > 0 ? ["locales"] : []),
    ...(config.networking.useDHCP ? ["systemd-resolved"] : []),
    ...config.environment.systemPackages,
  ];
  return {
    suite: config.nixfleet.debian.suite,
    architecture: platform === "aarch64-linux" ? "arm64" : "amd64",
    archive: config.nixfleet.debian.archive,
    packages: [...new Set(packages)].sort(),
    locales,
  };
}
