// Comfort on top of pages that work without it. Nothing is decided here: the server checks it all.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);

  // The summary of what is wrong takes the focus, where the browser didn't give it by itself.
  document.getElementById("errors")?.focus();

  // A form is sent once: a second press while the first is on its way does nothing.
  for (const form of all("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) return event.preventDefault();
      form.dataset.sent = "yes";
      form.querySelector(".button").setAttribute("aria-disabled", "true");
    });
  }
  // Coming back with the browser's back button finds the form ready again.
  addEventListener("pageshow", () => {
    for (const form of all("form[data-sent]")) {
      delete form.dataset.sent;
      form.querySelector(".button").removeAttribute("aria-disabled");
    }
  });

  // Plus and minus around the number of tickets, and the running total under it.
  const quantity = document.getElementById("quantity");
  const total = document.querySelector("[data-price]");
  const wanted = () => {
    const value = Number(quantity.value);
    return Number.isInteger(value) && value > 0 ? value : 0;
  };
  const showTotal = () => {
    if (!total) return;
    const minor = Number(total.dataset.price) * wanted();
    const digits = minor % 100 ? 2 : 0;
    const amount = (minor / 100).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: 2 });
    total.querySelector("output").value = total.dataset.sign + amount;
    total.hidden = wanted() === 0;
  };
  if (quantity) {
    for (const button of all("[data-step]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const next = wanted() + Number(button.dataset.step);
        quantity.value = Math.min(Math.max(next, Number(quantity.min)), Number(quantity.max));
        showTotal();
      });
    }
    quantity.addEventListener("input", showTotal);
    addEventListener("pageshow", showTotal);
    showTotal();
  }

  // The countdown of a hold, by the server's time: the visitor's clock may be wrong.
  const countdown = document.querySelector("[data-until]");
  const spoken = document.getElementById("spoken");
  const startCountdown = ({ until, now, warn, left, page, ...say }) => {
    const whole = Date.parse(until) - Date.parse(now);
    const since = performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();
    const began = Date.now() - (performance.now() - since);
    // Of both clocks the faster: one stands still while a device sleeps, the other can be set.
    const remaining = () => whole - Math.max(performance.now() - since, Date.now() - began);
    let before = Math.ceil(remaining() / 1000);
    let timer;
    // The hold has run out: the server says how it stands, as soon as it can; not all ask at once.
    const ask = (wait) => setTimeout(async () => {
      const answer = await fetch(page, { method: "HEAD" }).catch(() => {});
      if (answer?.status < 500) location.replace(page);
      else ask(5000);
    }, wait + Math.random() * 1000);
    const tick = () => {
      clearTimeout(timer);
      const ms = Math.max(remaining(), 0);
      const seconds = Math.ceil(ms / 1000);
      const passes = (second) => before > second && seconds <= second;
      countdown.textContent = left.replace("#", `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
      const minutes = [1, 2, 5].find((minutes) => passes(minutes * 60));
      if (minutes) spoken.textContent = say[`say${minutes}`];
      if (warn && passes(Number(warn))) document.getElementById("soon").showModal();
      before = seconds;
      if (ms) return void (timer = setTimeout(tick, ms % 1000 || 1000));
      document.removeEventListener("visibilitychange", tick);
      ask(500);
    };
    document.addEventListener("visibilitychange", tick);
    tick();
  };
  if (countdown) startCountdown(countdown.dataset);

  // Tickets left follow the sale, in words and numbers, without being read out at every change.
  const stock = document.querySelector("[data-live]");
  const showStock = ({ available_tickets: tickets, status }) => {
    const few = tickets <= Number(stock.dataset.fewMax);
    const state = status !== "open" ? "closed" : tickets < 1 ? "sold-out" : few ? "few-left" : "on-sale";
    const shown = tickets.toLocaleString("en");
    const label = stock.querySelector(".state");
    stock.querySelector("strong").textContent = shown;
    label.dataset.state = state;
    label.textContent = stock.getAttribute(`data-${state}`).replace("#", shown);
    // A page that had nothing to offer has it now, or no longer.
    const title = document.querySelector("[data-on-sale]:is(h2)");
    if (!title) return;
    const offers = state === "on-sale" || state === "few-left";
    title.dataset.first ??= title.textContent;
    title.textContent = offers ? title.dataset.onSale : title.dataset.first;
    spoken.textContent = offers ? title.dataset.onSale : "";
    document.querySelector(".until-sale").hidden = offers;
    document.querySelector(".on-sale-again").hidden = !offers;
  };
  // A stream of events while the page is seen; where there is none, a question every ten seconds.
  const followStock = (address) => {
    let stream;
    let timer;
    let tag = "";
    let run = 0;
    const ask = async (mine) => {
      const answer = await fetch(address, { cache: "no-store", headers: { "if-none-match": tag } }).catch(() => {});
      if (mine !== run || answer?.status === 404) return;
      if (answer?.status === 200) {
        tag = answer.headers.get("etag") ?? "";
        showStock(await answer.json());
      }
      timer = setTimeout(ask, 10000, mine);
    };
    const fallBack = (mine) => {
      clearTimeout(timer);
      stream?.close();
      ask(mine);
    };
    const stop = () => {
      run += 1;
      clearTimeout(timer);
      stream?.close();
    };
    const start = () => {
      stop();
      if (document.hidden) return;
      const mine = run;
      if (!("EventSource" in window)) return fallBack(mine);
      stream = new EventSource(`${address}/live`);
      // Some proxies hold a stream back for good.
      timer = setTimeout(fallBack, 10000, mine);
      stream.addEventListener("availability", (event) => {
        clearTimeout(timer);
        showStock(JSON.parse(event.data));
      });
      // A stream that was cut comes back by itself; one that was refused doesn't.
      stream.addEventListener("error", ({ target }) => target.readyState === 2 && fallBack(mine));
    };
    document.addEventListener("visibilitychange", start);
    addEventListener("pagehide", stop);
    // What the page shows is fresh: everything that it loads goes first.
    addEventListener("pageshow", () => (timer = setTimeout(start, 1000)));
  };
  if (stock) followStock(stock.dataset.live);

  // Tickets are kept on the device by a worker, from the moment that their page was open; wherever else
  // a reservation is shown, the worker hears of it and drops what isn't good any more.
  const tickets = document.querySelector("[data-tickets]");
  const workers = navigator.serviceWorker;
  const lookAfter = async (pages, isKept) => {
    // Nothing but pages of reservations is the worker's business, in either language.
    const scopes = pages.map((page) => page.slice(0, 6));
    const found = await Promise.all(scopes.map((scope) => (isKept ? workers.register("/sw.js", { scope }) : workers.getRegistration(scope))));
    const worker = isKept ? await workers.ready : found.find((one) => one?.active);
    const parts = [...all("link[rel=stylesheet], link[rel=icon], script[src]")].map(({ href, src }) => href ?? src);
    worker?.active.postMessage({ pages, parts: isKept ? parts : [] });
  };
  if (tickets && workers) {
    workers.addEventListener("message", ({ data }) => {
      const note = document.getElementById("kept");
      note?.toggleAttribute("data-waits", !data);
    });
    lookAfter(tickets.dataset.tickets.split(" "), "keep" in tickets.dataset).catch(() => {});
  }

  // Posters are fetched when they come into view; after the first scroll, or a pause, ahead of it.
  // Without script the browser takes them from the noscript element.
  const waiting = new Set(all(".poster noscript"));
  const fetchPoster = (noscript) => {
    waiting.delete(noscript);
    const holder = document.createElement("template");
    holder.innerHTML = noscript.textContent.replace(' loading="lazy"', "");
    noscript.replaceWith(holder.content);
  };
  const watch = (margin) => {
    const observer = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        const noscript = isIntersecting && target.querySelector("noscript");
        if (noscript) fetchPoster(noscript);
      }
    }, { rootMargin: margin });
    for (const noscript of waiting) observer.observe(noscript.parentElement);
    return observer;
  };
  if (waiting.size && "IntersectionObserver" in window) {
    const first = watch("0px");
    const lookAhead = () => { first.disconnect(); watch("150% 0px"); };
    addEventListener("scroll", lookAhead, { once: true, passive: true });
    addEventListener("load", () => setTimeout(lookAhead, 2500));
    addEventListener("beforeprint", () => waiting.forEach(fetchPoster));
  } else {
    waiting.forEach(fetchPoster);
  }
})();
