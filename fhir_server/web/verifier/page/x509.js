/** What a verifier needs of X.509 certificates, and who issued them. https://www.rfc-editor.org/rfc/rfc5280#section-4.1 */
import { SEQUENCE, damaged, dotted, first, items, time } from "./der.js";
import { Refused } from "./refused.js";

const INTEGER = 0x02;
const OCTETS = 0x04;
const OID = 0x06;
const BITS = 0x03;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const COUNTRY = "2.5.4.6";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SIGNS_DOCUMENTS = 0b1100_0000; // RFC 5280, 4.2.1.3: bits 0 and 1
// HCERT A.4; the arc with a zero is a misprint that many states' certificates carry.
const HEALTH = /^1\.3\.6\.1\.4\.1\.(?:0\.)?1847\.2021\.1\.([123])$/;
const SEALS = "2.23.136.1.1.14.2";
const PUBLIC_EC = "1.2.840.10045.2.1";
const PUBLIC_RSA = "1.2.840.113549.1.1.1";
const CURVES = { "1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384", "1.3.132.0.35": "P-521" };
const BYTES = { "P-256": 32, "P-384": 48, "P-521": 66 }; // of r, and of s
const EC_DIGESTS = { "1.2.840.10045.4.3.2": "SHA-256", "1.2.840.10045.4.3.3": "SHA-384", "1.2.840.10045.4.3.4": "SHA-512" };
const RSA_DIGESTS = { "1.2.840.113549.1.1.11": "SHA-256", "1.2.840.113549.1.1.12": "SHA-384", "1.2.840.113549.1.1.13": "SHA-512" };
const RSA_PSS = "1.2.840.113549.1.1.10";
const DIGESTS = { "2.16.840.1.101.3.4.2.1": "SHA-256", "2.16.840.1.101.3.4.2.2": "SHA-384", "2.16.840.1.101.3.4.2.3": "SHA-512" };
const MASK = "1.2.840.113549.1.1.8"; // MGF1
const PSS_SALT = 20; // when it is not said: RFC 8017, A.2.3

/**
 * Read a certificate; throw Refused when the bytes are none. Times are seconds since 1970; `type` of the key is EC, RSA or
 * null, and `curve` null when it is on none that browsers know.
 */
export function read(certificate) {
  const outer = first(certificate, SEQUENCE);
  if (outer.whole.length !== certificate.length) throw damaged();
  const [signed, algorithm, signature, more] = items(outer.content);
  if (!signed || more) throw damaged();
  const body = items(signed.content);
  if (body[0]?.tag === VERSION) body.shift();
  const [, inner, issuer, validity, subject, key, ...rest] = body;
  if (!key) throw damaged();
  const period = items(validity.content);
  if (period.length !== 2) throw damaged();
  const [notBefore, notAfter] = period.map(time);
  const extensions = new Map(rest.filter(({ tag }) => tag === EXTENSIONS).flatMap(({ content }) => listed(content)));
  return {
    signed: signed.whole,
    algorithm: algorithm && equal(algorithm.whole, inner.whole) ? algorithm : null,
    signature: signature?.tag === BITS && signature.content[0] === 0 ? signature.content.subarray(1) : null, // no bit unused
    issuer: issuer.whole,
    subject: subject.whole,
    country: country(subject.content),
    notBefore,
    notAfter,
    key: key.whole,
    ...kindOfKey(key.content),
    ...usages(extensions),
  };
}

function listed(content) {
  return items(first(content, SEQUENCE).content)
    .map((extension) => items(extension.content))
    .filter((parts) => parts[0]?.tag === OID && parts.at(-1).tag === OCTETS)
    .map((parts) => [dotted(parts[0].content), parts.at(-1).content]);
}

/** Return whether the key signs documents, whether it was appointed to sign seals, and the kinds (v, t, r) it is limited to. */
function usages(extensions) {
  const bits = extensions.has(KEY_USAGE) ? (first(extensions.get(KEY_USAGE), BITS).content[1] ?? 0) : SIGNS_DOCUMENTS;
  const extended = extensions.get(EXTENDED_KEY_USAGE);
  const named = extended ? items(first(extended, SEQUENCE).content).map(({ content }) => dotted(content)) : [];
  const kinds = named.flatMap((usage) => HEALTH.exec(usage)?.[1] ?? []).map((number) => "tvr"[number - 1]);
  const documents = (bits & SIGNS_DOCUMENTS) !== 0;
  return { appointed: documents && (kinds.length > 0 || named.includes(SEALS)), kinds: kinds.length ? kinds : null };
}

function country(names) {
  let found = null;
  for (const attribute of items(names).flatMap((group) => items(group.content))) {
    const [kind, value, more] = items(attribute.content);
    if (!value || more) throw damaged();
    if (dotted(kind.content) === COUNTRY) found = new TextDecoder("utf-8", { ignoreBOM: true }).decode(value.content).toUpperCase() || null;
  }
  return found;
}

