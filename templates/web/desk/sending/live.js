// Follows an issue while it goes out. The page shows the same figures without this file, and is loaded anew then.

const box = document.querySelector("[data-events]");
if (box) {
  const parts = (name) => document.querySelectorAll(`[data-live="${name}"]`);
  const texts = ["headline", "sent", "waiting", "deferred", "failed", "skipped", "speed", "left", "reason"];

  const row = ({ who, state, said, at }) => {
    const item = document.createElement("li");
    const words = document.createElement("div");
    if (who) {
      const title = document.createElement("p");
      title.className = "title";
      title.dir = "ltr";
      title.textContent = who;
      words.append(title);
    }
    const meta = document.createElement("p");
    meta.className = "meta";
    meta.textContent = `${at} · ${said}`;
    words.append(meta);
    const mark = document.createElement("span");
    mark.className = "state";
    mark.textContent = state;
    item.append(words, mark);
    return item;
  };

  const show = (figures) => {
    for (const name of texts) {
      // Unchanged words are left alone: a screen reader would say them again.
      for (const part of parts(name)) if (part.textContent !== figures[name]) part.textContent = figures[name];
    }
    for (const part of parts("reason")) part.hidden = !figures.reason;
    for (const part of parts("percent")) part.value = figures.percent;
    for (const part of parts("state")) {
      part.className = `state ${figures.class}`;
      if (part.textContent !== figures.state) part.textContent = figures.state;
    }
    for (const part of parts("failures")) part.replaceChildren(...figures.failures.map(row));
    for (const part of parts("none")) part.hidden = figures.failures.length > 0;
  };

  const events = new EventSource(box.dataset.events);
  events.addEventListener("progress", (event) => show(JSON.parse(event.data)));
  events.addEventListener("end", () => {
    events.close();
    // The head says how it ended, once it is loaded anew.
    location.reload();
  });
}
