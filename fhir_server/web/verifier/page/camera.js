/** QR codes from the camera and from pictures; pictures stay in the browser. */
const WIDEST = 2000; // pixels to which large pictures are shrunk before they are read
const LARGEST = 40 * 1024 * 1024; // bytes of a picture
const MOST_PIXELS = 100_000_000;
const PAUSE = 120; // ms between two looks at the camera
const OPTIONS = { formats: ["QRCode"], tryHarder: true, maxNumberOfSymbols: 10 };

let decoder;

function load() {
  decoder ??= import("./vendor/reader/index.js").then((zxing) => {
    zxing.prepareZXingModule({
      overrides: { locateFile: (name) => new URL(`./vendor/${name}`, import.meta.url).href },
    });
    return zxing;
  });
  decoder.catch(() => (decoder = undefined));
  return decoder;
}

/** Return the texts of the QR codes in `pixels` (ImageData). */
async function read(pixels) {
  const zxing = await load();
  const found = await zxing.readBarcodes(pixels, OPTIONS);
  return found.filter((code) => code.isValid && code.text).map((code) => code.text);
}

/** Return the texts of the QR codes in a picture file; throw Error("picture-too-large" | "not-a-picture"). */
export async function fromFile(file) {
  if (file.size > LARGEST) throw new Error("picture-too-large");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("not-a-picture");
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) throw new Error("picture-too-large");
  const texts = await read(pixels(bitmap, bitmap.width, bitmap.height));
  bitmap.close();
  return texts;
}

/** Show the camera in `video` and return the texts of the first QR codes seen; `signal` ends it (then []). */
export async function scan(video, signal) {
  await load();
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
  video.srcObject = stream;
  video.hidden = false;
  try {
    await video.play();
    while (!signal.aborted) {
      const texts = video.videoWidth ? await read(pixels(video, video.videoWidth, video.videoHeight)) : [];
      if (texts.length) return texts;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    return [];
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    video.hidden = true;
  }
}

function pixels(source, width, height) {
  const scale = Math.min(1, WIDEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // a transparent picture is read on white
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
