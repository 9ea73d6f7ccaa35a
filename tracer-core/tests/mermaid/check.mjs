// Reads a Mermaid file from standard input, parses and draws it with the real Mermaid, and prints what it saw as JSON:
// {nodes, edges, node_labels, edge_labels, active}; it ends with an error where Mermaid does. The modules come from the folder given as the first argument.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.argv[2]}/`));
const { JSDOM } = require("jsdom");

const { window } = new JSDOM('<!doctype html><body><div id="root"></div></body>', { pretendToBeVisual: true, url: "http://localhost" });
globalThis.window = window;
for (const name of Object.getOwnPropertyNames(window)) {
  if (!(name in globalThis)) globalThis[name] = window[name];
}
// jsdom does no layout: every text is as large as every other.
const box = () => ({ x: 0, y: 0, width: 100, height: 20, top: 0, left: 0, right: 100, bottom: 20 });
Object.assign(window.SVGElement.prototype, { getBBox: box, getComputedTextLength: () => 100 });
window.CSSStyleSheet.prototype.replaceSync ??= () => {};
// Without layout an edge may miss the outline of its node; Mermaid then takes the node for the point, its label included,
// and encodes that for debugging with a function that refuses what is not Latin-1.
globalThis.btoa = (text) => Buffer.from(text).toString("base64");

const text = readFileSync(0, "utf8");
const { default: mermaid } = await import(pathToFileURL(`${process.argv[2]}/mermaid/dist/mermaid.core.mjs`));
mermaid.initialize({ startOnLoad: false, logLevel: "fatal" });
const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
const { svg } = await mermaid.render("graph", text);
const root = window.document.createElement("div");
root.innerHTML = svg;
const all = (selector) => [...root.querySelectorAll(selector)];
const labels = (selector) =>
  all(selector).map((element) => {
    for (const lineBreak of element.querySelectorAll("br")) lineBreak.replaceWith("\n");
    // Spaces that do not break stand for spaces, and word joiners part what Mermaid would take for its own.
    return element.textContent.replaceAll("\u00a0", " ").replaceAll("\u2060", "");
  });
const [nodes, edges] = [db.getVertices().size, db.getEdges().length];
const drawn = [all("g.node").length, all("path.flowchart-link").length];
if (drawn[0] !== nodes || drawn[1] !== edges) throw new Error(`parsed ${nodes}, ${edges}; drew ${drawn}`);
const seen = {
  nodes,
  edges,
  node_labels: labels("g.node .nodeLabel"),
  edge_labels: labels("g.edgeLabels span.edgeLabel"),
  active: all("script, a, img, iframe, [onclick], [onerror], .clickable").length,
};
// Mermaid's timers would keep node alive.
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
