/** Keeps the page usable without a network: what it consists of is stored when it is installed; lists.js keeps the lists. */
const NAME = "verifier-VERSION"; // the server puts the digest of all files here: what is new replaces what is old whole
const FILES = FILE_LIST;

self.addEventListener("install", (event) => {
  const requests = ["./", ...FILES].map((path) => new Request(path, { cache: "reload" }));
  event.waitUntil(
    caches
      .open(NAME)
      .then((cache) => cache.addAll(requests))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("verifier-") && name !== NAME).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const own = url.origin === self.location.origin && url.href.startsWith(self.registration.scope);
  if (event.request.method !== "GET" || !own) return;
  event.respondWith(caches.open(NAME).then(async (cache) => (await cache.match(event.request, { ignoreSearch: true })) ?? fetch(event.request)));
});