function kindOfKey(content) {
  const [kind, parameters] = items(items(content)[0]?.content ?? []);
  if (kind?.tag !== OID) throw damaged();
  const name = dotted(kind.content);
  if (name !== PUBLIC_EC) return { type: name === PUBLIC_RSA ? "RSA" : null, curve: null };
  return { type: "EC", curve: parameters?.tag === OID ? (CURVES[dotted(parameters.content)] ?? null) : null };
}

/** Return whether the key of `certificate` is one: of RSA, or a point on its curve; of other curves browsers cannot tell. */
export async function readable({ type, curve, key }) {
  if (!type || !curve) return type !== null;
  try {
    await crypto.subtle.importKey("spki", key, { name: "ECDSA", namedCurve: curve }, false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

/** Return whether `signature` (r and s) over `data` was made with the key of `certificate`, on `curve`. */
export async function signed(certificate, hash, signature, data) {
  if (signature.length !== 2 * BYTES[certificate.curve]) return false;
  const importing = { name: "ECDSA", namedCurve: certificate.curve };
  return (await verifies(certificate, importing, { name: "ECDSA", hash }, signature, data)) === true;
}

/** Return whether the holder of `above` issued `below`, by name and by signature; null when browsers cannot find it out. */
export async function issued(below, above) {
  if (!below.algorithm || !below.signature || !equal(below.issuer, above.subject)) return false;
  try {
    return await signedBy(below, above);
  } catch (error) {
    if (error instanceof Refused) return false; // the signature or how it was made cannot be read
    throw error;
  }
}

async function signedBy(below, above) {
  const [kind, parameters] = items(below.algorithm.content);
  const name = dotted(kind.content);
  if (name in EC_DIGESTS && above.type === "EC") {
    const width = BYTES[above.curve];
    if (!width) return null;
    const importing = { name: "ECDSA", namedCurve: above.curve };
    return verifies(above, importing, { name: "ECDSA", hash: EC_DIGESTS[name] }, fixed(below.signature, width), below.signed);
  }
  if (above.type !== "RSA") return false;
  if (name in RSA_DIGESTS) {
    const scheme = { name: "RSASSA-PKCS1-v1_5", hash: RSA_DIGESTS[name] };
    return verifies(above, scheme, scheme, below.signature, below.signed);
  }
  if (name !== RSA_PSS) return false;
  const pss = parameters ? probabilistic(parameters) : null;
  return pss && verifies(above, pss.importing, pss.verifying, below.signature, below.signed);
}

async function verifies(certificate, importing, verifying, signature, data) {
  if (!signature) return false;
  try {
    const key = await crypto.subtle.importKey("spki", certificate.key, importing, false, ["verify"]);
    return await crypto.subtle.verify(verifying, key, signature, data);
  } catch {
    return null; // this browser does not know such keys
  }
}

/** Return the parameters of RSA-PSS when browsers can follow them: the same SHA-2 for the content and for the mask. */
function probabilistic(parameters) {
  const said = new Map(items(parameters.content).map(({ tag, content }) => [tag & 0x0f, first(content)]));
  const [hash, mask] = [0, 1].map((part) => items(said.get(part)?.content ?? []));
  const digest = (parts) => (parts.length ? DIGESTS[dotted(parts[0].content)] : undefined);
  const name = digest(hash);
  const masked = mask.length === 2 && dotted(mask[0].content) === MASK ? digest(items(mask[1].content)) : undefined;
  if (!name || masked !== name) return null;
  const saltLength = said.has(2) ? said.get(2).content.reduce((number, byte) => number * 256 + byte, 0) : PSS_SALT;
  return { importing: { name: "RSA-PSS", hash: name }, verifying: { name: "RSA-PSS", saltLength } };
}

/** Return r and s in `width` bytes each, of SEQUENCE (INTEGER r, INTEGER s); null when they are no such numbers. */
function fixed(signature, width) {
  const both = new Uint8Array(2 * width);
  const { whole, content: pair } = first(signature, SEQUENCE);
  const numbers = items(pair);
  if (numbers.length !== 2 || whole.length !== signature.length) return null;
  for (const [place, { tag, content }] of numbers.entries()) {
    const shortest = content.subarray(content[0] === 0 ? 1 : 0);
    if (tag !== INTEGER || content[0] & 0x80 || shortest.length > width) return null;
    both.set(shortest, (place + 1) * width - shortest.length);
  }
  return both;
}

/** Return whether both are the same bytes. */
export function equal(one, other) {
  return one.length === other.length && one.every((byte, place) => byte === other[place]);
}
