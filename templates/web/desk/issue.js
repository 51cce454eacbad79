// The editor's page: dragging, arrow keys, lengths as one types, and a word before typed text is lost. Without this
// file the buttons do the same, each with a new page.

const form = document.querySelector("[data-compose]");
const said = form.querySelector("[data-said]");
const list = form.querySelector("[data-stories]");
// How often something was typed or moved, and how much of that is saved: what is typed while a save is under way is not.
let changes = 0;
let saved = 0;
let isLeaving = false;

form.addEventListener("input", () => { changes += 1; });
addEventListener("beforeunload", (event) => {
  if (changes > saved && !isLeaving) event.preventDefault();
});

// Saves are sent one after the other: each needs the version that the one before it made.
let sending = Promise.resolve();
let underWay = 0;
const save = (words) => {
  changes += 1;
  underWay += 1;
  sending = sending.then(() => send(words)).finally(() => { underWay -= 1; });
  return sending;
};

// So does a button: it waits for them, and is pressed then.
form.addEventListener("submit", (event) => {
  if (underWay === 0) {
    isLeaving = true;
    return;
  }
  event.preventDefault();
  const button = event.submitter;
  sending = sending.finally(() => {
    if (!isLeaving) form.requestSubmit(button);
  });
});

async function send(words) {
  said.textContent = `${words} Saving …`;
  const upTo = changes;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", "save");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "application/json" } });
    if (answer.status === 401 || answer.redirected) {
      said.textContent = "It could not be saved: you are signed out. Sign in in another tab, then press Save here. Nothing typed is lost.";
      return;
    }
    const { version, says, marks } = await answer.json();
    if (!answer.ok) {
      said.textContent = says;
      return;
    }
    form.elements.version.value = version;
    for (const [name, mark] of Object.entries(marks)) {
      const field = form.elements[name];
      if (field) field.value = mark;
    }
    saved = upTo;
    said.textContent = changes > saved ? `${words} Saved, but for what you typed since.` : `${words} Saved.`;
  } catch {
    said.textContent = "It could not be saved: the service does not answer. Nothing typed is lost; press Save to try again.";
  }
}

const name = (row) => row.querySelector("textarea.headline, textarea.section-name")?.value.trim() || "It";
const rows = () => [...list.querySelectorAll(":scope > [data-item]")];

// Places the buttons that make no sense at the ends, and the size of the lead.
function settle() {
  rows().forEach((row, index, all) => {
    row.classList.toggle("lead-story", index === 0);
    for (const button of row.querySelectorAll("[data-step]")) {
      button.hidden = button.dataset.step === "-1" ? index === 0 : index === all.length - 1;
    }
  });
}

function tell(row) {
  settle();
  const all = rows();
  return save(`${name(row)}: place ${all.indexOf(row) + 1} of ${all.length}.`);
}

function move(row, by) {
  const all = rows();
  const to = all.indexOf(row) + by;
  if (to < 0 || to >= all.length) {
    said.textContent = by < 0 ? "It is at the top." : "It is at the end.";
    return;
  }
  if (by < 0) all[to].before(row);
  else all[to].after(row);
  tell(row);
}

if (list) {
  for (const row of rows()) {
    const grip = row.querySelector("[data-grip]");
    grip.hidden = false;
    grip.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      move(row, by);
      grip.focus();
    });
    // Only the grip drags: texts in the row are for selecting. A finger drags as a mouse does. The dragged row keeps its
    // place among its siblings, and they go past it: one that is moved itself would lose the pointer.
    let before = -1;
    grip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      grip.setPointerCapture(event.pointerId);
      before = rows().indexOf(row);
      row.classList.add("dragged");
    });
    grip.addEventListener("pointermove", (event) => {
      if (before < 0) return;
      const edge = 64;
      if (event.clientY < edge) scrollBy(0, -16);
      if (event.clientY > innerHeight - edge) scrollBy(0, 16);
      const middle = (other) => {
        const box = other.getBoundingClientRect();
        return box.top + box.height / 2;
      };
      const all = rows();
      const at = all.indexOf(row);
      all.slice(0, at).filter((other) => event.clientY < middle(other)).reverse().forEach((other) => row.after(other));
      all.slice(at + 1).filter((other) => event.clientY > middle(other)).forEach((other) => row.before(other));
    });
    const drop = () => {
      if (before < 0) return;
      row.classList.remove("dragged");
      const hasMoved = rows().indexOf(row) !== before;
      before = -1;
      if (hasMoved) tell(row);
    };
    grip.addEventListener("pointerup", drop);
    grip.addEventListener("lostpointercapture", drop);
  }
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    event.preventDefault();
    move(button.closest("[data-item]"), Number(button.dataset.step));
    if (!button.hidden) button.focus();
    else button.closest("[data-item]").querySelector("[data-grip]").focus();
  });
}

// Lengths as one types. A line with {{…}} is printed by the service: its length is known once it is saved.
const widths = [40, 50, 90];
const says = (count) => {
  if (count <= 40) return "all of it is seen everywhere, also on a phone";
  if (count <= 50) return "a phone shows about 40 of them";
  if (count <= 90) return "a phone shows about 40 of them, a narrow window 50";
  return "few see all of it: a phone shows about 40 of them, a narrow window 50, a wide one 90";
};
for (const line of form.querySelectorAll("[data-line]")) {
  const text = line.querySelector("textarea");
  const words = line.querySelector("[data-says]");
  if (!words) continue;
  const printed = words.querySelector("[data-printed]");
  const count = words.querySelector("[data-count]");
  const about = words.querySelector("[data-words]");
  const cuts = line.querySelectorAll("[data-cut]");
  text.addEventListener("input", () => {
    const typed = text.value.trim().replace(/\s+/g, " ");
    if (!typed || typed.includes("{{")) {
      about.textContent = "before this change; how it is printed now is known once it is saved";
      return;
    }
    const letters = [...typed];
    printed.textContent = `“${typed}”`;
    count.textContent = letters.length;
    about.textContent = says(letters.length);
    cuts.forEach((cut, index) => {
      const width = widths[index];
      cut.textContent = letters.length > width ? `${letters.slice(0, width).join("").trimEnd()}…` : typed;
    });
  });
}
