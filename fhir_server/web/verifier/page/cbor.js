/** CBOR as certificates use it: one item, no second meaning, nothing that grows. https://www.rfc-editor.org/rfc/rfc8949 */
import { Refused } from "./refused.js";

const DEPTH = 16; // containers; a health certificate needs 7
const TRANSPARENT = new Set([0, 1]); // date-times: what they hold is taken as it is
const KEPT = new Set([18, 61]); // COSE_Sign1, CWT
const BREAK = Symbol("break");
const INDEFINITE = 31;

/** An item with a tag that matters. */
export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

/** Read the one item that `bytes` holds: maps as Map, byte strings as Uint8Array; throw Refused on anything else. */
export function loads(bytes) {
  const decoder = new Decoder(bytes);
  const value = decoder.item(0);
  if (value === BREAK) throw new Refused("not-cbor", "a break without a beginning");
  if (decoder.at !== bytes.length) throw new Refused("cbor-trailing");
  return value;
}

/** Return `value` as JSON can write it; throw Refused on bytes, tags and numbers that JSON does not have. */
export function plain(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) throw new Refused("not-json");
  const entries = [...value].map(([name, item]) => {
    if (typeof name !== "string") throw new Refused("not-json", "a name is no text");
    return [name, plain(item)];
  });
  return Object.fromEntries(entries);
}

class Decoder {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(count) {
    if (count > this.bytes.length - this.at) throw new Refused("not-cbor", "cut short");
    this.at += count;
    return this.at - count;
  }

  item(depth) {
    if (depth > DEPTH) throw new Refused("not-cbor", "too deep");
    const head = this.bytes[this.take(1)];
    const major = head >> 5;
    const minor = head & 31;
    switch (major) {
      case 0:
        return this.number(minor);
      case 1: {
        const number = this.number(minor);
        return typeof number === "bigint" ? -1n - number : -1 - number;
      }
      case 2:
      case 3:
        return this.string(major, minor);
      case 4:
        return this.array(minor, depth);
      case 5:
        return this.map(minor, depth);
      case 6:
        return this.tagged(this.number(minor), depth);
      default:
        return this.simple(minor);
    }
  }

  number(minor) {
    if (minor < 24) return minor;
    if (minor === 24) return this.view.getUint8(this.take(1));
    if (minor === 25) return this.view.getUint16(this.take(2));
    if (minor === 26) return this.view.getUint32(this.take(4));
    if (minor !== 27) throw new Refused("not-cbor", "reserved length");
    const long = this.view.getBigUint64(this.take(8));
    return long <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(long) : long;
  }

  length(minor) {
    const length = this.number(minor);
    if (typeof length === "bigint" || length > this.bytes.length) throw new Refused("not-cbor", "cut short");
    return length;
  }

  string(major, minor) {
    if (minor === INDEFINITE) return this.chunks(major);
    const length = this.length(minor);
    const start = this.take(length);
    const bytes = this.bytes.slice(start, start + length);
    return major === 2 ? bytes : utf8(bytes);
  }

  chunks(major) {
    const parts = [];
    while (this.bytes[this.at] !== 0xff) {
      const head = this.bytes[this.take(1)];
      if (head >> 5 !== major || (head & 31) === INDEFINITE) throw new Refused("not-cbor", "a chunk of another kind");
      parts.push(this.string(major, head & 31));
    }
    this.take(1);
    return major === 3 ? parts.join("") : new Uint8Array(parts.flatMap((part) => [...part]));
  }

  array(minor, depth) {
    const items = [];
    const length = minor === INDEFINITE ? Infinity : this.length(minor);
    while (items.length < length) {
      const item = this.item(depth + 1);
      if (item === BREAK) {
        if (length !== Infinity) throw new Refused("not-cbor", "a break without a beginning");
        break;
      }
      items.push(item);
    }
    return items;
  }

  map(minor, depth) {
    const map = new Map();
    const length = minor === INDEFINITE ? Infinity : this.length(minor);
    while (map.size < length) {
      const name = this.item(depth + 1);
      if (name === BREAK && length === Infinity) break;
      if (typeof name !== "string" && typeof name !== "number") throw new Refused("not-cbor", "not a name");
      if (map.has(name)) throw new Refused("not-cbor", "a name twice in one map");
      const value = this.item(depth + 1);
      if (value === BREAK) throw new Refused("not-cbor", "a name without a value");
      map.set(name, value);
    }
    return map;
  }

  tagged(tag, depth) {
    const value = this.item(depth + 1);
    if (value === BREAK) throw new Refused("not-cbor", "a tag of nothing");
    if (TRANSPARENT.has(tag)) return value;
    if (KEPT.has(tag)) return new Tagged(tag, value);
    throw new Refused("not-cbor", `tag ${tag} is not allowed in a certificate`);
  }

  simple(minor) {
    switch (minor) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        return half(this.view.getUint16(this.take(2)));
      case 26:
        return this.view.getFloat32(this.take(4));
      case 27:
        return this.view.getFloat64(this.take(8));
      case INDEFINITE:
        return BREAK;
      default:
        throw new Refused("not-cbor", "a simple value without a meaning");
    }
  }
}

function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("not-cbor", "a text is not UTF-8");
  }
}

function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
