/** Signatures checked with WebCrypto; which algorithm that takes, the key decides. */
import { fromBase64 } from "./stages.js";

const PARAMETERS = {
  ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
  PS256: [{ name: "RSA-PSS", hash: "SHA-256" }, { name: "RSA-PSS", saltLength: 32 }],
};
const imported = new Map(); // public key in Base64 → promise of a CryptoKey

/** Return whether `signature` over `data` was made with the private half of the key of `signer`. */
export async function verifies(signer, signature, data) {
  const parameters = PARAMETERS[signer.algorithm];
  if (!parameters || (signer.algorithm === "ES256" && signature.length !== 64)) return false;
  const [importing, verifying] = parameters;
  let key = imported.get(signer.publicKey);
  if (!key) {
    key = crypto.subtle.importKey("spki", fromBase64(signer.publicKey), importing, false, ["verify"]);
    imported.set(signer.publicKey, key);
  }
  try {
    return await crypto.subtle.verify(verifying, await key, signature, data);
  } catch {
    return false; // a key that the browser cannot read has signed nothing
  }
}
