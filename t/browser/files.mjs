/* Files: a child's photo and a document of a request, as people send them. */

import { arrive, button, link, main, ok, open, portal, run, signIn }
  from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const file = (name, mimeType, buffer) => ({ name, mimeType, buffer });
const jpeg = file("IMG_1.jpg", "image/jpeg", Buffer.from([
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySU",
  "BMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/wAALCAAIAAgBAREA/8QA",
  "FAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AN/",
  "/Z",
].join(""), "base64"));
const pdf = file("scan.pdf", "application/pdf", Buffer.from("%PDF-1.4\n"));

const seen = (page, selector) => page.locator(selector).first()
  .evaluate((img) => img.complete && img.naturalWidth > 0);

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 1280, height: 900 } });

  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await page.goto(`${portal.url}/famille`);
  const child = await main(page).locator("h3 a[href^='/famille/enfants/']").first()
    .getAttribute("href");

  await page.goto(portal.url + child);
  await link(page, "Ajouter une photo").click();
  await arrive(page, `${child}/photo`);
  await inspect(page, "a photo's form", true);
  await button(page, "Envoyer pour validation").click();
  await page.getByRole("alert").getByText("Choisissez une photo.").waitFor();
  await inspect(page, "none was chosen");
  await page.getByLabel("Photo de l’enfant").setInputFiles(pdf);
  await button(page, "Envoyer pour validation").click();
  await page.getByRole("alert").waitFor();
  await inspect(page, "a file that is none");
  await page.getByLabel("Photo de l’enfant").setInputFiles(jpeg);
  await button(page, "Envoyer pour validation").click();
  await page.getByText("Votre demande est envoyée à la mairie.").waitFor();
  ok(await seen(page, "img[alt='Photo demandée']"), "the picture that is asked for is seen");
  await inspect(page, "the receipt of a photo");
  await page.goto(portal.url + child);
  ok(await seen(page, "img[alt='Photo demandée']"), "on the child's page, too");
  await inspect(page, "a photo that waits");

  await page.goto(`${portal.url}/famille`);
  const guardian = await main(page).locator("h3 a[href^='/famille/responsables/']").first()
    .getAttribute("href");
  await page.goto(`${portal.url}${guardian}/adresse`);
  await page.getByLabel("Justificatif").setInputFiles(pdf);
  await button(page, "Envoyer ce fichier et en ajouter un autre").click();
  await page.getByText(/justificatif-1\.pdf/).waitFor();
  await inspect(page, "a document that is kept", true);
  await page.getByLabel("Nom de la rue ou de la voie").fill("3 rue des Lilas");
  await button(page, "Continuer").click();
  await page.getByText("Justificatifs joints").waitFor();
  await inspect(page, "the check with a document");
  await button(page, "Envoyer pour validation").click();
  await page.getByText("Votre demande est envoyée à la mairie.").waitFor();
  await inspect(page, "the receipt with a document");
  const [download] = await Promise.all([page.waitForEvent("download"),
    link(page, "justificatif-1.pdf").click()]);
  ok(download.suggestedFilename() === "justificatif-1.pdf", "it is kept under its neutral name");
});
