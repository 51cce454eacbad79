// What every page of desk and office has: keys that lead to places, and times as they are where the visitor is.
// Everything else works without this file.

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

// Times are those of a newsletter's zone, or UTC. Where the visitor's clock shows another, it is told beside the exact one.
const clock = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime][title]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  const here = clock.format(at);
  if (!time.title.includes(here)) time.title += ` (${here} on your clock)`;
}
