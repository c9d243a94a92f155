/** What is revoked: hashes of certificates, sorted, searched by halving. The form is that of `signing/revocation.py`. */
const MAGIC = "RVK1";
const KEPT = 8; // bytes of each hash

/** Return whether one of the 8-byte beginnings of `hashes` stands in `list` (Uint8Array as `RVK1`, count, hashes). */
export function contains(list, hashes) {
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
  const count = view.getUint32(MAGIC.length);
  const at = (place) => view.getBigUint64(MAGIC.length + 4 + KEPT * place);
  return hashes.some((hash) => {
    const wanted = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(middle) < wanted) low = middle + 1;
      else high = middle;
    }
    return low < count && at(low) === wanted;
  });
}

/** Return `list` when it is one that `contains` can search; throw Error otherwise. */
export function checked(list) {
  const magic = String.fromCharCode(...list.subarray(0, MAGIC.length));
  const count = list.length >= 8 ? new DataView(list.buffer, list.byteOffset).getUint32(MAGIC.length) : -1;
  if (magic !== MAGIC || list.length !== MAGIC.length + 4 + KEPT * count) throw new Error("not a revocation list");
  return list;
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
