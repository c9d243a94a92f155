/** Signatures checked with WebCrypto; which algorithm that takes, the key decides. https://www.rfc-editor.org/rfc/rfc7638 */
import { toBase64url } from "./bytes.js";

const PARAMETERS = {
  ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
  PS256: [{ name: "RSA-PSS", hash: "SHA-256" }, { name: "RSA-PSS", saltLength: 32 }],
};
const imported = new WeakMap(); // JWK → promise of a CryptoKey

/** Return ES256 for a key on P-256, PS256 for RSA; null for any other. */
export function algorithm(jwk) {
  if (jwk?.kty === "EC") return jwk.crv === "P-256" ? "ES256" : null;
  return jwk?.kty === "RSA" ? "PS256" : null;
}

/** Return whether `signature` over `data` was made with the private half of `jwk`. */
export async function verifies(jwk, signature, data) {
  const name = algorithm(jwk);
  if (!name || (name === "ES256" && signature.length !== 64)) return false;
  const [importing, verifying] = PARAMETERS[name];
  let key = imported.get(jwk);
  if (!key) {
    const { kty, crv, x, y, n, e } = jwk;
    key = crypto.subtle.importKey("jwk", kty === "EC" ? { kty, crv, x, y } : { kty, n, e }, importing, false, ["verify"]);
    imported.set(jwk, key);
  }
  try {
    return await crypto.subtle.verify(verifying, await key, signature, data);
  } catch {
    return false; // a key that the browser cannot read has signed nothing
  }
}

/** Return SHA-256 of the members that make the key, in Base64url. */
export async function thumbprint({ kty, crv, x, y, n, e }) {
  const text = JSON.stringify(kty === "EC" ? { crv, kty, x, y } : { e, kty, n });
  return toBase64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
