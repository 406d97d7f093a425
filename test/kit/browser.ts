import { accessSync, constants } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The Chromium to drive: that of the variable CHROMIUM, else the first on PATH; undefined when there is none. */
export function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter(Boolean);
  const onPath = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return process.env['CHROMIUM'] || onPath.find(isExecutable);
}

/**
 * A browser with a fresh profile, removed when it closes.
 *
 * @throws Error when this machine has no Chromium
 */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(`No browser: set CHROMIUM, or install one of ${NAMES.join(', ')}.`);
  return chromium.launch({
    executablePath,
    args: [
      // Chromium has no sandbox for root, which containers run as; it only ever sees our own pages.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface WatchedPage {
  page: Page;
  /** Console errors, uncaught exceptions and refusals by the content security policy, so far. */
  complaints: string[];
  /** Every origin that something was asked of, so far. */
  origins: Set<string>;
}

export async function openPage(browser: Browser): Promise<WatchedPage> {
  // Of a hundred operations and more Swagger UI draws only what is in view.
  const page = await browser.newPage({ viewport: { width: 1280, height: 16_000 } });
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  const origins = new Set<string>();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'data:' && protocol !== 'blob:') origins.add(origin);
  });
  await page.addInitScript({
    content: `addEventListener('securitypolicyviolation', (event) =>
      console.error('Content security policy:', event.violatedDirective, event.blockedURI))`,
  });
  return { page, complaints, origins };
}

/** Saves what the page shows and says where. */
export async function saveScreenshot(page: Page, name: string): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-screenshot-'));
  const file = path.join(folder, `${name.replace(/\W+/g, '-')}.png`);
  await page.screenshot({ path: file, fullPage: true });
  console.error(`Screenshot of the failure: ${file}`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
