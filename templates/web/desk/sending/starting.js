// Counts down to the first message. The pages work without this file: they say how long it is when they are loaded.

for (const box of document.querySelectorAll("[data-millis]")) {
  const until = performance.now() + Number(box.dataset.millis);
  const seconds = box.querySelector("[data-countdown]");
  const bar = box.querySelector("progress");
  const over = () => {
    for (const gone of box.querySelectorAll("form, [data-until]")) gone.remove();
    const going = box.querySelector("[data-going]");
    if (going) going.textContent = "Going out now.";
    // The service looks once a second whose time has come.
    if (box.dataset.then) setTimeout(() => location.replace(box.dataset.then), 2500);
  };
  let timer;
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
    if (seconds) seconds.textContent = left;
    if (bar) bar.value = left;
    if (left > 0) return;
    clearInterval(timer);
    over();
  };
  timer = setInterval(tick, 250);
  tick();
}
