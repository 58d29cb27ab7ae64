"use strict";

// Tables: a heading sorts by its column; numbers from the greatest, words from A.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sortRows(table.tBodies[0], column, order === "ascending" ? 1 : -1);
    });
  });
}

function sortRows(body, column, sign) {
  const value = (row) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    // Empty cells stay at the end, whichever way.
    if (a === "" || b === "") return (a === "") - (b === "");
    const numbers = !isNaN(a) && !isNaN(b);
    return sign * (numbers ? a - b : a.localeCompare(b));
  });
  body.append(...rows);
}

// What is wider than the page: a line above says that it scrolls.
for (const box of document.querySelectorAll(".scroll, .wide")) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Scroll sideways for the rest \u2192";
  hint.hidden = true;
  box.before(hint);
  const check = () => {
    hint.hidden = box.scrollWidth <= box.clientWidth + 1;
  };
  new ResizeObserver(check).observe(box);
  check();
}

// The confusion matrix: counts or shares, and the pictures of a cell.
const cells = document.getElementById("cells");
if (cells) {
  const { classes, across, cells: images } = JSON.parse(cells.textContent);
  const gallery = document.getElementById("gallery");
  const buttons = [...document.querySelectorAll("[data-cell]")];
  const close = () => {
    gallery.hidden = true;
    for (const button of buttons) button.setAttribute("aria-expanded", "false");
  };
  for (const button of buttons) {
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", "gallery");
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      close();
      if (open) return;
      button.setAttribute("aria-expanded", "true");
      fill(gallery, button, classes, across, images[button.dataset.cell]);
      gallery.hidden = false;
      gallery.focus({ preventScroll: true });
      gallery.scrollIntoView({ block: "nearest" });
    });
  }
  const leave = () => {
    const from = buttons.find((b) => b.getAttribute("aria-expanded") === "true");
    close();
    from?.focus();
  };
  gallery.querySelector(".close").addEventListener("click", leave);
  gallery.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
  });
  for (const choice of document.querySelectorAll('input[name="cells"]')) {
    choice.addEventListener("change", () => {
      for (const button of buttons) button.textContent = button.dataset[choice.value];
    });
  }
}

function fill(gallery, button, classes, across, images) {
  const [label, guess] = button.dataset.cell.split("-").map(Number);
  const count = Number(button.dataset.count);
  const right = label === guess;
  gallery.querySelector("h3").textContent = right
    ? `${classes[label]}, recognised`
    : `${classes[label]} taken for ${classes[guess]}`;
  const some = images.length < count ? `${images.length} of ` : "";
  gallery.querySelector("p").textContent =
    `${some}${count} ${count === 1 ? "image" : "images"}, ` +
    `${right ? "the least sure first" : "the most confident first"}; ` +
    "below each the confidence.";
  const tiles = images.map(([place, number, share]) => {
    const tile = document.createElement("span");
    const confidence = `${(share / 100).toFixed(1)} %`;
    tile.className = "tile";
    tile.setAttribute("role", "img");
    tile.setAttribute("aria-label", `Test image ${number}`);
    tile.title = `Test image ${number}`;
    tile.style.backgroundImage = `url("images-${label}.png")`;
    tile.style.setProperty("--across", across);
    tile.style.setProperty("--x", place % across);
    tile.style.setProperty("--y", Math.floor(place / across));
    const item = document.createElement("li");
    item.append(tile, confidence);
    return item;
  });
  gallery.querySelector("ul").replaceChildren(...tiles);
}
