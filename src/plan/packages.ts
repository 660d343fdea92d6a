/** Which Debian packages a host is assembled from. */
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, diskPackages } from "./disk-plan.ts";
import { type LoaderPlan, loaderPackages } from "./loader.ts";
import { TAKEN } from "./recommended.ts";

export interface PackagesPlan {
  /** The Debian release, for instance `trixie`. */
  readonly suite: string;
  /** `amd64` or `arm64`. */
  readonly architecture: string;
  /** Lines of a `sources.list`, besides mmdebstrap's own for the suite. */
  readonly archive: readonly string[];
  /** Those lines, and no others. */
  readonly archiveOnly?: true | undefined;
  /** Package files of the fleet's own, which are installed too. */
  readonly debs?: readonly OwnDeb[] | undefined;
  /** Sorted, without duplicates; the kernel's package is among them. */
  readonly packages: readonly string[];
  /** Locales to generate besides C.UTF-8, as in `/etc/locale.gen`: `en_US.UTF-8`. */
  readonly locales: readonly string[];
}

export interface OwnDeb {
  /** Its path from the fleet's folder. */
  readonly file: string;
  readonly sha256: string;
}

/** What every host needs to start at all. */
const ESSENTIAL = ["btrfs-progs", "dbus", "dracut", "systemd", "systemd-sysv", "tzdata", "udev"];

export function packagesPlan(config: SystemConfig, disk: DiskPlan, loader: LoaderPlan): PackagesPlan {
  const { locale, platform } = config.hostSpec;
  const locales = locale === "C.UTF-8" ? [] : [locale];
  const packages = [
    ...ESSENTIAL,
    ...TAKEN,
    config.boot.kernelPackage,
    ...diskPackages(disk),
    ...loaderPackages(loader),
    ...(locales.length > 0 ? ["locales"] : []),
    ...(config.networking.backend === "systemd-networkd" ? ["systemd-resolved"] : []),
    ...config.environment.systemPackages,
  ];
  return {
    suite: config.nixfleet.debian.suite,
    architecture: platform === "aarch64-linux" ? "arm64" : "amd64",
    archive: config.nixfleet.debian.archive,
    ...(config.nixfleet.debian.defaultArchive ? {} : { archiveOnly: true as const }),
    packages: [...new Set(packages)].sort(),
    locales,
  };
}
