/** Base45: two bytes as three characters of the QR alphanumeric alphabet. https://www.rfc-editor.org/rfc/rfc9285 */
import { Refused } from "./refused.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

/** Return the bytes that `text` stands for; throw Refused on any text that an encoder cannot write. */
export function decode(text) {
  const values = Array.from(text, (character) => VALUES.get(character));
  if (values.includes(undefined)) throw new Refused("base45-character");
  const rest = values.length % 3;
  if (rest === 1) throw new Refused("base45-length");
  const bytes = new Uint8Array(Math.floor(values.length / 3) * 2 + (rest ? 1 : 0));
  let at = 0;
  for (let place = 0; place + 2 < values.length; place += 3) {
    const number = values[place] + 45 * values[place + 1] + 2025 * values[place + 2];
    if (number > 0xffff) throw new Refused("base45-value");
    bytes[at++] = number >> 8;
    bytes[at++] = number & 0xff;
  }
  if (rest) {
    const last = values.at(-2) + 45 * values.at(-1);
    if (last > 0xff) throw new Refused("base45-value");
    bytes[at] = last;
  }
  return bytes;
}
