/** What is revoked: hashes of certificates, sorted, searched by halving. The form is that of `signing/revocation.py`. */
const MAGIC = "RVK1";
const HEAD = MAGIC.length + 4;
const WIDTH = 8; // bytes of each number
const ANY_AGE = -1n; // stands for: cards of any age are revoked

/** Numbers of 8 bytes, in order. */
class Sorted {
  constructor(bytes) {
    if (bytes.length % WIDTH) throw new Error("cut short");
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.length = bytes.length / WIDTH;
  }

  /** Return the place of the number that `hash` begins with; -1 when it is not here. */
  place(hash) {
    const wanted = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0);
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.view.getBigUint64(WIDTH * middle) < wanted) low = middle + 1;
      else high = middle;
    }
    return low < this.length && this.view.getBigUint64(WIDTH * low) === wanted ? low : -1;
  }
}

/** Return the function that says whether one of some hashes is in the list; throw Error when `bytes` are no such list. */
export function hashList(bytes) {
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  const count = bytes.length >= HEAD ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length) : -1;
  if (magic !== MAGIC || bytes.length !== HEAD + WIDTH * count) throw new Error("not a revocation list");
  const list = new Sorted(bytes.subarray(HEAD));
  return (hashes) => hashes.some((hash) => list.place(hash) >= 0);
}

/** Return the list of one key for health cards: {counter, revoked(hash of the rid, nbf)}. */
export function cardList(counter, keys, before) {
  const list = new Sorted(keys);
  const times = new DataView(before.buffer, before.byteOffset, before.byteLength);
  if (before.byteLength !== keys.byteLength) throw new Error("cut short");
  return {
    counter,
    revoked(hash, issued) {
      const place = list.place(hash);
      if (place < 0) return false;
      const moment = times.getBigInt64(WIDTH * place);
      return moment === ANY_AGE || issued < Number(moment);
    },
  };
}

/** Return the hashes by which a certificate may be revoked: of its signature and of its identifiers. */
export function hashes(issuer, identifiers, signature, algorithm) {
  // The second half of an ECDSA signature can be changed without knowing the key.
  const part = algorithm === "ES256" ? signature.slice(0, signature.length / 2) : signature;
  const texts = identifiers.flatMap((identifier) => [identifier, `${issuer}${identifier}`]);
  return Promise.all([part, ...texts.map((text) => new TextEncoder().encode(text))].map(digest));
}

/** Return SHA-256 of `data`. */
export async function digest(data) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}
