// What every page of desk and office has: keys that lead to places. Everything else works without this file.

const places = { t: "/desk", i: "/desk/inbox", s: "/desk/issues", c: "/desk/calendar" };
let waitsForPlace = false;

addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (waitsForPlace && places[event.key]) location.href = places[event.key];
  waitsForPlace = event.key === "g";
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
