/** FNV-1a of 32 bits: a number that follows from a text alone. https://datatracker.ietf.org/doc/draft-eastlake-fnv */
export function fnv(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
