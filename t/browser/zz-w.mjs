import { chromium } from 'playwright-core';
import { execSync } from 'node:child_process';
import fs from 'node:fs';
const demo = JSON.parse(fs.readFileSync('/work/main/.run/demo.json'));
export const W = '/tmp/h/w9/';
export const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
export async function page(opt = {}) {
  const c = await browser.newContext({ locale: 'fr-FR', viewport: { width: opt.width || 390, height: 844 }, javaScriptEnabled: opt.js !== false });
  const p = await c.newPage();
  p.on('console', m => { if (['error','warning'].includes(m.type())) console.log('CONSOLE', m.text()); });
  p.on('pageerror', e => console.log('PAGEERROR', e.message));
  return p;
}
export async function parent(email, opt) {
  const a = demo.accounts.find(x => x.email.startsWith(email));
  const p = await page(opt);
  const base = demo.towns.find(t => t.slug === a.town).url;
  p.base = base;
  await p.goto(base + '/connexion');
  await p.locator('main input[name=email]').fill(a.email);
  await p.locator('main input[name=password]').fill(a.password);
  await p.getByRole('button', { name: 'Me connecter' }).click();
  return p;
}
export async function agent(email, opt) {
  const a = demo.agents.find(x => x.email.startsWith(email));
  const p = await page(opt);
  p.base = a.url;
  await p.goto(a.url + '/connexion');
  await p.locator('input[name=email]').fill(a.email);
  await p.locator('input[name=password]').fill(a.password);
  await p.locator('input[name=otp], input[name=totp]').fill(execSync('oathtool --totp -b ' + a.totp_secret).toString().trim());
  await p.getByRole('button', { name: 'Me connecter' }).click();
  if (await p.locator('input[name=otp]').count()) {
    console.log((await p.locator('main').innerText()).slice(0, 300));
    await new Promise(r => setTimeout(r, 30500 - Date.now() % 30000));
    await p.locator('input[name=password]').fill(a.password);
    await p.locator('input[name=otp]').fill(execSync('oathtool --totp -b ' + a.totp_secret).toString().trim());
    await p.getByRole('button', { name: 'Me connecter' }).click();
  }
  return p;
}
export async function shot(p, name) { await p.screenshot({ path: W + name + '.png', fullPage: true }); }
export async function text(p) { return (await p.locator('main').innerText()).replace(/\n+/g, '\n'); }
