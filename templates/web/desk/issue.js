// The editor's page: dragging, arrow keys, lengths as one types, and a word before typed text is lost. Without this
// file the buttons do the same, each with a new page.

const form = document.querySelector("[data-compose]");
const said = form.querySelector("[data-said]");
const list = form.querySelector("[data-stories]");
let isDirty = false;
let isLeaving = false;

form.addEventListener("input", () => { isDirty = true; });
form.addEventListener("submit", () => { isLeaving = true; });
addEventListener("beforeunload", (event) => {
  if (isDirty && !isLeaving) event.preventDefault();
});

// Saves are sent one after the other: each needs the version that the one before it made.
let sending = Promise.resolve();
const save = (words) => {
  sending = sending.then(() => send(words));
  return sending;
};

async function send(words) {
  said.textContent = `${words} Saving …`;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", "save");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "application/json" } });
    if (answer.status === 401 || answer.redirected) {
      isDirty = true;
      said.textContent = "It could not be saved: you are signed out. Sign in in another tab, then press Save here. Nothing typed is lost.";
      return;
    }
    const { version, says, marks } = await answer.json();
    if (!answer.ok) {
      isDirty = true;
      said.textContent = says;
      return;
    }
    form.elements.version.value = version;
    for (const [name, mark] of Object.entries(marks)) {
      const field = form.elements[name];
      if (field) field.value = mark;
    }
    isDirty = false;
    said.textContent = `${words} Saved.`;
  } catch {
    isDirty = true;
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
    // Only the grip drags: texts in the row are for selecting.
    grip.draggable = true;
    grip.addEventListener("dragstart", (event) => {
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", name(row));
      event.dataTransfer.setDragImage(row, 0, 0);
      row.classList.add("dragged");
    });
    grip.addEventListener("dragend", () => {
      row.classList.remove("dragged");
      for (const other of rows()) other.classList.remove("over-here");
    });
    row.addEventListener("dragover", (event) => {
      if (!list.querySelector(".dragged")) return;
      event.preventDefault();
      for (const other of rows()) other.classList.toggle("over-here", other === row);
    });
    row.addEventListener("drop", (event) => {
      const dragged = list.querySelector(".dragged");
      if (!dragged || dragged === row) return;
      event.preventDefault();
      const all = rows();
      if (all.indexOf(dragged) < all.indexOf(row)) row.after(dragged);
      else row.before(dragged);
      tell(dragged);
    });
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
