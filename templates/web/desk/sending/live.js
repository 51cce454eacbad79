// Follows an issue while it goes out. The page shows the same figures without this file, and is loaded anew then.

const box = document.querySelector("[data-events]");
if (box) {
  const parts = (name) => document.querySelectorAll(`[data-live="${name}"]`);
  const texts = ["headline", "sent", "waiting", "deferred", "failed", "skipped", "speed", "left", "reason", "says", "act"];

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
    // The page of an issue that has not started shows no figures yet.
    if ("waits" in box.dataset) {
      if (figures.has_begun) location.reload();
      return;
    }
    for (const name of texts) {
      // Unchanged words are left alone: a screen reader would say them again.
      for (const part of parts(name)) if (part.textContent !== figures[name]) part.textContent = figures[name];
    }
    for (const part of parts("act")) part.hidden = !figures.act;
    for (const part of parts("reason")) part.hidden = !figures.reason;
    for (const part of parts("percent")) part.value = figures.percent;
    for (const part of parts("state")) {
      part.className = `state ${figures.class}`;
      if (part.textContent !== figures.state) part.textContent = figures.state;
    }
    for (const part of parts("failures")) part.replaceChildren(...figures.failures.map(row));
    for (const part of parts("none")) part.hidden = figures.failures.length > 0;
  };

  // A connection that is back within seconds is not worth a word.
  const PATIENCE = 5_000;
  // What a browser gives up by itself, after a restart or the end of a session for instance, the page tries anew.
  const TRY_AGAIN = 15_000;
  let worry;
  const tell = (isLost) => {
    for (const part of parts("lost")) part.hidden = !isLost;
  };
  const again = async () => {
    try {
      const answer = await fetch(location.href, { method: "HEAD" });
      if (answer.status < 500) return location.reload();
    } catch {
      // The service is away: it may be back later.
    }
    setTimeout(again, TRY_AGAIN);
  };

  const events = new EventSource(box.dataset.events);
  events.addEventListener("open", () => {
    clearTimeout(worry);
    tell(false);
  });
  events.addEventListener("error", () => {
    clearTimeout(worry);
    if (events.readyState === EventSource.CLOSED) {
      tell(true);
      setTimeout(again, TRY_AGAIN);
    } else {
      worry = setTimeout(tell, PATIENCE, true);
    }
  });
  events.addEventListener("progress", (event) => show(JSON.parse(event.data)));
  events.addEventListener("end", () => {
    events.close();
    // The head says how it ended, once it is loaded anew.
    location.reload();
  });
}
