// Follows along: each part of the page is put in place again when the daemon says that it has changed.
// Without this file the page shows the same, as of when it was loaded.
"use strict";

for (const place of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(place.dataset.live);
  for (const part of place.querySelectorAll("[data-part]")) {
    events.addEventListener(part.dataset.part, (event) => replace(part, event.data));
  }
}

function replace(part, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  if (sameText(part, fresh.content)) return;
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  const focused = [...part.querySelectorAll("a, summary, [tabindex]")].indexOf(document.activeElement);
  part.replaceChildren(fresh.content);
  part.querySelectorAll("details").forEach((details, number) => { details.open = open[number] || false; });
  if (focused >= 0) part.querySelectorAll("a, summary, [tabindex]")[focused]?.focus();
}

// A screen reader reads a part again only when its words have changed.
function sameText(part, fresh) {
  return !fresh.querySelector("svg, progress") && part.textContent.trim() === fresh.textContent.trim();
}
