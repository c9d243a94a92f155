/** DER, cut into its items, read as leniently as `signing/der.py` does. https://www.itu.int/rec/T-REC-X.690 */
import { Refused } from "./refused.js";

export const SEQUENCE = 0x30;
const UTC_TIME = 0x17;

/** Return the item {tag, whole, content} that `data` begins with; throw Refused when it is cut short or has another tag. */
export function first(data, expected = null) {
  const [tag] = data;
  let [, length] = data;
  let start = 2;
  if (expected !== null && tag !== expected) throw damaged();
  if (length & 0x80) {
    const width = length & 0x7f;
    if (width < 1 || width > 3) throw damaged();
    start += width;
    length = data.subarray(2, start).reduce((number, byte) => (number << 8) | byte, 0);
  }
  const end = start + length;
  if (!(end <= data.length)) throw damaged(); // of no bytes at all neither is a number
  return { tag, whole: data.subarray(0, end), content: data.subarray(start, end) };
}

/** Return the items that `content` consists of. */
export function items(content) {
  const found = [];
  for (let at = 0; at < content.length; at += found.at(-1).whole.length) found.push(first(content.subarray(at)));
  return found;
}

/** Return an object identifier with dots. */
export function dotted(content) {
  const numbers = [];
  let number = 0;
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  if (!numbers.length) throw damaged();
  const arc = Math.min(Math.floor(numbers[0] / 40), 2);
  return [arc, numbers[0] - 40 * arc, ...numbers.slice(1)].join(".");
}

/** Return seconds since 1970 of a time in UTC. */
export function time({ tag, content }) {
  let text = String.fromCharCode(...content);
  if (tag === UTC_TIME) text = (text.slice(0, 2) >= "50" ? "19" : "20") + text; // RFC 5280, 4.1.2.5.1
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!parts) throw damaged();
  const [, year, month, day, hour, minute, second] = parts;
  const moment = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(moment.getTime()) || moment.getUTCDate() !== Number(day)) throw damaged();
  return moment.getTime() / 1000;
}

/** Return what is thrown when bytes are not what they should be. */
export function damaged() {
  return new Refused("not-a-certificate");
}
