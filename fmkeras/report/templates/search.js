"use strict";

// The plots of a search: plotly draws, in the colours of the page's scheme.
const charts = new Map();
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--ink"), line: of("--line"), panel: of("--panel") };
}

function scheme(layout) {
  const { ink, line, panel } = colours();
  const axis = (own) => ({
    ...own,
    gridcolor: line,
    linecolor: line,
    zerolinecolor: line,
  });
  return {
    ...layout,
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, family: "system-ui, sans-serif", size: 13 },
    hoverlabel: { bgcolor: panel, bordercolor: line, font: { color: ink }, align: "left" },
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  };
}

function draw() {
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  for (const [place, figure] of charts) {
    Plotly.react(place, figure.data, scheme(figure.layout), config);
  }
}

for (const source of document.querySelectorAll("script[data-chart]")) {
  charts.set(document.getElementById(source.dataset.chart), JSON.parse(source.textContent));
}
draw();
dark.addEventListener("change", draw);
// On paper all is light and as wide as the paper.
paper.addEventListener("change", () => {
  draw();
  for (const place of charts.keys()) Plotly.Plots.resize(place);
});

// Filters: of the table, and of the lines by epoch.
const form = document.getElementById("filters");
const rows = [...document.querySelectorAll("#trials tbody tr")];
const epochs = document.getElementById("epochs");

function cellOf(row, name) {
  if (name === "state" || name === "accuracy") return row.dataset[name];
  const cell = [...row.cells].find((one) => one.dataset.name === name);
  return cell.dataset.value;
}

function passes(row, field) {
  if (field.value === "") return true;
  const { name, end } = field.dataset;
  if (!end) {
    const cell = [...row.cells].find((one) => one.dataset.name === name);
    return (cell ? cell.textContent : row.dataset[name]) === field.value;
  }
  const value = cellOf(row, name);
  if (value === "") return false;
  return end === "low" ? Number(value) >= Number(field.value) : Number(value) <= Number(field.value);
}

function filter() {
  const fields = [...form.querySelectorAll("[data-name]")];
  const shown = new Set();
  for (const row of rows) {
    row.hidden = !fields.every((field) => passes(row, field));
    if (!row.hidden) shown.add(row.dataset.trial);
  }
  document.getElementById("shown").textContent = `${shown.size} of ${rows.length} trials`;
  if (epochs) {
    for (const line of charts.get(epochs).data) line.visible = shown.has(line.name);
    draw();
  }
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("change", filter);
form.addEventListener("submit", (event) => event.preventDefault());
// The fields are empty only after this event.
form.addEventListener("reset", () => setTimeout(filter));
filter();
