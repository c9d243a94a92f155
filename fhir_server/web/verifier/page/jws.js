/** JSON Web Signatures in the compact form. https://www.rfc-editor.org/rfc/rfc7515#section-7.1 */
import { fromBase64url } from "./bytes.js";
import { inflate } from "./inflate.js";
import * as json from "./json.js";
import { verifies } from "./keys.js";
import { Refused } from "./refused.js";

/** Return {header, content, signature, signed} of a JWS, nothing of it verified; throw Refused. */
export function parse(text) {
  const parts = text.split(".");
  if (parts.length !== 3) throw new Refused("not-jws");
  const [header, content, signature] = parts.map((part) => {
    const bytes = fromBase64url(part);
    if (bytes === null) throw new Refused("not-base64url");
    return bytes;
  });
  const said = object(header, "not-jws");
  if ("crit" in said) throw new Refused("critical-header");
  return { header: said, content, signature, signed: new TextEncoder().encode(text.slice(0, text.lastIndexOf("."))) };
}

/** Return the payload, inflated when the header says so; throw Refused. */
export function payload(message, limit) {
  if (message.header.zip === undefined) return message.content;
  if (message.header.zip !== "DEF") throw new Refused("zip-unknown");
  return inflate(message.content, "deflate-raw", limit);
}

/** Return whether `message` was signed with `key` (JWK) by the algorithm that its header names. */
export function signedWith(message, key, name) {
  return message.header.alg === name && verifies(key, message.signature, message.signed);
}

/** Read a JSON object; throw Refused with `code` when the bytes are none. */
export function object(bytes, code) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused(code);
  }
  return json.object(text, code);
}
