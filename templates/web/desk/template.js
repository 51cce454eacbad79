// The preview follows what is typed. Without this, a button shows it.
const bench = document.getElementById("workbench");
const button = document.getElementById("show-preview");
let waiting = 0;

// A frame of its own for each preview: what was shown stays until the next is there, and the browser's "back" leads out
// of the page, not through all previews.
function show() {
  const old = bench.querySelector("iframe:not([data-coming])");
  bench.querySelector("iframe[data-coming]")?.remove();
  const next = old.cloneNode();
  next.name = `preview-${Date.now()}`;
  next.dataset.coming = "";
  next.hidden = true;
  old.after(next);
  next.addEventListener("load", () => {
    if (!next.isConnected || next.dataset.asked === undefined) return;
    delete next.dataset.coming;
    next.hidden = false;
    old.remove();
  });
  button.formTarget = next.name;
  next.dataset.asked = "";
  bench.requestSubmit(button);
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(show, 500);
}

bench.addEventListener("input", soon);
button.addEventListener("click", (event) => {
  if (event.isTrusted) {
    event.preventDefault();
    show();
  }
});
show();
