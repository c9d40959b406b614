/* A telephone in the hand: the bar at the thumb, for a family, for an account
   that has none yet and for agents, in both languages, and « OK » on its
   keyboard: phone.mjs scripts | plain */

import { arrive, button, heading, link, main, ok, open, portal, run, signIn, signInAgent, town }
  from "./guide.mjs";
import { thumb } from "./inspect.mjs";

const scripts = process.argv[2] === "scripts";
const viewport = { width: 360, height: 640 };

async function family(page) {
  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await thumb(page, "the citizen's space");

  const menu = page.getByRole("navigation", { name: "Menu principal" });
  await link(menu, "Espace Famille").click();
  await heading(page, "Dossier Famille", "« Espace Famille » leads to « Dossier Famille »");
  await thumb(page, "the family file");
  await link(menu, "Mes demandes").click();
  await arrive(page, "/famille/demandes");
  await link(menu, "Mon espace citoyen").click();
  for (const name of ["Mes abonnements", "Dossier Famille", "Gérer mon compte"]) {
    ok(await link(main(page), name).isVisible(),
      `« ${name} » is in « Mon espace citoyen », as the bar has no room for it`);
  }
  await main(page).getByRole("link", { name: "Dossier Famille" }).click();
  await main(page).getByRole("link", { name: /^Adresse/ }).first().click();
  await page.getByRole("link", { name: "Modifier Adresse" }).click();
  await heading(page, "Modifier « Adresse »", "a form");
  await thumb(page, "a form");

  const [number, index, street] = await Promise.all(["street_number", "repetition", "street"].map(
    (name) => page.locator(`[name=${name}]`).boundingBox()));
  ok(number.y === index.y && number.x + number.width < index.x
    && index.x + index.width <= street.x + street.width + 1 && index.width > 100,
    "a number and its index share a row");

  await button(page, "English").click();
  await page.locator("html[lang=en]").waitFor();
  await page.goto(`${portal.url}/famille`);
  await heading(page, "Family file", "in English");
  await thumb(page, "in English");
  await button(page, "Français").click();
  await page.locator("html[lang=fr]").waitFor();
}

