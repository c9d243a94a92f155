/** The page: asks for a certificate, verifies it, shows the verdict. */
import * as camera from "./camera.js";
import { learn, rows } from "./content.js";
import * as lists from "./lists.js";
import { countries } from "./rules.js";
import { known, say, speak } from "./text.js";
import { verify } from "./verify.js";

const $ = (id) => document.getElementById(id);
const OPEN_STAGE = "not-checked";
let language = localStorage.getItem("language") ?? (navigator.language.startsWith("vi") ? "vi" : "en");
let arrival = localStorage.getItem("country") ?? "VN";
let scanning = null; // AbortController of the camera
let problem = null; // key of the text under the buttons
let shown = null; // the Verification on display
let current = { lists: null, problem: null };
let chunks = []; // codes of a health card that was cut in several, of which some are still to be seen

function draw() {
  speak(language);
  document.documentElement.lang = language;
  document.title = say("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  $("language").textContent = say("other");
  $("language").lang = language === "vi" ? "en" : "vi";
  $("scan").textContent = say(scanning ? "stop" : "scan");
  $("problem").textContent = problem ? say(problem) : "";
  drawLists();
  drawCountries();
  drawResult();
}

function drawLists() {
  const status = $("lists");
  const { lists: held, problem: wrong } = current;
  const old = held !== null && lists.old(held, Date.now() / 1000);
  status.classList.toggle("old", old || held === null || wrong === "bad-lists");
  const when = held ? moment(held.issued) : "";
  const age = held ? say(old ? "lists-old" : "lists", { when, count: held.signers.length }) : say("no-lists");
  status.textContent = wrong === "bad-lists" ? `${say("bad-lists")} ${held ? age : ""}` : age;
}

/** Offer the countries that the lists have rules of; without any there is nothing to choose. */
function drawCountries() {
  const known = offered();
  $("arrival").hidden = !known.length;
  $("country").replaceChildren(...known.map((code) => new Option(code, code, false, code === country())));
}

function offered() {
  return current.lists ? countries(current.lists.rules) : [];
}

function country() {
  const known = offered();
  return known.includes(arrival) ? arrival : (known[0] ?? null);
}

function drawResult() {
  $("result").hidden = shown === null;
  $("ask").hidden = shown !== null;
  if (shown === null) return;
  const { valid, trusted, stages } = shown;
  $("result").className = valid ? "valid" : "invalid";
  $("verdict").textContent = say(valid ? "valid" : "invalid");
  $("reason").textContent = reasons(valid, stages).join(" ");
  const content = rows(shown, moment);
  const warning = content.length && !trusted ? [["", say("untrusted")]] : [];
  $("content").replaceChildren(...[...warning, ...content].flatMap(([name, value]) => [cell("dt", name && say(name)), cell("dd", value)]));
  $("stages").replaceChildren(
    ...stages.map(({ stage, ok, code }) => {
      const item = cell("li", `${ok === true ? "✓" : ok === false ? "✗" : "–"} ${say(stage)}: ${say(code)}`);
      item.dataset.stage = stage;
      item.dataset.code = code;
      return item;
    }),
  );
}

function reasons(valid, stages) {
  const code = (name) => stages.find((each) => each.stage === name).code;
  if (valid) return code("revocation") === OPEN_STAGE ? [say("unrevoked"), say("compare")] : [say("compare")];
  const failed = stages.find((each) => each.ok === false);
  return [failed && known(failed.code) ? say(failed.code) : `${say(failed?.stage ?? "content")}: ${failed?.code}`];
}

function cell(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString(language === "vi" ? "vi-VN" : "en-GB", { dateStyle: "medium", timeStyle: "short" });
}

async function check(texts) {
  problem = null;
  if (!texts.length) problem = "nothing";
  else if (texts.length > 1 && !texts.every((text) => text.startsWith("shc:/"))) problem = "several";
  else if (!current.lists) problem = "no-lists";
  else await judge(texts);
  draw();
  if (shown) $("again").focus();
}

async function judge(texts) {
  const parts = texts[0].startsWith("shc:/") ? [...new Set([...chunks, ...texts])] : texts;
  const found = await verify(parts, { ...current.lists, country: country() }, Date.now() / 1000);
  const more = found.stages.some((each) => each.code === "chunk-missing");
  chunks = more ? parts : [];
  if (more) problem = "chunk-missing";
  else shown = found;
}

async function scan() {
  if (scanning) {
    scanning.abort();
    return;
  }
  scanning = new AbortController();
  problem = null;
  draw();
  let texts = [];
  try {
    texts = await camera.scan($("camera"), scanning.signal);
  } catch (error) {
    problem = error.name === "TypeError" ? "no-decoder" : "no-camera";
  }
  scanning = null;
  if (texts.length) await check(texts);
  else draw();
}

async function open(file) {
  try {
    await check(await texts(file));
  } catch (error) {
    problem = known(error.message) ? error.message : "no-decoder";
    draw();
  }
}

async function texts(file) {
  if (file.type.startsWith("image/")) return camera.fromFile(file);
  if (file.size > 1024 * 1024) throw new Error("picture-too-large");
  return [(await file.text()).trim()];
}

async function renew() {
  current = await lists.renew(current.lists);
  drawLists();
  drawCountries();
}

$("language").addEventListener("click", () => {
  language = language === "vi" ? "en" : "vi";
  localStorage.setItem("language", language);
  draw();
});
$("country").addEventListener("change", (event) => {
  arrival = event.target.value;
  localStorage.setItem("country", arrival);
});
$("scan").addEventListener("click", scan);
$("picture").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await open(file);
  event.target.value = "";
});
$("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  // A certificate ends in no space; who pastes one brings a line break along.
  const text = $("text").value.replace(/[\r\n]+$/, "");
  check(text ? [text] : []);
});
$("again").addEventListener("click", () => {
  shown = null;
  problem = null;
  chunks = [];
  $("text").value = "";
  draw();
  $("scan").focus();
});

draw();
current = await lists.open();
await learn();
draw();
await renew();
addEventListener("online", renew);
if ("serviceWorker" in navigator) await navigator.serviceWorker.register("worker.js", { type: "module" });
document.documentElement.dataset.ready = "true";
