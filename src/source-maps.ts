import { setSourceMapsSupport } from 'node:module';

// Loaded before all else, with `--import`. The maps of packages are left out, for reading them would slow each start by
// some 0.2 s.
setSourceMapsSupport(true, { nodeModules: false });
