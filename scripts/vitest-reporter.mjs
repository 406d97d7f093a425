// Prints one last line that a person or a script can read: `N passed, N failed, N skipped`.
export default class SummaryLine {
  onTestRunEnd(modules, unhandledErrors = []) {
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
    }
    const line = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`;
    // After the default reporter, which prints its own summary at this same moment.
    process.once('exit', () => process.stdout.write(`\n${line}\n`));
  }
}
