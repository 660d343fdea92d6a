/** A tag of a machine, as fleet.ts declares it and as messages carry it: `web`, `site:berlin`. */
export const TAG = /[a-z0-9]([a-z0-9._:-]{0,61}[a-z0-9])?/;
export const TAG_IN_WORDS = "at most 63 lower-case letters, digits and . _ : -, as in `site:berlin`";

/** How many a machine declares, and how many more an operator gives it. */
export const MOST_TAGS = 50;
