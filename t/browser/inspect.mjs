/* One page at 390 and 1280 pixels: axe finds nothing, nothing overflows (320
   too, and what tablets and half a screen have), the console is empty, one h1,
   its language, a title of its own, no two headings with the same words. */

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

  for (const width of [1280, 1024, 912, 720, 560, 390, 320]) {
    await page.setViewportSize({ width, height: 900 });
    const over = await page.evaluate(() =>
      document.documentElement.scrollWidth - innerWidth);
    if (over > 0) bad.push(`${width}: ${over} px too wide`);
    if (![1280, 390].includes(width)) continue;

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

  const words = (await page.locator("h1, h2, .foot-title").allInnerTexts()).filter(Boolean);
  bad.push(...words.filter((text, i) => words.indexOf(text) < i)
    .map((text) => `two headings « ${text} »`));

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

/* the bar of a telephone: its words whole and readable, at the thumb, over
   nothing that has the focus; with letters twice as large no longer there */
export async function thumb(page, name) {
  const bad = [];
  const size = page.viewportSize();

  await page.waitForLoadState();
  for (const width of [320, 345, 360, 375, 384, 390, 480, 520, 700]) {
    await page.setViewportSize({ width, height: 640 });
    const found = await page.evaluate(seen);
    bad.push(...found.wrong.map((what) => `${width}: ${what}`));
    if (found.bottom !== 640) bad.push(`${width}: the bar ends at ${found.bottom}`);
    if (found.height > 72) bad.push(`${width}: it is ${found.height} px high`);
    if (found.letters < 12.5) bad.push(`${width}: its letters have ${found.letters} px`);
    if (!found.out) bad.push(`${width}: the way out is not at the top right`);
  }
  for (const width of [390, 800]) {
    await page.setViewportSize({ width, height: 844 });
    await page.evaluate(() => { document.documentElement.style.fontSize = "212.5%"; });
    const found = await page.evaluate(seen);
    bad.push(...found.wrong.map((what) => `${width}, twice as large: ${what}`));
    if (width === 390 && found.bottom === 844) bad.push("twice as large it stays");
    if (found.height > 280) bad.push(`twice as large it has ${found.height} px`);
    await page.evaluate(() => { document.documentElement.style.fontSize = ""; });
  }

  await page.setViewportSize({ width: 360, height: 640 });
  await page.evaluate(() => { scrollTo(0, 0); document.querySelector(".skip a").focus(); });
  for (let i = 0; i < 80; i++) {
    const before = await page.evaluate(() => scrollY);
    await page.keyboard.press("Tab");
    const found = await page.evaluate(covered);
    if (found === null) break;
    if (found.hidden) bad.push(`under the bar: ${found.hidden}`);
    if (found.bar && found.scroll !== before) {
      bad.push(`in the bar, and the page moves ${found.scroll - before} px`);
    }
  }
  await page.evaluate(() => { scrollTo(0, 0); document.querySelector(".skip [href='#menu']").focus(); });
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  const led = await page.evaluate(covered);
  if (!led?.bar || led.scroll) bad.push(`« Aller au menu »: ${JSON.stringify(led)}`);
  await page.setViewportSize(size);
  ok(bad.length === 0, `${name}: the bar of a telephone`, bad.join("\n"));
}

/* in the page: the bar's place, and words that end in the next line */
function seen() {
  const bar = document.querySelector(".menu");
  const { bottom, height } = bar.getBoundingClientRect();
  const out = document.querySelector("header form[action='/deconnexion'] button")
    .getBoundingClientRect();
  const labels = [...bar.querySelectorAll("a span")].filter((e) => e.getClientRects().length);
  const wrong = labels.length < 2 ? ["no labels"] : [];

  for (const label of labels) {
    const text = label.firstChild;
    const box = label.closest("li").getBoundingClientRect();
    for (const { 0: word, index } of text.data.matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const lines = [...range.getClientRects()];
      if (lines.length !== 1) wrong.push(`« ${word} » is in ${lines.length} pieces`);
      if (lines.some((l) => l.left < box.left || l.right > box.right || box.right > innerWidth)) {
        wrong.push(`« ${word} » does not fit`);
      }
    }
  }
  return { wrong, bottom, height, letters: Math.min(...labels.map((e) =>
    parseFloat(getComputedStyle(e).fontSize))),
  out: out.right > innerWidth - 30 && out.left > innerWidth / 2 - 30 && out.top < 150 };
}

/* in the page: what has the focus, if the bar is over it; null at the end */
function covered() {
  const e = document.activeElement;
  if (e === document.body) return null;
  const bar = document.querySelector(".menu");
  const box = e.getBoundingClientRect();
  const over = bar.getBoundingClientRect();
  const inside = bar.contains(e);

  return { bar: inside, scroll: scrollY,
    hidden: !inside && box.bottom > over.top && box.top < over.bottom
      ? e.outerHTML.slice(0, 120) : "" };
}
