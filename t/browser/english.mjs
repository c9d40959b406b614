/* The guide's way in English, for a browser that asks for it, without scripts
   up to the account and with them after; then back to French and again. */

import { arrive, button, captcha, heading, link, mailLink, main, ok, open,
  password, portal, run } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const email = "english@parents.example";
const english = { locale: "en-GB", viewport: { width: 1280, height: 900 } };
const look = (page, name, own) => inspect(page, name, own, "en");

async function fill(page, fields) {
  for (const [name, value] of Object.entries(fields)) {
    await page.getByLabel(name, { exact: true }).fill(value);
  }
}

async function signIn(page) {
  await page.goto(`${portal.url}/connexion`);
  await fill(page, { "Email address": email, "Password": password });
  await button(main(page), "Sign in").click();
}

run(async (browser) => {
  const plain = await open(browser, { ...english, javaScriptEnabled: false });

  /* step 1 */
  await plain.goto(portal.url);
  await heading(plain, "Welcome to the Citizen portal", "home");
  await link(main(plain), "Create an account").click();
  await button(plain, "Sign up").click();
  await heading(plain, "There are problems with 5 answers", "the summary");
  await link(plain, "Surname: Enter a surname, for example Martin.").waitFor();
  ok(true, "errors with an example");
  await fill(plain, { "Surname": "Ellis", "First name": "Iris",
    "Email address": email, "Password": password });
  await plain.waitForTimeout(3200);      /* nobody reads faster */
  await captcha(plain, false);
  await button(plain, "Sign up").click();
  await heading(plain, "Check your inbox", "the account is asked for");
  await plain.goto(await mailLink(email));
  await button(plain, "Confirm my address").click();
  await heading(plain, "My citizen space", "the link opens the account");
  await button(plain, "Sign out").click();

  /* step 2 */
  const page = await open(browser, english);
  await signIn(page);
  await heading(page, "My citizen space", "signed in");
  await look(page, "the citizen's space", true);
  await link(page, "Subscribe to the Family space").click();
  await heading(page, "My subscriptions", "the subscriptions");
  await look(page, "no subscription", true);
  await link(page, "Subscribe").click();
  const dialog = page.getByRole("dialog");
  await fill(dialog, { "Subscriber code (code abonné)": portal.code });
  await button(dialog, "Search").click();
  await dialog.getByText("Subscription found").waitFor();
  await button(dialog, "Add this subscription").click();
  await arrive(page, "/mes-abonnements");
  await page.getByRole("heading", { name: /Family no\. \d/ }).waitFor();
  await look(page, "a subscription that waits");
  await button(page, "Sign out").click();
  await signIn(page);
  await heading(page, "My citizen space", "in again");

  /* step 3 */
  await link(page.getByRole("navigation"), "Family space").first().click();
  await heading(page, "Family file", "the family file");
  await heading(page, "Guardians", "its guardians");
  await heading(page, "Children", "its children");
  await look(page, "the family file", true);
  await main(page).locator("a[href^='/famille/responsables/']").first().click();
  for (const name of ["Tax information", "Basic information", "Address",
    "Bank details"]) {
    await heading(page, name, `a guardian: ${name}`);
  }
  await look(page, "a guardian");
  await page.goto(`${portal.url}/famille`);
  await main(page).locator("a[href^='/famille/enfants/']").first().click();
  for (const name of ["General information", "Authorisations",
    "Health information", "Contacts"]) {
    await heading(page, name, `a child: ${name}`);
  }
  await look(page, "a child");

  /* the switch */
  const child = new URL(page.url()).pathname;
  await button(page, "Français").click();
  await heading(page, "Informations générales", "one press: French");
  ok(new URL(page.url()).pathname === child, "on the same page", page.url());
  await button(page, "English").click();
  await heading(page, "General information", "and English again");

  /* in the middle of a form: nothing that was typed is lost */
  const between = await open(browser, { viewport: english.viewport });
  const half = [["Nom", "Surname", "Ellis"], ["Prénom", "First name", "Ida"],
    ["Adresse électronique", "Email address", "half@parents.example"],
    ["Mot de passe", "Password", password]];
  await between.goto(`${portal.url}/inscription`);
  for (const [name, , value] of half) await between.getByLabel(name, { exact: true }).fill(value);
  await button(between, "English").click();
  await heading(between, "Create an account", "a form half filled in, in English");
  ok(await between.locator("html").getAttribute("lang") === "en", "said so");
  for (const [, name, value] of half) {
    ok(await between.getByLabel(name, { exact: true }).inputValue() === value, `kept: ${name}`);
  }
  ok(await button(between, "Français").evaluate((at) => at === document.activeElement),
    "the keyboard is where it was");
  await between.waitForTimeout(3200);
  await captcha(between, true);
  await button(between, "Sign up").click();
  await heading(between, "Check your inbox", "and it can be sent");

  await page.goto(`${portal.url}/famille`);
  await main(page).locator("a[href^='/famille/responsables/']").first().click();
  await page.locator("a[href$='/base']").first().click();
  const key = await page.locator("[name=key]").inputValue();
  const opened = await page.locator("[name=opened]").inputValue();
  const token = await page.locator("main [name=csrf]").inputValue();
  await page.locator("[name=profession]").fill("Luthière");
  await page.locator("[name=birth_date_day]").fill("7");
  await button(page, "Français").click();
  await heading(page, /Informations de base/, "a request half filled in, in French");
  ok(await page.locator("[name=profession]").inputValue() === "Luthière"
    && await page.locator("[name=birth_date_day]").inputValue() === "7", "kept, too");
  ok(await page.locator("[name=key]").inputValue() === key
    && await page.locator("[name=opened]").inputValue() === opened
    && await page.locator("main [name=csrf]").inputValue() !== token, "still that page's request");
  await button(page, "Envoyer pour validation").click();
  await page.waitForURL(/\/famille\/demandes\/\d+/);
  ok(true, "and it is sent");
  await button(page, "English").click();
  await page.waitForFunction(() => document.documentElement.lang === "en");

  /* what all may read */
  const other = await open(browser, english);
  for (const path of ["/", "/inscription", "/inscription/renvoi", "/connexion",
    "/accessibilite", "/donnees-personnelles", "/mentions-legales",
    "/plan-du-site", "/aide", "/langue", "/nulle-part"]) {
    await other.goto(portal.url + path);
    await look(other, "public", true);
  }
  await other.goto(`${portal.url}/aide`);
  await button(other, "Français").click();
  await heading(other, "Aide et contact", "one press by nobody: in French");

  const complaints = [...page.complaints, ...plain.complaints, ...between.complaints];
  ok(complaints.length === 0, "the console is empty", complaints.join());
});
