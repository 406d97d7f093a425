export * from './api.parameters.js';
export * from './client.gone.js';
export * from './configure-app.js';
export { CORS_ORIGINS } from './cors.middleware.js';
export { BoundedExpressAdapter } from './server.adapter.js';
export * from './openapi.js';
export { asProblem, isConnectionTrouble, problemDocument } from './problem.filter.js';
export { validationPipe } from './validation.pipe.js';
