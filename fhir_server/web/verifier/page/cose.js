/** COSE_Sign1: a payload, who signed it, and the signature over both. https://www.rfc-editor.org/rfc/rfc9052#section-4.2 */
import { Tagged, loads } from "./cbor.js";
import { Refused } from "./refused.js";

const ALGORITHM = 1;
const CRITICAL = 2;
const KID = 4;
const NAMES = new Map([[-7, "ES256"], [-37, "PS256"]]);
const SIGNATURE1 = [0x84, 0x6a, ...new TextEncoder().encode("Signature1")];

/** Return {protected, payload, signature, kid, algorithm} of the message in `bytes`, nothing of it verified; throw Refused. */
export function parse(bytes) {
  let value = loads(bytes);
  for (const tag of [61, 18]) if (value instanceof Tagged && value.tag === tag) value = value.value;
  const fits =
    Array.isArray(value) &&
    value.length === 4 &&
    [value[0], value[2], value[3]].every((part) => part instanceof Uint8Array) &&
    value[1] instanceof Map;
  if (!fits) throw new Refused("not-cose-sign1");
  const [header, unprotected, payload, signature] = value;
  const signed = header.length ? loads(header) : new Map();
  if (!(signed instanceof Map)) throw new Refused("not-cose-sign1");
  if (signed.has(CRITICAL)) throw new Refused("critical-header");
  const kid = [signed.get(KID), unprotected.get(KID)].find((each) => each instanceof Uint8Array);
  const algorithm = signed.has(ALGORITHM) ? signed.get(ALGORITHM) : unprotected.get(ALGORITHM);
  return { protected: header, payload, signature, kid: kid ?? null, algorithm: NAMES.get(algorithm) ?? null };
}

/** Return the bytes that the signature of `message` covers. */
export function toBeSigned(message) {
  return new Uint8Array([...SIGNATURE1, ...byteString(message.protected), 0x40, ...byteString(message.payload)]);
}

function byteString(data) {
  const length = data.length;
  if (length < 24) return [0x40 | length, ...data];
  if (length < 256) return [0x58, length, ...data];
  if (length < 65536) return [0x59, length >> 8, length & 0xff, ...data];
  return [0x5a, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff, ...data];
}
