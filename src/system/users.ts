/** Users and groups. Their ids do not depend on who else is declared. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

/** All that Linux has; those that are nobody's to give, the plan refuses. */
const id = types.intBetween(0, 4294967294);
const accountName = types.strMatching(
  /[A-Za-z_][A-Za-z0-9_.-]{0,30}/,
  "a name of letters, digits, `_`, `-` and `.`, at most 31 characters",
);
/** A field of /etc/passwd. */
const passwdField = types.strMatching(/[^:\n]*/, "text without `:` and newlines");

export const userOptions = {
  users: {
    users: mkOption({
      type: attrsOf(
        submodule({
          name: mkOption({
            type: accountName,
            default: ({ name }) => name,
            defaultText: "the key",
            description: "The login name.",
          }),
          uid: mkOption({
            type: types.nullOr(id),
            default: null,
            description:
              "The user id. null: 1000 for the primary user; for others a number computed from the name, so it does not depend on which other users exist.",
          }),
          isNormalUser: mkOption({
            type: types.bool,
            default: true,
            description: "true: a person, with a home and a shell. false: a service.",
          }),
          description: mkOption({ type: passwdField, default: "", description: "The full name." }),
          group: mkOption({
            type: accountName,
            default: ({ self }) => self.name,
            defaultText: "the user's name",
            description: "The primary group.",
          }),
          extraGroups: mkOption({ type: listOf(accountName), default: [], description: "Additional groups." }),
          home: mkOption({
            type: types.absolutePath,
            default: ({ self }) => (self.isNormalUser ? `/home/${self.name}` : "/nonexistent"),
            defaultText: "/home/<name>",
            description: "The home folder.",
          }),
          shell: mkOption({
            type: types.absolutePath,
            default: ({ self }) => (self.isNormalUser ? "/bin/bash" : "/usr/sbin/nologin"),
            defaultText: "/bin/bash",
            description: "The login shell.",
          }),
          hashedPasswordFile: mkOption({
            type: types.nullOr(types.absolutePath),
            default: null,
            example: "/persist/passwords/alice",
            description:
              "A file on a persist root whose first line is a password hash, as `mkpasswd` prints it. null: the user cannot log in with a password.",
          }),
          openssh: {
            authorizedKeys: {
              keys: mkOption({
                // As read from a file, with the end of its line.
                type: listOf(
                  types.coercedTo(types.str, (key) => key.trim(), types.strMatching(/\S[^\n]*/, "one public key")),
                ),
                default: [],
                description: "Public SSH keys that may log in as this user.",
              }),
            },
          },
        }),
      ),
      default: {},
      description: "Users, in addition to those that Debian's packages create.",
    }),
    packageUsers: mkOption({
      type: listOf(accountName),
      default: [],
      example: ["postgres"],
      description: "Users that the host's packages create, so that entries can belong to them.",
    }),
    packageGroups: mkOption({
      type: listOf(accountName),
      default: [],
      example: ["postgres"],
      description: "Groups that the host's packages create, so that entries can belong to them.",
    }),
    groups: mkOption({
      type: attrsOf(
        submodule({
          gid: mkOption({
            type: types.nullOr(id),
            default: null,
            description: "The group id. null: a number computed from the name.",
          }),
          members: mkOption({ type: listOf(accountName), default: [], description: "Users in the group." }),
        }),
      ),
      default: {},
      description: "Groups, in addition to those of Debian's packages and one per user.",
    }),
  },
} as const;
