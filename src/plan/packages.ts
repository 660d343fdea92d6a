/** Which Debian packages a host is assembled from. */
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
