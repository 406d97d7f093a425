import { Global, Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import {
  PlatformBearerGuard,
  PlatformBearerStrategy,
  TenantBearerGuard,
  TenantBearerStrategy,
} from './access/bearer.strategies.js';
import { CredentialAuthenticator } from './access/credential.authenticator.js';
import { VisitorAdmission } from './access/visitor.admission.js';
import { ApiKey } from './api-keys/api-key.entity.js';
import { ApiKeyStates } from './api-keys/api-key-states.js';
import { AuditController } from './audit/audit.controller.js';
import { Device } from './devices/device.entity.js';
import { DeviceTokens, PlatformDeviceTokens } from './devices/device.tokens.js';
import { Invitation } from './invitations/invitation.entity.js';
import { MfaChallenges } from './mfa/mfa-challenges.js';
import { RecoveryCode } from './mfa/recovery-code.entity.js';
import { PasswordHasher } from './passwords/password.hasher.js';
import { AdminStates } from './platform/admin-states.js';
import { Impersonations } from './platform/impersonations.js';
import { Role } from './roles/role.entity.js';
import { RefreshCookie } from './sign-in/refresh.cookie.js';
import { SignInController } from './sign-in/sign-in.controller.js';
import { SignInService } from './sign-in/sign-in.service.js';
import { SignInThrottle } from './sign-in/sign-in.throttle.js';
import { AccessTokens } from './tokens/access-tokens.js';
import { JwksController } from './tokens/jwks.controller.js';
import { SigningKeys } from './tokens/signing-keys.js';
import { DemoUsers } from './users/demo.users.js';
import { UserStates } from './users/user-states.js';
import { UserToken } from './users/user-token.entity.js';
import { User } from './users/user.entity.js';

/** The tenant-owned entities of this slice. */
export const AUTH_ENTITIES = [User, Role, Device, UserToken, RecoveryCode, Invitation, ApiKey];

@Global()
@Module({
  imports: [JwtModule.register({}), PassportModule],
  controllers: [SignInController, JwksController, AuditController],
  providers: [
    AccessTokens,
    AdminStates,
    ApiKeyStates,
    CredentialAuthenticator,
    DemoUsers,
    DeviceTokens,
    Impersonations,
    MfaChallenges,
    PasswordHasher,
    PlatformBearerGuard,
    PlatformBearerStrategy,
    PlatformDeviceTokens,
    RefreshCookie,
    SignInService,
    SignInThrottle,
    SigningKeys,
    TenantBearerGuard,
    TenantBearerStrategy,
    UserStates,
    VisitorAdmission,
  ],
  exports: [
    DemoUsers,
    SignInService,
    SigningKeys,
    TenantBearerGuard,
    PlatformBearerGuard,
    VisitorAdmission,
    UserStates,
    AccessTokens,
  ],
})
export class AuthModule {}
