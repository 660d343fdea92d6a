/** The kernel, the initrd and the boot loader. */
import { attrsOf, listOf } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
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
      type: listOf(
        types.strMatching(
          /[^\s"\p{Cc}]+|([^\s"=\p{Cc}]+=)?"[^"\p{Cc}]+"/u,
          'one kernel parameter; a value with spaces stands in double quotes, as in dyndbg="file a.c +p"',
        ),
      ),
      default: [],
      example: ["console=ttyS0"],
      description: 'Parameters on the kernel\'s command line. A value with spaces: `dyndbg="file a.c +p"`.',
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
        description: "How many generations the boot menu keeps.",
      }),
      timeout: mkOption({
        type: types.intBetween(0, 3600),
        default: 5,
        description: "Seconds that the boot menu waits. With 0 it appears only while you hold down a key.",
      }),
      tries: mkOption({
        type: types.intBetween(1, 9),
        default: 3,
        description:
          "How many times a new generation may fail to reach boot-complete.target before the boot loader passes it over.",
      }),
    },
    initrd: {
      systemd: {
        emergencyAccess: mkOption({
          type: types.either(types.bool, types.strMatching(/\$[^\s:]+/, "a password's hash, as mkpasswd prints it")),
          default: false,
          description:
            "Who gets a shell when the boot stops in the initrd, for example because a disk is missing. false: nobody. A password hash: whoever knows the password; choose a long one, because the store is readable. true: everybody at the console.",
        }),
      },
      kernelModules: mkOption({
        type: moduleNames,
        default: [],
        description: "Kernel modules that the initrd loads before it looks for the root device.",
      }),
    },
  },
} as const;
