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

  // A hold that has run out while the page was open: ask the server how it stands now.
  for (const held of all("[data-until]")) {
    const wait = Date.parse(held.dataset.until) - Date.now() + 1500;
    if (wait > 0 && wait < 86400000) setTimeout(() => location.reload(), wait);
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
