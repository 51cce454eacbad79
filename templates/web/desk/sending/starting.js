// Counts down to the first message. The page works without this file: it is loaded anew every few seconds.

const box = document.querySelector("[data-millis]");
if (box) {
  const until = performance.now() + Number(box.dataset.millis);
  const seconds = box.querySelector("[data-countdown]");
  const bar = box.querySelector("progress");
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
    seconds.textContent = left;
    bar.value = left;
    if (left > 0) return;
    clearInterval(timer);
    // The service looks once a second whose time has come.
    setTimeout(() => location.replace(box.dataset.then), 2500);
  };
  const timer = setInterval(tick, 250);
  tick();
}
