// The ticks on the list of people: all of the page at once without loading it anew, a stretch of them with Shift, and how
// many there are. Everything else works without this file.

const ticks = [...document.querySelectorAll("input[name=person]")];
const all = document.querySelector(".tick-all a");
const status = document.querySelector(".tick-all [role=status]");
let last = null;

function tell() {
  const count = ticks.filter((tick) => tick.checked).length;
  status.textContent = count === 0 ? "" : `${count} ticked`;
  all.textContent = count === ticks.length ? "Tick nobody" : "Tick all on this page";
}

all.addEventListener("click", (event) => {
  event.preventDefault();
  const checked = !ticks.every((tick) => tick.checked);
  for (const tick of ticks) tick.checked = checked;
  tell();
});

for (const tick of ticks) {
  tick.addEventListener("click", (event) => {
    const [from, to] = [ticks.indexOf(last), ticks.indexOf(tick)].sort((one, other) => one - other);
    if (event.shiftKey && from >= 0) {
      for (const between of ticks.slice(from, to + 1)) between.checked = tick.checked;
    }
    last = tick;
    tell();
  });
}

// A browser that goes back keeps the ticks.
addEventListener("pageshow", tell);