/* a document is there, so that the form has every button it can have */
async function filled(page, path, name, value) {
  await page.goto(portal.url + path);
  if (await page.locator("[name=document]").count()) {
    await page.locator("[name=document]").setInputFiles({ name: "scan.pdf",
      mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.4\n") });
    await button(page, "Envoyer ce fichier et en ajouter un autre").click();
    await page.getByText(/justificatif-1\.pdf/).first().waitFor();
  }
  await page.locator(`[name="${name}"]`).fill(value);
  await page.locator(`[name="${name}"]`).press("Enter");
}

/* Enter is « Continuer », or « Envoyer pour validation » where there is no check */
async function enter(page, agent) {
  const self = `/famille/responsables/${town(`select u.guardian_id from portal.subscription u
    join portal.account a on a.id = u.account_id
    where a.email = '${portal.account.email}' and u.ended_at is null limit 1`)}`;
  const sent = (url) => /^\/famille\/demandes\/\d+$/.test(url.pathname);

  await filled(page, `${self}/adresse`, "street", `${scripts ? 4 : 5} allée du Clavier`);
  await heading(page, "Vérifiez votre demande", "Enter in an address is « Continuer »");
  ok(await main(page).getByText(/justificatif-1\.pdf/).first().isVisible(), "with its document");
  await page.goto(`${portal.url}${self}/adresse`);
  await page.locator("[name=drop]").click();
  await page.locator("[name=drop]").waitFor({ state: "detached" });

  await filled(page, `${self}/fiscales`, "shares", scripts ? "6,5" : "7,5");
  await page.waitForURL(sent);
  ok(true, "Enter in the taxes is « Envoyer pour validation »");
  await button(page, "Annuler ma demande").click();
  await page.getByText("Votre demande est annulée.").waitFor();

  await page.goto(`${portal.url}/famille`);
  await page.goto(portal.url + await main(page).locator("h3 a[href^='/famille/enfants/']").first()
    .getAttribute("href") + "/contacts/nouveau");
  await page.locator("[name=last_name]").press("Enter");
  await page.getByRole("alert").getByText(/Saisissez un nom/).first().waitFor();
  ok(true, "Enter in a contact sends it");

  await filled(page, `${self}/base`, "profession", scripts ? "Typographe" : "Claviste");
  await page.waitForURL(sent);
  const [id] = new URL(page.url()).pathname.match(/\d+$/);
  if (scripts) await decidesNothing(agent, id);
  await button(page, "Annuler ma demande").click();
  await page.getByText("Votre demande est annulée.").waitFor();
}

/* agents: whose pages these are stands beside the language, not in a row of
   its own, so that the way out stands beside the town */
async function head(agent) {
  const middle = async (locator) => {
    const box = await locator.boundingBox();
    return box.y + box.height / 2;
  };
  const top = agent.getByRole("banner");
  const apart = async (one, other) => Math.abs(await middle(one) - await middle(other));

  ok(await apart(top.getByText("Réservé aux agents"), top.getByRole("button", { name: "English" })) < 8
    && await apart(top.getByRole("link").first(), top.getByRole("button", { name: "Se déconnecter" })) < 8,
    "an agent's head is two rows");
}

/* agents: Enter in what they choose decides nothing, nor takes the request */
async function decidesNothing(agent, id) {
  await agent.goto(`${portal.agents_url}/demandes/${id}`);
  await agent.evaluate(() => {
    document.sent = 0;                  /* forms whose fields are read */
    addEventListener("formdata", () => { document.sent++; });
  });
  for (const label of ["Accepter", "Refuser"]) {
    await agent.getByRole("group", { name: "Profession" }).getByLabel(label).press(" ");
    await agent.keyboard.press("Enter");
  }
  ok(await agent.evaluate(() => document.sent) === 0
    && town(`select state || coalesce(taken_by::text, '') from portal.change_set
      where id = ${id}`) === "sent", "an agent's Enter decides and takes nothing");
}

/* where a subscription is effective at once, each is said, the second too */
async function subscribe(browser) {
  const { url, email, password, codes } = portal.immediate;
  const page = await open(browser, { viewport, javaScriptEnabled: scripts });

  await page.goto(`${url}/connexion`);
  await page.getByLabel("Adresse électronique", { exact: true }).fill(email);
  await page.getByLabel("Mot de passe", { exact: true }).fill(password);
  await button(main(page), "Me connecter").click();
  await arrive(page, "/mon-espace");
  for (const code of codes) {
    await page.goto(`${url}/mes-abonnements?avis=subscribed#contenu`);
    await page.setViewportSize({ ...viewport, width: 320 });
    await link(page, "M'abonner").click();
    await page.getByLabel("Code abonné", { exact: true }).fill(code);
    ok(await page.getByRole("heading", { name: "M'abonner" }).first().evaluate((e) => {
      const range = document.createRange();
      range.selectNodeContents(e);
      return range.getClientRects().length === 1;
    }), "its title is whole on a narrow screen");
    await page.setViewportSize(viewport);
    await page.getByLabel("Code abonné", { exact: true }).press("Enter");
    await page.getByText("Abonnement trouvé").waitFor();
    await Promise.all([page.waitForEvent("load"), button(page, "Ajouter cet abonnement").click()]);
    ok(await page.getByText("L’abonnement est ajouté à votre liste.").isVisible()
      && await main(page).evaluate((e) => e === document.activeElement),
    "a subscription is added: it is said, and the page has the focus");
    await page.locator("article").first().waitFor();
  }
  ok(await main(page).getByText("Ouvrir le Dossier Famille").count() >= codes.length,
    "and is effective at once");
}

/* names begin with a capital, addresses do not, codes are capitals */
async function capitals(page, other) {
  const self = await page.evaluate(() => document.querySelector("main h3 a").getAttribute("href"));

  for (const [on, path, expected] of [
    [other, "/inscription", { last_name: "words", first_name: "words", email: "none" }],
    [page, "/mes-abonnements/nouveau", { code: "characters" }],
    [page, `${self}/bancaires`, { iban: "characters", bic: "characters" }],
    [page, `${self}/base`, { profession: null }]]) {
    await on.goto(portal.url + path);
    for (const [name, value] of Object.entries(expected)) {
      const found = await on.locator(`[name="${name}"]`).getAttribute("autocapitalize");
      ok(found === value, `${path}: the capitals of ${name}`, found);
    }
  }

  await page.goto(`${portal.url}/mes-abonnements/nouveau`);
  const lines = [];
  for (let width = 320; width <= 480; width += 8) {
    await page.setViewportSize({ width, height: 640 });
    lines.push(await page.locator("#code-hint").evaluate((hint) => {
      const { index, 0: code } = hint.firstChild.data.match(/K7QF\S{10}/);
      const range = document.createRange();
      range.setStart(hint.firstChild, index);
      range.setEnd(hint.firstChild, index + code.length);
      return range.getClientRects().length;
    }));
  }
  ok(lines.every((n) => n === 1), "the code's example is in one piece", lines.join());
}

/* a telephone of some years ago: its browser knows neither <dialog> nor requestSubmit() */
async function old(browser) {
  const page = await open(browser, { viewport });
  const now = await open(browser, { viewport });

  for (const one of [page, now]) {
    await one.addInitScript(() => {
      delete window.HTMLDialogElement;
      delete HTMLFormElement.prototype.requestSubmit;
    });
  }

  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await page.goto(`${portal.url}/mes-abonnements`);
  const shown = await page.evaluate(() => [...document.querySelectorAll("dialog")].map((dialog) => {
    const unknown = document.createElement("x-dialog");
    for (const { name, value } of dialog.attributes) unknown.setAttribute(name, value);
    unknown.append(...dialog.childNodes);
    dialog.replaceWith(unknown);
    return unknown.getClientRects().length;
  }));
  ok(shown.length === 2 && shown.every((n) => n === 0), "nothing of a dialog is shown where there is none",
    shown.join());
  await link(page, "M'abonner").click();
  await arrive(page, "/mes-abonnements/nouveau");
  ok(true, "« M'abonner » is a page of its own");

  /* pressed while the robot's question is being worked on */
  await now.goto(`${portal.url}/inscription`);
  await now.evaluate(() => {
    document.querySelector("#captcha").click();
    document.querySelector("main form [type=submit]").click();
  });
  await now.locator(".errors").waitFor();
  ok(true, "a form that waits for the box is sent");
  ok(page.complaints.length + now.complaints.length === 0, "the console is empty",
    [...page.complaints, ...now.complaints].join("\n"));
}

run(async (browser) => {
  const page = await open(browser, { viewport, javaScriptEnabled: scripts });

  await family(page);

  const lone = await open(browser, { viewport, javaScriptEnabled: scripts });
  await signIn(lone, portal.lone.email, portal.lone.password);
  await arrive(lone, "/mon-espace");
  await thumb(lone, "no family yet");
  await link(lone.getByRole("navigation", { name: "Menu principal" }), "Mes abonnements").click();
  await arrive(lone, "/mes-abonnements");

  const agent = await open(browser, { viewport, javaScriptEnabled: scripts });
  await signInAgent(agent);
  await thumb(agent, "an agent's work");
  await head(agent);
  await enter(page, agent);
  await page.goto(`${portal.url}/famille`);
  await capitals(page, await open(browser, { viewport, javaScriptEnabled: scripts }));
  await subscribe(browser);
  if (scripts) await old(browser);

  ok(page.complaints.length + lone.complaints.length + agent.complaints.length === 0,
    "the consoles are empty", [...page.complaints, ...lone.complaints, ...agent.complaints].join("\n"));
});
