// Width vectors: values that a space allows, read from links and from JSON.

/** The legal value of a width that is nearest to this one. */
export function nearestLegal({ max, granule }, value) {
  const channels = Number.isFinite(value) ? value : max;
  return Math.min(max, Math.max(granule, Math.round(channels / granule) * granule));
}

/** Channels by width name of the unpruned network. */
export function denseWidths(space) {
  return Object.fromEntries(space.widths.map(({ name, max }) => [name, max]));
}

/**
 * The dense widths with `changes` such as "layer1.0.conv1:12", and what of these the space does not
 * have: {widths, problems}.
 */
export function changedWidths(space, changes) {
  const widths = new Map(Object.entries(denseWidths(space)));
  const problems = [];
  for (const text of changes) {
    const colon = text.lastIndexOf(":");
    const [name, channels] = [text.slice(0, colon), text.slice(colon + 1)];
    const width = space.widths.find((candidate) => candidate.name === name);
    if (!width) {
      problems.push(`The space has no width “${name}”.`);
      continue;
    }
    widths.set(name, nearestLegal(width, Number(channels)));
    if (String(widths.get(name)) !== channels) {
      problems.push(`${name} cannot be ${channels}. Shown instead: ${widths.get(name)}.`);
    }
  }
  return { widths, problems };
}

/**
 * Widths as [name, channels], from JSON: an object by name, or a list in the space's order. Throws
 * an error that says what is wrong.
 */
export function parseWidths(space, text) {
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("expected an object or a list");
  if (Array.isArray(value) && value.length !== space.widths.length) {
    throw new Error(`expected ${space.widths.length} widths, got ${value.length}`);
  }
  const entries = Array.isArray(value)
    ? value.map((channels, index) => [space.widths[index].name, channels])
    : Object.entries(value);
  for (const [name, channels] of entries) {
    const width = space.widths.find((candidate) => candidate.name === name);
    if (!width) throw new Error(`${name}: the space has no such width`);
    const { granule, max } = width;
    if (!Number.isInteger(channels) || nearestLegal(width, channels) !== channels) {
      throw new Error(
        `${name}: must be a multiple of ${granule} between ${granule} and ${max}, got ${channels}`,
      );
    }
  }
  return entries;
}
