/** Of the whole application, for documents that outlive it. A test compares it with package.json. */
export const APPLICATION_VERSION = '0.1.0';
