"use strict";

// Elements of one slider position have data-step; those of the current position are shown.
const slider = document.getElementById("epsilon");
if (slider) {
  const steps = document.querySelectorAll("[data-step]");
  const names = Array.from(document.querySelectorAll("#epsilons option"), (o) => o.label);
  const show = () => {
    for (const each of steps) each.toggleAttribute("hidden", each.dataset.step !== slider.value);
    slider.setAttribute("aria-valuetext", names[slider.value]);
  };
  slider.addEventListener("input", show);
  show(); // A browser may have restored the slider's position.
}

// Sorts numbers by value and words naturally; what was not measured stays at the end.
const compare = (a, b, direction) => {
  const missing = (cell) => cell.classList.contains("missing");
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  if ("value" in a.dataset && "value" in b.dataset) {
    return direction * (a.dataset.value - b.dataset.value);
  }
  return direction * a.textContent.localeCompare(b.textContent, "en", { numeric: true });
};

for (const table of document.querySelectorAll("table")) {
  const heads = Array.from(table.querySelectorAll("thead th"));
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const rows = Array.from(table.tBodies[0].rows);
      rows.sort((a, b) => compare(a.cells[column], b.cells[column], direction));
      table.tBodies[0].append(...rows);
    });
  });
}
