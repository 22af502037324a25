// Keeps a buyer's tickets on their own device, so that they open at a door without a net.
// Nothing but those pages and what they are drawn with is kept, and not beyond the concert.
"use strict";

const NAME = "tickets";
const UNTIL = "x-keep-until";
/** At a door, a net that takes longer is none. */
const WAIT_MS = 4000;
/** What of an answer goes with its copy. */
const HEADERS = ["content-type", "content-security-policy", "referrer-policy", UNTIL];

const isPage = (path) => path.endsWith("/tickets");
const pathOf = ({ url }) => new URL(url).pathname;
/** Whether an answer is about the tickets, and not about a server that is busy or away. */
const counts = ({ status }) => status < 500 && status !== 429;

/** Drops copies that nobody wants, and those of concerts that are over; with the last one, all. */
const tidy = async (isUnwanted = () => false) => {
  const cache = await caches.open(NAME);
  let left = 0;
  for (const request of await cache.keys()) {
    if (!isPage(pathOf(request))) continue;
    const copy = await cache.match(request);
    const isOver = !(Number(copy?.headers.get(UNTIL)) > Date.now());
    if (isOver || isUnwanted(pathOf(request))) await cache.delete(request);
    else left += 1;
  }
  if (!left) await caches.delete(NAME);
  return left;
};

/** Copies pages anew, or drops them where there are no tickets any more. */
const keep = async ({ pages, parts }) => {
  const cache = await caches.open(NAME);
  const gone = [];
  for (const path of pages) {
    const answer = await fetch(path, { redirect: "manual", cache: "no-store" }).catch(() => {});
    if (!answer || !counts(answer)) continue;
    if (!answer.ok || !answer.headers.has(UNTIL)) {
      gone.push(path);
      continue;
    }
    const headers = HEADERS.map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value);
    // The mark lets the page say that it is a copy.
    const page = (await answer.text()).replace("<html ", "<html data-copy ");
    await cache.put(path, new Response(page, { headers }));
  }
  for (const part of parts) {
    if (!(await cache.match(part))) await cache.add(part).catch(() => {});
  }
  return tidy((path) => gone.includes(path));
};

/** The page as the server has it, else its copy. `path`: the page of tickets; `here`: what was asked for. */
const show = async (request, path, here) => {
  const asked = fetch(request);
  const late = new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  const answer = await Promise.race([asked.catch(() => {}), late]);
  if (answer && counts(answer)) {
    if (here === path && !answer.ok) await tidy((one) => one.slice(3) === path.slice(3));
    return answer;
  }
  await tidy();
  const copy = await caches.match(path);
  if (!copy) return answer ?? asked;
  return here === path ? copy : Response.redirect(path);
};

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("message", (event) => {
  event.waitUntil(keep(event.data).then((left) => event.source?.postMessage(left > 0)));
});
addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const here = pathOf(request);
  const [, reservation] = /^(\/\w\w\/r\/[\w-]+)(?:\/tickets)?$/.exec(here) ?? [];
  if (request.mode === "navigate" && reservation) {
    event.respondWith(show(request, `${reservation}/tickets`, here));
  } else if (here.startsWith("/assets/")) {
    event.respondWith(caches.match(request).then((part) => part ?? fetch(request)));
  }
});
