/** The lists that certificates are verified against: fetched as one signed bundle, kept for when there is no network. */
import { read } from "./bundle.js";

const SOURCE = "../certificates/offline-bundle";
const KEPT = "lists"; // the cache, and beside the text of the bundle the keys that the next one may be signed with

/** Return {lists, problem} of what is kept; lists is null when there is nothing yet. */
export async function open() {
  const kept = await load();
  if (!kept) return { lists: null, problem: null };
  try {
    const { lists } = await read(kept.text, kept.keys.slice(0, 1)); // the key that signed it comes first
    return { lists, problem: null };
  } catch {
    return { lists: null, problem: "bad-lists" };
  }
}

/** Fetch the newest bundle; return {lists, problem}, with `held` still when there is no network or the new one is no good. */
export async function renew(held) {
  let text;
  try {
    const answer = await fetch(SOURCE, { cache: "no-cache" });
    if (!answer.ok) return { lists: held, problem: null };
    text = await answer.text();
  } catch {
    return { lists: held, problem: null };
  }
  try {
    const kept = await load();
    const { lists, keys } = await read(text, kept?.keys ?? []);
    if (held && lists.issued < held.issued) return { lists: held, problem: null }; // nobody turns back the time
    await save({ text, keys });
    return { lists, problem: null };
  } catch {
    return { lists: held, problem: "bad-lists" };
  }
}

/** Return whether a newer bundle should have come by now. */
export function old(lists, now) {
  return now > lists.nextUpdate;
}

async function load() {
  const found = await (await caches.open(KEPT)).match(SOURCE);
  return found?.json();
}

async function save(value) {
  await (await caches.open(KEPT)).put(SOURCE, Response.json(value));
}
