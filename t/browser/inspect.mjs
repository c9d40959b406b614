/* One page at 390 and 1280 pixels: axe finds nothing, nothing overflows (320
   too), the console is empty, one h1, its language, a title of its own. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ok } from "./guide.mjs";

const axe = readFileSync(createRequire(import.meta.url)
  .resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
const titles = new Map();

/* two addresses never share a title; persons may share a name */
async function sameTitle(page) {
  const path = new URL(page.url()).pathname;
  const title = await page.title();
  const other = titles.get(title);

  if (/\d/.test(path)) return [];
  titles.set(title, path);
  return other && other !== path
    ? [`« ${title} » is also the title of ${other}`] : [];
}

export async function inspect(page, name, own, lang = "fr") {
  const bad = [];

  for (const width of [1280, 390, 320]) {
    await page.setViewportSize({ width, height: 900 });
    const over = await page.evaluate(() =>
      document.documentElement.scrollWidth - innerWidth);
    if (over > 0) bad.push(`${width}: ${over} px too wide`);
    if (width === 320) continue;

    if (!await page.evaluate(() => "axe" in window)) await page.evaluate(axe);
    const result = await page.evaluate((tags) => window.axe.run(document,
      { runOnly: { type: "tag", values: tags } }), TAGS);
    for (const v of result.violations) {
      bad.push(`${width}: ${v.id}: ${v.help}`,
        ...v.nodes.map((n) =>
          `    ${n.html.slice(0, 200)}\n    ${n.failureSummary}`));
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });

  const heads = await page.getByRole("heading", { level: 1 }).count();
  if (heads !== 1) bad.push(`${heads} h1`);
  if (await page.locator("html").getAttribute("lang") !== lang) {
    bad.push(`not lang="${lang}"`);
  }

  if (own) bad.push(...await sameTitle(page));
  bad.push(...page.complaints.splice(0));
  ok(bad.length === 0, `${name}: ${new URL(page.url()).pathname}`,
    bad.join("\n"));
}

/* at 320 pixels, and with letters twice as large: all of it is there, and
   nothing is beside the screen */
export async function stretched(page, name) {
  const bad = [];
  const size = page.viewportSize();

  for (const [width, letters] of [[320, ""], [640, ""], [1280, "212.5%"]]) {
    await page.setViewportSize({ width, height: 900 });
    bad.push(...await page.evaluate(([what, font]) => {
      document.documentElement.style.fontSize = font;
      const found = [];
      const over = document.documentElement.scrollWidth - innerWidth;
      if (over > 0) found.push(`${what}: ${over} px too wide`);
      for (const e of document.querySelectorAll("main *, header *, nav *")) {
        const { right, width: w } = e.getBoundingClientRect();
        if (!w || e.closest("input, .vh, .skip, thead, [hidden]")) continue;
        const style = getComputedStyle(e);
        const hides = /hidden|clip/.test(style.overflowX)
          && e.scrollWidth > e.clientWidth + 1;
        if (right > innerWidth + 1 || hides) {
          found.push(`${what}: cut: ${e.outerHTML.slice(0, 120)}`);
        }
      }
      document.documentElement.style.fontSize = "";
      return found.slice(0, 5);
    }, [`${width} ${letters}`, letters]));
  }
  await page.setViewportSize(size);
  ok(bad.length === 0, `${name}: nothing is cut`, bad.join("\n"));
}
