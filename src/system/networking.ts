/** The network, and what runs it. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

const BYTE = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const IPV6 = "[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?::\\d+\\.\\d+\\.\\d+\\.\\d+)?";

const address = types.strMatching(RegExp(`${IPV4}|${IPV6}`), "an IP address such as 192.0.2.1 or 2001:db8::1");
const addressWithPrefix = types.strMatching(
  RegExp(`${IPV4}/(?:3[0-2]|[12]?\\d)|${IPV6}/(?:12[0-8]|1[01]\\d|[1-9]?\\d)`),
  "an IP address with the length of its prefix, such as 192.0.2.10/24 or 2001:db8::10/64",
);

export const networkingOptions = {
  networking: {
    backend: mkOption({
      type: types.enum(["systemd-networkd", "networkmanager", "none"]),
      default: "systemd-networkd",
      description:
        'What runs the network. systemd-networkd takes networking.interfaces, networking.useDHCP and your own files in environment.etc."systemd/network/…"; networkmanager is what networking.networkmanager.enable sets; none: a program that you bring yourself.',
    }),
    useDHCP: mkOption({
      type: types.bool,
      default: true,
      description:
        "Whether systemd-networkd configures every wired interface by DHCP that networking.interfaces says nothing of.",
    }),
    interfaces: mkOption({
      type: attrsOf(
        submodule({
          addresses: mkOption({
            type: listOf(addressWithPrefix),
            default: [],
            example: ["192.0.2.10/24", "2001:db8::10/64"],
            description: "Its static addresses.",
          }),
          gateways: mkOption({
            type: listOf(address),
            default: [],
            example: ["192.0.2.1"],
            description: "The way to everywhere else: one for IPv4, one for IPv6.",
          }),
          useDHCP: mkOption({ type: types.bool, default: false, description: "Whether it asks for addresses too." }),
        }),
      ),
      default: {},
      example: { enp1s0: { addresses: ["192.0.2.10/24"], gateways: ["192.0.2.1"] } },
      description: "Interfaces with addresses of their own, by name; `en*` is every one that begins so.",
    }),
    nameservers: mkOption({
      type: listOf(address),
      default: [],
      example: ["192.0.2.53"],
      description: "DNS servers, besides those that DHCP names.",
    }),
  },
} as const;
