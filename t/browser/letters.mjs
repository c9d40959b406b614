/* Letters with codes abonné: an administrator's pages, what comes out on paper,
   and the link of the QR code, which fills the parent's form. */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { arrive, button, heading, main, ok, open, otp, portal, run, stepUp } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

async function logIn(browser, options) {
  const page = await open(browser, options);
  const field = (label) => page.getByLabel(label, { exact: true });
  const { administrator } = portal;

  /* a code is good once */
  execFileSync("psql", ["-X", "-q", ...portal.psql, "-c",
    "set session_replication_role = replica; update portal.agent set totp_step = 0"]);
  await page.goto(`${portal.agents_url}/connexion`);
  await field("Adresse électronique").fill(administrator.email);
  await field("Mot de passe").fill(administrator.password);
  await field("Code à 6 chiffres").fill(otp(administrator.totp_secret));
  await button(main(page), "Me connecter").click();
  await arrive(page, "/");
  return page;
}

/* what a browser prints: how many sheets, and where things are on them */
async function paper(page) {
  const sheets = await page.locator(".paper").count();
  const file = `${portal.mail_dir}/letters.pdf`;

  writeFileSync(file, await page.pdf({ preferCSSPageSize: true, printBackground: true }));
  const told = execFileSync("pdfinfo", [file], { encoding: "utf8" });
  ok(sheets > 1 && told.match(/Pages:\s+(\d+)/)[1] === String(sheets),
    "a sheet for each letter", told);
  ok(/Page size:\s+59\d(\.\d+)? x 84\d/.test(told), "A4", told);

  execFileSync("pdftoppm", ["-r", "150", "-f", "1", "-l", "1", "-png", "-singlefile", file, file]);
  const code = await page.locator(".paper-big").first().innerText();
  ok(execFileSync("zbarimg", ["-q", "--raw", `${file}.png`], { encoding: "utf8", stdio: "pipe" }).trim()
    === `${portal.url}/mes-abonnements/nouveau#code=${code}`, "the printed QR code can be read");

  await page.setViewportSize({ width: 794, height: 1123 });
  await page.emulateMedia({ media: "print" });
  const seen = await page.evaluate(() => {
    const outer = (e) => e.getBoundingClientRect();
    return [...document.querySelectorAll(".paper")].map((letter) => {
      const range = document.createRange();
      const from = outer(letter);
      const mm = from.width / 210;
      range.selectNodeContents(letter.querySelector(".paper-to"));
      const to = range.getBoundingClientRect();
      return { left: (to.left - from.left) / mm, right: (to.right - from.left) / mm,
        top: (to.top - from.top) / mm, bottom: (to.bottom - from.top) / mm,
        rest: letter.clientHeight - letter.scrollHeight,
        qr: outer(letter.querySelector(".paper-qr")).width / mm };
    });
  });
  const shown = await page.locator(".menu, .top, .foot, .paper-desk, .trail").evaluateAll(
    (all) => all.filter((e) => e.getClientRects().length).map((e) => e.className));
  await page.emulateMedia({ media: null });

  ok(seen.every((s) => s.left >= 100 && s.right <= 190 && s.top >= 54.5 && s.bottom <= 79.5),
    "the address is behind the window", JSON.stringify(seen));
  ok(seen.every((s) => s.rest >= 0), "and all fits the sheet", JSON.stringify(seen));
  ok(seen.every((s) => s.qr >= 30), "the QR code is large enough for a telephone");
  ok(shown.length === 0, "nothing else is printed", shown.join());
}

async function agents(browser) {
  const page = await logIn(browser);

  for (const path of ["/codes", "/codes/responsables", "/codes/essais"]) {
    await page.goto(portal.agents_url + path);
    await inspect(page, path, true);
  }
  await main(page).getByRole("link", { name: "Retour aux codes et lettres" }).click();
  await arrive(page, "/codes");
  await page.getByLabel("Nom du responsable ou numéro de famille").fill("Guérin");
  await button(main(page), "Rechercher").click();
  await main(page).getByRole("link", { name: /^Guérin/ }).first().click();
  await inspect(page, "a guardian", true);

  await page.goto(`${portal.agents_url}/codes`);
  await main(page).getByRole("link", { name: /^Lot \d+$/ }).last().click();
  await stepUp(page, portal.administrator);
  await page.locator(".paper").first().waitFor();
  await inspect(page, "letters", true);
  ok(await button(main(page), "Imprimer").isVisible(), "there is a button to print");
  await paper(page);

  const code = await page.locator(".paper-big").first().innerText();
  ok(page.complaints.length === 0, "the console is empty", page.complaints.join("\n"));
  return { lot: page.url(), code };
}

async function parent(browser, code) {
  const page = await open(browser, { viewport: { width: 390, height: 844 } });
  const field = page.locator("#code");
  const asked = [];

  page.on("request", (r) => asked.push(r.url(), r.postData() ?? "", r.headers().referer ?? ""));
  await page.goto(`${portal.url}/mes-abonnements/nouveau#code=${code}`);
  await arrive(page, "/connexion");
  ok(!page.url().includes(code), "the code goes from the address at once", page.url());
  await page.getByLabel("Adresse électronique", { exact: true }).fill(portal.lone.email);
  await page.getByLabel("Mot de passe", { exact: true }).fill(portal.lone.password);
  await button(main(page), "Me connecter").click();
  await arrive(page, "/mes-abonnements/nouveau");
  ok(await field.inputValue() === code, "and is in the form past the log-in");
  ok(await page.evaluate(() => sessionStorage.length) === 0, "the browser keeps it no longer");
  ok(!asked.join("\n").includes(code), "no server has been sent it");
  await button(main(page), "Rechercher").click();
  await heading(page, "Abonnement trouvé", "the form finds the family");

  await page.goto(`${portal.url}/mes-abonnements/nouveau`);
  await page.goto(`${portal.url}/mes-abonnements/nouveau#code=${code}`);
  await page.waitForFunction((c) => document.getElementById("code").value === c, code);
  ok(!page.url().includes(code), "scanned over the open form");

  await page.goto("about:blank");
  await page.goto(`${portal.url}/mes-abonnements#code=${code}`);
  await main(page).getByRole("link", { name: "M'abonner" }).first().click();
  await field.waitFor();
  ok(await field.inputValue() === code, "in the dialog, too");

  for (const odd of ["#code=<b>", "#code=", "#code=" + "A".repeat(400), "#contenu"]) {
    await page.goto("about:blank");
    await page.goto(`${portal.url}/mes-abonnements/nouveau${odd}`);
    ok(await field.inputValue() === "", `what is no code fills nothing: ${odd.slice(0, 12)}`);
  }
  ok(page.complaints.length === 0, "the console is empty", page.complaints.join("\n"));
}

/* without scripts it is the browser's own menu that prints */
async function plain(browser, lot) {
  const page = await logIn(browser, { javaScriptEnabled: false });

  await page.goto(lot);
  await stepUp(page, portal.administrator);
  ok(!await page.locator("[data-print]").isVisible(), "no button that does nothing");
  await button(main(page), "Les lettres sont imprimées").click();
  await arrive(page, "/codes");
  ok(await page.getByText(/^L’impression est confirmée/).isVisible(), "printed");
  await page.goto(lot);
  ok(await page.locator(".paper").count() === 0, "and the codes are gone");
}

run(async (browser) => {
  const { lot, code } = await agents(browser);
  await parent(browser, code);
  await plain(browser, lot);
});
