// Comfort on the pages for staff, which all work without it.
(() => {
  "use strict";
  // Keys that lead about, but not while somebody types.
  const places = {
    h: "/staff", c: "/staff/concerts", r: "/staff/reservations", p: "/staff/reports", m: "/staff/mails", u: "/staff/users",
    a: "/staff/audit", y: "/staff/account",
  };
  let isGoing = false;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    }
    const place = isGoing && document.querySelector(`.sections a[href="${places[event.key]}"]`);
    isGoing = event.key === "g";
    if (place) place.click();
  });
})();
