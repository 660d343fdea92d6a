/** Users and groups. Their ids do not depend on who else is declared. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

const id = types.intBetween(0, 59999);
const accountName = types.strMatching(
  /[a-z_][a-z0-9_-]{0,30}/,
  "a name of lower-case letters, digits, `_` and `-`, at most 31 characters",
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
              "The user id. null: 1000 for the primary user, and for others a number that follows from the name alone, so that it stays the same whoever comes and goes.",
          }),
          isNormalUser: mkOption({
            type: types.bool,
            default: true,
            description: "A person, with a home and a shell; otherwise a service.",
          }),
          description: mkOption({ type: passwdField, default: "", description: "The full name." }),
          group: mkOption({
            type: accountName,
            default: ({ self }) => self.name,
            defaultText: "the user's name",
            description: "The primary group.",
          }),
          extraGroups: mkOption({ type: listOf(accountName), default: [], description: "Further groups." }),
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
              "A file on a persist root whose first line is a password hash, as `mkpasswd` prints it. Without one no password logs in.",
          }),
          openssh: {
            authorizedKeys: {
              keys: mkOption({
                type: listOf(types.strMatching(/\S[^\n]*/, "one line of an authorized_keys file")),
                default: [],
                description: "Public keys that may log in as this user.",
              }),
            },
          },
        }),
      ),
      default: {},
      description: "The users, besides those of Debian's packages.",
    }),
    packageUsers: mkOption({
      type: listOf(accountName),
      default: [],
      example: ["postgres"],
      description: "Users that the host's packages bring, which entries may belong to.",
    }),
    packageGroups: mkOption({
      type: listOf(accountName),
      default: [],
      example: ["postgres"],
      description: "Groups that the host's packages bring, which entries may belong to.",
    }),
    groups: mkOption({
      type: attrsOf(
        submodule({
          gid: mkOption({
            type: types.nullOr(id),
            default: null,
            description: "The group id; null: a number that follows from the name.",
          }),
          members: mkOption({ type: listOf(accountName), default: [], description: "Users in the group." }),
        }),
      ),
      default: {},
      description: "The groups, besides those of Debian's packages and one for each user.",
    }),
  },
} as const;
