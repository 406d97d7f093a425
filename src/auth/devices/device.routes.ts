import { applyDecorators, Delete, Get, Header, HttpCode } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiQuery } from '@nestjs/swagger';
import { parseLimit } from '../../common/index.js';
import { MAX_DEVICES } from '../tokens/refresh-families.js';
import { DevicePage } from './device.dto.js';

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 50;

/** The route that lists one's own devices, at the path of its controller. */
export const ListsDevices = (summary: string) =>
  applyDecorators(
    Get(),
    Header('Cache-Control', 'no-store'),
    ApiOperation({
      summary,
      description: `At most ${MAX_DEVICES} devices; the next sign-in ends the one that was longest unused.`,
    }),
    ApiQuery({
      name: 'limit',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
    }),
    ApiQuery({ name: 'cursor', required: false }),
    ApiOkResponse({ type: DevicePage }),
  );

/** The route that signs one of one's own devices out. */
export const SignsDeviceOut = (summary: string) =>
  applyDecorators(
    Delete(':id'),
    HttpCode(204),
    ApiOperation({ summary, description: 'Within a second, everywhere; also this one.' }),
    ApiParam({ name: 'id', format: 'uuid' }),
    ApiNoContentResponse(),
  );

/** How many devices a request asks for. @throws AppError 422 when that is none, too many, or no number */
export const deviceLimit = (text: string | undefined): number => parseLimit(text, DEFAULT_LIMIT, MAX_LIMIT);
