// Follows along: each part of the page is put in place again when the daemon says that it has changed.
// Without this file the page shows the same, as of when it was loaded.
"use strict";

const PATIENCE = 10000; // milliseconds: a stream that ends for no bad reason is back in three seconds
const FOCUSED = "a, button, summary, [tabindex]";
const stale = document.getElementById("stale");

for (const place of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(place.dataset.live);
  tellWhenItEnds(events);
  events.addEventListener("ended", () => { events.close(); location.reload(); });
  for (const part of place.querySelectorAll("[data-part]")) {
    events.addEventListener(part.dataset.part, (event) => replace(part, event.data));
  }
}

// The browser gives up for good where the daemon does not know it any more; where nobody answers, it tries for ever.
function tellWhenItEnds(events) {
  let doubt;
  events.addEventListener("open", () => { clearTimeout(doubt); doubt = undefined; stale.hidden = true; });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) stale.hidden = false;
    else doubt ??= setTimeout(() => { stale.hidden = false; }, PATIENCE);
  });
}

function replace(part, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  if (sameText(part, fresh.content)) return;
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  const focused = [...part.querySelectorAll(FOCUSED)].indexOf(document.activeElement);
  part.replaceChildren(fresh.content);
  part.querySelectorAll("details").forEach((details, number) => { details.open = open[number] || false; });
  if (focused >= 0) part.querySelectorAll(FOCUSED)[focused]?.focus();
}

// A screen reader reads a part again only when its words have changed.
function sameText(part, fresh) {
  return !fresh.querySelector("svg, progress") && part.textContent.trim() === fresh.textContent.trim();
}
