/** The kernel, the initrd and the boot loader. */
import { attrsOf, listOf } from "../modules/collections.ts";
import { mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

const moduleNames = listOf(types.strMatching(/[A-Za-z0-9_-]+/, "the name of a kernel module"));

export const bootOptions = {
  boot: {
    kernelPackage: mkOption({
      type: types.strMatching(/linux-image-[a-z0-9+.-]+/, "a Debian kernel package such as linux-image-amd64"),
      default: ({ config }) =>
        config.hostSpec.platform === "aarch64-linux" ? "linux-image-arm64" : "linux-image-amd64",
      defaultText: "linux-image-amd64 or linux-image-arm64",
      description: "The kernel's Debian package. linux-image-cloud-amd64 is smaller and enough for virtual machines.",
    }),
    kernelParams: mkOption({
      type: listOf(types.strMatching(/[^\s]+/, "one kernel parameter, without spaces")),
      default: [],
      example: ["console=ttyS0"],
      description: "Parameters on the kernel's command line.",
    }),
    kernelModules: mkOption({
      type: moduleNames,
      default: [],
      description: "Kernel modules that the running host loads.",
    }),
    kernel: {
      sysctl: mkOption({
        type: attrsOf(types.either(types.int, types.strMatching(/[^\n]*/, "one line of text"))),
        default: {},
        example: { "vm.swappiness": 10 },
        description: "Kernel settings, as in sysctl.d(5).",
      }),
    },
    loader: {
      configurationLimit: mkOption({
        type: types.intBetween(1, 100),
        default: 10,
        description: "How many generations stay in the boot menu.",
      }),
      timeout: mkOption({
        type: types.intBetween(0, 3600),
        default: 5,
        description: "Seconds that the boot menu waits; with 0 it comes only when a key is held down.",
      }),
      tries: mkOption({
        type: types.intBetween(1, 9),
        default: 3,
        description: "How often a new generation may fail to reach boot-complete.target before it is passed over.",
      }),
    },
    initrd: {
      kernelModules: mkOption({
        type: moduleNames,
        default: [],
        description: "Kernel modules that the initrd loads before it looks for the root device.",
      }),
    },
  },
} as const;
