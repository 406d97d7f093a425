// Prints one last line that a person or a script can read, `N passed, N failed, N skipped`, and keeps which specs failed
// for scripts/rerun-failed.mjs.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FAILED_SPECS = join(dirname(dirname(fileURLToPath(import.meta.url))), '.tenantry', 'failed-specs.json');

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
    process.once('exit', () => process.stdout.write(`\n${line}\n`));
  }
}

function keep(failed) {
  if (failed.specs.length === 0 && failed.elsewhere === 0) return rmSync(FAILED_SPECS, { force: true });
  mkdirSync(dirname(FAILED_SPECS), { recursive: true });
  writeFileSync(FAILED_SPECS, JSON.stringify(failed));
}
