/* At the counter: counter.mjs scripts | plain.  An agent files for a parent, who
   finds it marked; every page looked at. */

import { arrive, button, heading, link, main, ok, open, portal, run, signIn,
  signInAgent, town } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const scripts = process.argv[2] === "scripts";
const street = scripts ? "9 rue du Guichet" : "11 rue du Guichet";

const shot = async (page, name) => {
  if (!process.env.PORTAL_SHOTS) return;
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    await page.screenshot({ fullPage: true,
      path: `${process.env.PORTAL_SHOTS}/counter-${name}-${process.argv[2]}-${width}.png` });
  }
};

/* axe needs scripts */
const look = async (page, name) => {
  await shot(page, name.replace(/\W+/g, "-"));
  if (scripts) await inspect(page, name, true);
  await page.setViewportSize({ width: 390, height: 844 });
};

run(async (browser) => {
  const options = { javaScriptEnabled: scripts, viewport: { width: 390, height: 844 } };
  const page = await open(browser, options);
  const family = town("select id from portal.family where number = '104201'");
  const child = town(`select min(m.child_id) from portal.child_family m where m.family_id = ${family}`);

  town(`insert into portal.collect_ban (tenant, child_id, family_id, words)
    select 1, ${child}, ${family}, 'Jean Valjean, jugement du 3 mars'
    where not exists (select from portal.collect_ban where child_id = ${child})`);

  await signInAgent(page);
  await page.goto(`${portal.agents_url}/familles/${family}`);
  await link(main(page), "Déposer une demande au guichet").click();
  await heading(page, "Demande au guichet", "the file leads to the counter");
  await look(page, "who asks");

  await main(page).getByRole("region", { name: "Camille Martin" })
    .getByRole("link", { name: /^pièce d’identité vue/ }).click();
  await heading(page, "Demande au guichet · Camille Martin", "who, and how she was identified");
  ok(await main(page).getByText("Jean Valjean, jugement du 3 mars").isVisible(),
    "who must not collect a child is before the agent");
  await look(page, "what she may ask for");

  ok(await page.getByRole("heading", { name: "Demandes en cours de cette personne" }).isVisible(),
    "what she has asked for already");
  await main(page).getByRole("region", { name: "Camille Martin" })
    .getByRole("link", { name: /^Adresse/ }).click();
  await page.waitForURL(/\/adresse$/);
  const field = (label) => page.getByLabel(label, { exact: true });
  const line = field("Nom de la rue ou de la voie");
  ok(await line.inputValue() !== "", "the form is filled with the file");
  await look(page, "her address");
  await line.fill("");
  await button(main(page), "Continuer").click();
  await page.locator("#erreurs").waitFor();
  ok(await main(page).getByRole("region", { name: "Demande au guichet" }).isVisible(),
    "a mistake: the same page, for the same guardian");
  await look(page, "a mistake");
  await line.fill(street);
  await button(main(page), "Continuer").click();
  await heading(page, "Vérifiez la demande de cette personne", "shown again");
  await look(page, "shown again");
  await button(main(page), "Déposer la demande").click();
  await page.waitForURL(/\/demandes\/\d+/);
  ok(await main(page).getByText("La demande est déposée. Rien ne change avant la décision.").isVisible()
    && await main(page).getByText("un autre agent la décide").isVisible()
    && await button(main(page), "Accepter").count() === 0,
  "filed, and another agent decides it");
  await look(page, "filed");
  const number = await page.title().then((title) => title.match(/\d{4}-\d{7}/)[0]);
  await page.goto(`${portal.agents_url}/`);
  ok(await main(page).locator("tr", { hasText: number }).getByText("Guichet").isVisible(),
    "the queue marks it");
  await look(page, "the queue");
  await page.goto(`${portal.agents_url}/familles/${family}`);
  ok(await page.getByRole("region", { name: "Demandes de cette famille" }).getByText("Guichet").first().isVisible(),
    "and the file's list of requests");

  for (const path of [`enfants/${child}/contacts/nouveau`, `enfants/${child}/photo`, `enfants/${child}/contacts/interdiction`]) {
    await page.goto(page.url().replace(/\/$/, "") + `/familles/${family}/guichet/${
      town(`select id from portal.guardian where family_id = ${family} and rank = 1`)}/telephone/${path}`);
    await look(page, path.replace(/.*\d\//, ""));
    await page.goto(`${portal.agents_url}/`);
  }

  /* the parent */
  ok(town(`select count(*) from portal.outbox where template = 'change_filed'
    and recipient = '${portal.account.email}'`) !== "0", "she is told by mail");
  const home = await open(browser, options);
  await signIn(home, portal.account.email, portal.account.password);
  await arrive(home, "/mon-espace");
  await home.goto(`${portal.url}/famille/demandes`);
  ok(await main(home).getByText("Déposée au guichet le").first().isVisible(), "« Mes demandes » says it");
  await look(home, "my requests");
  await link(main(home), new RegExp(`${number}$`)).click();
  await home.waitForURL(/\/famille\/demandes\/\d+$/);
  ok(await main(home).getByText(/Ce n’est pas vous/).isVisible()
    && await main(home).getByText(/Jeanne|Caron/).count() === 0,
  "so does the request, with whom to call and no agent's name");
  await look(home, "my request");
  await button(main(home), "Annuler ma demande").click();
  await main(home).getByText("demande annulée").first().waitFor();
  ok(true, "and she can take it back");
});
