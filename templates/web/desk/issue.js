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
    // What was typed since the last save would be lost with an undo: the browser asks.
    isLeaving = !event.submitter?.matches("[data-undo]") || changes === saved;
    return;
  }
  event.preventDefault();
  const button = event.submitter;
  sending = sending.finally(() => {
    if (!isLeaving) form.requestSubmit(button);
  });
});

// A heading with nothing below it is gone: it is told until the page is left, with the way back.
const gone = form.querySelector("[data-gone]");
const tellGone = (names) => {
  gone.querySelector("p").textContent = names.length === 1
    ? `The heading “${names[0]}” has no article below it any more, and was removed.`
    : `These headings have no article below them any more, and were removed: ${names.map((each) => `“${each}”`).join(", ")}.`;
  gone.hidden = false;
};
// The last step can be taken back beside where it is told. The page's own list of steps, and its notice of one before,
// know nothing of it.
const back = form.querySelector("[data-back]");
const tellBack = (version) => {
  back.formAction = `${form.action}/undo/${version}`;
  back.hidden = false;
  document.querySelectorAll(".said").forEach((each) => each.remove());
  const history = document.querySelector(".history");
  if (!history || history.dataset.stale) return;
  history.dataset.stale = "yes";
  history.querySelectorAll("form").forEach((each) => each.remove());
  const note = document.createElement("p");
  note.className = "meta";
  note.textContent = "What you did since this page was opened stands here once it is loaded anew.";
  history.before(note);
};
let goneNames = [];
let goneSince = 0;

async function send(words) {
  said.textContent = `${words} Saving …`;
  const upTo = changes;
  // Headings that this save takes away, or one before it did.
  const hasGone = goneNames.length > 0;
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
    if (hasGone) {
      goneSince ||= version;
      const undo = gone.querySelector("[data-undo]");
      undo.formAction = `${form.action}/undo/${goneSince}`;
      undo.textContent = version === goneSince ? "Undo" : "Go back to before that";
      tellGone(goneNames);
    }
    said.textContent = changes > saved ? `${words} Saved, but for what you typed since.` : `${words} Saved.`;
    tellBack(version);
  } catch {
    said.textContent = "It could not be saved: the service does not answer. Nothing typed is lost; press Save to try again.";
  }
}

const name = (row) => row.querySelector("textarea.headline, textarea.section-name")?.value.trim() || "It";
const isHeading = (row) => row.classList.contains("heading");
const rows = () => [...list.querySelectorAll(":scope > [data-item]")];

// Brings what was moved into the order that is kept: the lead stands above all headings, and a heading above an article.
// Then places the buttons that make no sense at the ends, and the size of the lead.
function settle() {
  const moved = rows();
  const lead = moved.findIndex((row) => !isHeading(row));
  if (lead > 0) moved[lead].after(...moved.slice(0, lead));
  for (const row of rows()) {
    if (!isHeading(row) || (row.nextElementSibling && !isHeading(row.nextElementSibling))) continue;
    goneNames.push(name(row));
    row.remove();
  }
  rows().forEach((row, index, all) => {
    row.classList.toggle("lead-story", index === 0);
    const [first, last] = isHeading(row) ? [1, all.length - 2] : [0, all.length - 1];
    for (const button of row.querySelectorAll("[data-step]")) {
      button.hidden = button.dataset.step === "-1" ? index <= first : index >= last;
    }
  });
}

// Saves where a row was put; `before` is the order that there was.
function tell(row, before) {
  settle();
  const all = rows();
  if (all.length === before.length && all.every((each, index) => each === before[index])) {
    said.textContent = "It stands where it stood: a heading stands below the lead.";
    return;
  }
  const where = all.indexOf(row);
  const place = where < 0 ? "removed" : `place ${where + 1} of ${all.length}`;
  save(`${name(row)}: ${place}.`);
}

function move(row, by) {
  const all = rows();
  const from = all.indexOf(row);
  let to = from + by;
  // The lead goes down past the headings below it: under one of them it would lead as before.
  while (from === 0 && to + 1 < all.length && isHeading(all[to])) to += 1;
  if (to < 0 || to >= all.length) {
    said.textContent = by < 0 ? "It is at the top." : "It is at the end.";
    return;
  }
  if (isHeading(row) && to === all.length - 1) {
    said.textContent = "It is at the end: a heading stands above an article.";
    return;
  }
  if (by < 0) all[to].before(row);
  else all[to].after(row);
  tell(row, all);
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
      if (row.isConnected) grip.focus();
    });
    // Only the grip drags: texts in the row are for selecting. A finger drags as a mouse does. The dragged row keeps its
    // place among its siblings, and they go past it: one that is moved itself would lose the pointer.
    let before = null;
    grip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      grip.setPointerCapture(event.pointerId);
      before = rows();
      row.classList.add("dragged");
    });
    grip.addEventListener("pointermove", (event) => {
      if (!before) return;
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
      if (!before) return;
      row.classList.remove("dragged");
      const was = before;
      before = null;
      if (rows().indexOf(row) !== was.indexOf(row)) tell(row, was);
    };
    grip.addEventListener("pointerup", drop);
    grip.addEventListener("lostpointercapture", drop);
  }
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    event.preventDefault();
    const row = button.closest("[data-item]");
    move(row, Number(button.dataset.step));
    if (!row.isConnected) return;
    if (!button.hidden) button.focus();
    else row.querySelector("[data-grip]").focus();
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
  const stored = [printed.textContent, count.textContent];
  const storedCuts = [...cuts].map((cut) => cut.textContent);
  text.addEventListener("input", () => {
    const typed = text.value.trim().replace(/\s+/g, " ");
    if (!typed || typed.includes("{{")) {
      [printed.textContent, count.textContent] = stored;
      cuts.forEach((cut, index) => { cut.textContent = storedCuts[index]; });
      about.textContent = "as it was when this page was opened; how it is printed now is known once it is saved";
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
