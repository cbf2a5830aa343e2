// States of targets.

export const STATES = ["measuring", "idle", "paused", "broken", "offline", "imported"];

/** States of targets that need a person. */
export const TROUBLED = ["broken", "offline"];

/** "2 idle, 1 offline". */
export function stateSummary(targets) {
  const counts = STATES.map((name) => [name, targets.filter(({ state }) => state === name).length]);
  return counts.filter(([, n]) => n).map(([name, n]) => `${n} ${name}`).join(", ");
}
