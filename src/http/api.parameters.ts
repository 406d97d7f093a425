import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiParam, ApiQuery } from '@nestjs/swagger';

/** Documents the page of a list that is asked for. @param max items to a page, at most */
export const ApiPaging = (max: number) =>
  applyDecorators(
    // The last one first, as stacked decorators apply.
    ApiQuery({
      name: 'cursor',
      required: false,
      schema: { type: 'string' },
      description: 'next_cursor of the page before.',
    }),
    ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: max, default: 50 } }),
  );

/** Documents that a request may be sent again. */
export const ApiIdempotencyKey = () =>
  ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A random UUID makes a retry safe.' });

/** Documents that a change may ask for what it changes to be as it was. */
export const ApiIfMatch = () =>
  ApiHeader({ name: 'If-Match', required: false, description: 'The ETag last seen; 412 when it is another by now.' });

/** Documents the tenant in the path of a route of the platform. @param example the slug of a demo tenant */
export const ApiNamedTenant = (example = 'acme') =>
  ApiParam({ name: 'tenant', description: 'Slug or UUID.', schema: { type: 'string', example } });
