/* What the other programs were sent, as a telephone shows it: nothing is wider
   than the screen, however long a link is, also where the mail's program has put
   the text into a cell of a table. */

import { ok, open, portal, run } from "./guide.mjs";

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 390, height: 800 } });

  for (const { subject, html } of portal.mails) {
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      await page.setContent(html);
      const over = await page.evaluate(() =>
        document.documentElement.scrollWidth - innerWidth);
      ok(over <= 0, `${subject}: ${width} px`, `${over} px too wide`);
    }

    await page.setContent(`<table width="100%"><tr><td>${
      html.replace(/^[^]*<body[^>]*>|<\/body>[^]*$/g, "")}</td></tr></table>`);
    const over = await page.evaluate(() =>
      document.documentElement.scrollWidth - innerWidth);
    ok(over <= 0, `${subject}: in a table`, `${over} px too wide`);
  }
});
