// Writes docs/generated/api.md and api-testing.md: what is public of the package, by what the build declares. With --check it
// fails when that differs from what is committed, or when something public has no docstring.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const root = path.dirname(import.meta.dirname);
const generated = path.join(root, 'docs', 'generated');
/** Each entry of package.json, and the report of it. */
const ENTRIES = { api: 'index.d.ts', 'api-testing': path.join('testing', 'index.d.ts') };
const scratch = mkdtempSync(path.join(os.tmpdir(), 'tenantry-api-'));
const off = { default: { logLevel: 'none' } };

try {
  const faults = Object.entries(ENTRIES).flatMap(([name, entry]) => faultsOf(name, entry));
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
  else console.log('The reports of the public API are up to date.');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function faultsOf(name, entry) {
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: path.join(root, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: path.join(root, 'dist', 'src', entry),
      newlineKind: 'lf',
      compiler: { tsconfigFilePath: path.join(root, 'tsconfig.build.json') },
      apiReport: { enabled: true, reportFileName: name, reportFolder: scratch, reportTempFolder: scratch },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      // What the report says is what matters; TypeScript and eslint have their own say elsewhere.
      messages: { compilerMessageReporting: off, extractorMessageReporting: off, tsdocMessageReporting: off },
    },
  });
  const { succeeded } = Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      if (message.logLevel !== 'error') message.handled = true;
    },
  });
  if (!succeeded) throw new Error('The public declarations could not be analysed; see above.');
  const report = readFileSync(path.join(scratch, `${name}.api.md`), 'utf8');
  const faults = [];
  for (const [, name] of report.matchAll(/^\/\/ @public \(undocumented\)\n(export [^{(=;]*)/gm)) {
    faults.push(`${name.trim()} is public and has no docstring.`);
  }
  const committed = path.join(generated, `${name}.md`);
  const current = read(committed);
  if (current !== report) {
    if (process.argv.includes('--check')) {
      faults.push(`docs/generated/${name}.md differs from what the code declares; run npm run generate and commit it.`);
    } else {
      writeFileSync(committed, report);
      console.log(`docs/generated/${name}.md was written.`);
    }
  }
  return faults;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
