/** Bytes as Base64 and Base64url. https://www.rfc-editor.org/rfc/rfc4648 */

/** Return Base64 with padding. */
export function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Return Base64url without padding. */
export function toBase64url(bytes) {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Return the bytes that Base64 with padding stands for; throw on any other text. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Return the bytes that Base64url without padding stands for; null for any other text. */
export function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/").padEnd(Math.ceil(text.length / 4) * 4, "="));
  return toBase64url(bytes) === text ? bytes : null; // one way to write them, not several
}
