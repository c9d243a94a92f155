/** JSON that others wrote, read as strictly as `signing/jws.py` does. https://www.rfc-editor.org/rfc/rfc7493 (I-JSON) */
import { Refused } from "./refused.js";

const DEEPEST = 64;
const TEXT = /"(?:[^"\\]|\\.)*"(\s*:)?/g; // in JSON only the name of a member is followed by a colon
const HALF = /\p{Surrogate}/u; // half a character

/** Return the object in `text`; throw Refused with `code` when it is none, names a member twice, or is too deep. */
export function object(text, code) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(code);
  }
  if (!record(value)) throw new Refused(code);
  let names = 0;
  for (const [, colon] of text.matchAll(TEXT)) if (colon) names += 1;
  if (members(value) !== names || (text.includes("\\u") && halved(value))) throw new Refused(code);
  return value;
}

/** Return whether `value` is an object with members. */
export function record(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return how many members all objects in `value` have together; -1 when it is too deep. */
function members(value) {
  let count = 0;
  let level = [value];
  for (let depth = 0; level.length; depth += 1) {
    if (depth === DEEPEST) return -1;
    for (const each of level) if (record(each)) count += Object.keys(each).length;
    level = level.flatMap((each) => Object.values(each)).filter((each) => typeof each === "object" && each !== null);
  }
  return count;
}

function halved(value) {
  if (typeof value === "string") return HALF.test(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, each]) => HALF.test(name) || halved(each));
}
