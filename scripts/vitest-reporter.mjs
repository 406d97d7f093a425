// Prints one last line that a person or a script can read, `N passed, N failed, N skipped`, before it where the time of a
// long run went, and keeps which specs failed for scripts/rerun-failed.mjs.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FAILED_SPECS = join(dirname(dirname(fileURLToPath(import.meta.url))), '.tenantry', 'failed-specs.json');

const LONG_RUN = 20;
const SLOWEST = 15;

export default class SummaryLine {
  onInit() {
    rmSync(FAILED_SPECS, { force: true });
  }

  onTestRunEnd(modules, unhandledErrors = []) {
    const specs = [];
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      let failedTests = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') count.passed++;
        else if (state === 'failed') failedTests++;
        else count.skipped++;
      }
      // A file that does not load, or a hook that throws, is a failure even with no test to show for it.
      if (module.state() === 'failed' && failedTests === 0) failedTests = 1;
      count.failed += failedTests;
      const untidy = unhandledErrors.some((error) => error.VITEST_TEST_PATH === module.moduleId);
      if (failedTests > 0 || untidy) specs.push({ model: module.project.name, file: module.relativeModuleId });
    }
    const elsewhere = unhandledErrors.filter(
      (error) => !modules.some(({ moduleId }) => moduleId === error.VITEST_TEST_PATH),
    );
    keep({ specs, elsewhere: elsewhere.length });
    const line = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`;
    // After the default reporter, which prints its own summary at this same moment.
    process.once('exit', () => process.stdout.write(`\n${slowest(modules)}${line}\n`));
  }
}

/** @returns the seconds of each model and of its slowest specs; nothing for a run of few */
function slowest(modules) {
  if (modules.length < LONG_RUN) return '';
  const times = modules.map((module) => {
    const { collectDuration, duration } = module.diagnostic();
    return { model: module.project.name, file: module.relativeModuleId, seconds: (collectDuration + duration) / 1000 };
  });
  const models = Map.groupBy(times, ({ model }) => model);
  const totals = [...models].map(([model, of]) => [of.reduce((sum, { seconds }) => sum + seconds, 0), model]);
  const specs = times.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  return [...totals, ...specs.map(({ seconds, model, file }) => [seconds, `${model} ${file}`])]
    .map(([seconds, what]) => `${seconds.toFixed(0).padStart(6)} s  ${what}\n`)
    .join('');
}

function keep(failed) {
  if (failed.specs.length === 0 && failed.elsewhere === 0) return rmSync(FAILED_SPECS, { force: true });
  mkdirSync(dirname(FAILED_SPECS), { recursive: true });
  writeFileSync(FAILED_SPECS, JSON.stringify(failed));
}
