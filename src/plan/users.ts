/** The users and groups that a declaration adds to those of the Debian packages. */
export interface UsersPlan {
  readonly users: readonly UserPlan[];
  readonly groups: readonly GroupPlan[];
}

export interface UserPlan {
  readonly name: string;
  readonly uid: number;
  /** The primary group's name. */
  readonly group: string;
  readonly description: string;
  readonly home: string;
  /** Whether the pristine root holds the home, made from `/etc/skel`. */
  readonly createHome: boolean;
  readonly shell: string;
  /** A file on the persist root whose first line is a crypt(3) hash; `null`: no password can log in. */
  readonly hashedPasswordFile: string | null;
}

export interface GroupPlan {
  readonly name: string;
  /** `null`: the group comes with a Debian package and only gains members. */
  readonly gid: number | null;
  readonly members: readonly string[];
}
