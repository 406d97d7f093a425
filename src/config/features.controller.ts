import { Controller, Get, Header } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ACCOUNT_MANAGE, RequiresPermission } from '../auth/index.js';
import { declaredFeatures, FeatureFlags } from '../features/index.js';
import { ApiTenantHeader } from '../http/index.js';

class FeatureView {
  @ApiProperty({ example: 'reports' })
  name: string;

  @ApiProperty({ example: 'Reports on who wrote how much.' })
  description: string;

  @ApiProperty({ description: 'For you: under a percentage, others may have it and you not.' })
  enabled: boolean;
}

class FeaturePage {
  @ApiProperty({ type: [FeatureView] })
  items: FeatureView[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'All there are come at once.' })
  next_cursor: null;
}

@ApiTags('features')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/features')
export class FeaturesController {
  constructor(private readonly flags: FeatureFlags) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @ApiOperation({ summary: 'The features there are, and which are on for you', description: 'By name.' })
  @ApiOkResponse({ type: FeaturePage })
  list(): FeaturePage {
    const items = declaredFeatures().map((feature) => ({
      name: feature.name,
      description: feature.description,
      enabled: this.flags.isOn(feature),
    }));
    return { items, next_cursor: null };
  }
}
