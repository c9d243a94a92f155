/** Decompression with a bound: a code that a camera can read must not fill the memory. */
import { Refused } from "./refused.js";

export const LIMIT = 64 * 1024; // bytes

/** Return what the stream `data` holds ("deflate": zlib, RFC 1950; "deflate-raw": RFC 1951); throw Refused when it is none. */
export async function inflate(data, format = "deflate", limit = LIMIT) {
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream(format)).getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      // The browser does not tell a stream cut short from one followed by something, or from none at all.
      throw new Refused(format === "deflate" ? "not-zlib" : "not-deflate");
    });
    if (done) break;
    length += value.length;
    if (length > limit) {
      reader.cancel().catch(() => {});
      throw new Refused("inflated-too-long");
    }
    parts.push(value);
  }
  const content = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    content.set(part, at);
    at += part.length;
  }
  return content;
}
