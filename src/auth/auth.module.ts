import { Global, Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { CredentialReader } from '../tenancy/index.js';
import { TenantOwners } from '../tenant/index.js';
import {
  PlatformBearerGuard,
  PlatformBearerStrategy,
  TenantBearerGuard,
  TenantBearerStrategy,
} from './access/bearer.strategies.js';
import { BearerReader } from './access/bearer.reader.js';
import { CredentialAuthenticator } from './access/credential.authenticator.js';
import { VisitorAdmission } from './access/visitor.admission.js';
import { AccountController } from './account/account.controller.js';
import { AccountService } from './account/account.service.js';
import { EmailDirectory } from './account/email.directory.js';
import { MailedTokens } from './account/mailed.tokens.js';
import { MemberMail } from './account/member-mail.entity.js';
import { MemberMails } from './account/member-mails.js';
import { PasswordProof } from './account/password.proof.js';
import { PasswordsService } from './account/passwords.service.js';
import { WhichTenantsController } from './account/which-tenants.controller.js';
import { AccountDeletion } from './account/account-deletion.service.js';
import { PersonalDataController } from './account/personal-data.controller.js';
import { PersonalDataExport } from './account/personal-data.export.js';
import { PersonalData } from './account/personal-data.js';
import { ApiKeyController } from './api-keys/api-key.controller.js';
import { ApiKey } from './api-keys/api-key.entity.js';
import { ApiKeyService } from './api-keys/api-key.service.js';
import { ApiKeyStates } from './api-keys/api-key-states.js';
import { AuditController } from './audit/audit.controller.js';
import { AuthPurge } from './auth.purge.js';
import { Device } from './devices/device.entity.js';
import { DeviceTokens, PlatformDeviceTokens } from './devices/device.tokens.js';
import { DevicesController } from './devices/devices.controller.js';
import { DevicesService } from './devices/devices.service.js';
import { KnownAddress } from './devices/known-address.entity.js';
import { KnownAddresses, PlatformKnownAddresses } from './devices/known.addresses.js';
import { InvitationAcceptance } from './invitations/invitation.acceptance.js';
import { Invitation } from './invitations/invitation.entity.js';
import { InvitationsController } from './invitations/invitations.controller.js';
import { InvitationsService } from './invitations/invitations.service.js';
import { MfaChallenges } from './mfa/mfa-challenges.js';
import { MfaController } from './mfa/mfa.controller.js';
import { MfaService } from './mfa/mfa.service.js';
import { SecondFactorDemand } from './mfa/second-factor.demand.js';
import { RecoveryCode } from './mfa/recovery-code.entity.js';
import { SecondFactors } from './mfa/second-factors.js';
import { PasswordHasher } from './passwords/password.hasher.js';
import { AdminsController } from './platform/admins.controller.js';
import { AdminsService } from './platform/admins.service.js';
import { AdminStates } from './platform/admin-states.js';
import { FirstAdmin } from './platform/first-admin.js';
import { ImpersonationController } from './platform/impersonation.controller.js';
import { ImpersonationExpiry } from './platform/impersonation.expiry.js';
import { ImpersonationNotices } from './platform/impersonation.notices.js';
import { ImpersonationService } from './platform/impersonation.service.js';
import { ImpersonationStore } from './platform/impersonation.store.js';
import { Impersonations } from './platform/impersonations.js';
import { PlatformAccountController } from './platform/platform-account.controller.js';
import { PlatformAdminStore } from './platform/platform-admin.store.js';
import { PlatformAuditController } from './platform/platform-audit.controller.js';
import { PlatformDevicesController } from './platform/platform-devices.controller.js';
import { PlatformDevices } from './platform/platform-devices.service.js';
import { PlatformMfaChallenges } from './platform/platform-mfa.challenges.js';
import { PlatformMfaService } from './platform/platform-mfa.service.js';
import { PlatformRefreshService } from './platform/platform-refresh.service.js';
import { PlatformSignInController } from './platform/platform-sign-in.controller.js';
import { PlatformSignInService } from './platform/platform-sign-in.service.js';
import { SupportController } from './platform/support.controller.js';
import { ActiveOwners } from './provisioning/active.owners.js';
import { FirstSignIn } from './provisioning/first.sign-in.js';
import { TenantExportController } from './exports/tenant-export.controller.js';
import { AuthArchives } from './provisioning/auth.archives.js';
import { AuthCopies } from './provisioning/auth.copies.js';
import { OwnerSteps } from './provisioning/owner.steps.js';
import { Grants } from './roles/grants.js';
import { Role } from './roles/role.entity.js';
import { RolesController } from './roles/roles.controller.js';
import { RolesService } from './roles/roles.service.js';
import { SandboxAccessController } from './sandboxes/sandbox-access.controller.js';
import { SandboxAccess } from './sandboxes/sandbox-access.service.js';
import { NewDeviceNotice } from './sign-in/new-device.notice.js';
import { PasswordCheck } from './sign-in/password.check.js';
import { RefreshCookie } from './sign-in/refresh.cookie.js';
import { RefreshService } from './sign-in/refresh.service.js';
import { SignInController } from './sign-in/sign-in.controller.js';
import { SignInService } from './sign-in/sign-in.service.js';
import { SharedSignInThrottle } from './sign-in/shared-sign-in.throttle.js';
import { SignInThrottle } from './sign-in/sign-in.throttle.js';
import { SignOutService } from './sign-in/sign-out.service.js';
import { TokenPairs } from './sign-in/token.pairs.js';
import { DirectoryPasswords } from './directory/directory.passwords.js';
import { ExternalIdentity } from './sso/external-identity.entity.js';
import { IdentitiesController, UserIdentitiesController } from './sso/identities.controller.js';
import { IdentitiesService } from './sso/identities.service.js';
import { SsoController } from './sso/sso.controller.js';
import { SsoMembers } from './sso/sso.members.js';
import { SsoProvider } from './sso/sso.provider.js';
import { SsoService } from './sso/sso.service.js';
import { SsoSignIn } from './sso/sso-sign-in.entity.js';
import { SsoStateCookie } from './sso/sso-state.cookie.js';
import { AccessTokens } from './tokens/access-tokens.js';
import { JwksController } from './tokens/jwks.controller.js';
import { PresentedCredentials } from './tokens/presented.credentials.js';
import { SigningKeys } from './tokens/signing-keys.js';
import { DemoUsers } from './users/demo.users.js';
import { EmailChange } from './users/email-change.service.js';
import { UserRemoval } from './users/user.removal.js';
import { UserStates } from './users/user-states.js';
import { UserToken } from './users/user-token.entity.js';
import { User } from './users/user.entity.js';
import { UserLinks } from './users/user.links.js';
import { UsersController } from './users/users.controller.js';
import { UsersQuery } from './users/users.query.js';
import { UsersService } from './users/users.service.js';

/** The people of the control plane, and what they may do to tenants. */
const PLATFORM_PROVIDERS = [
  AdminsService,
  FirstAdmin,
  ImpersonationExpiry,
  ImpersonationNotices,
  ImpersonationService,
  ImpersonationStore,
  PlatformAdminStore,
  PlatformDevices,
  PlatformMfaChallenges,
  PlatformMfaService,
  PlatformRefreshService,
  PlatformSignInService,
];
const PLATFORM_CONTROLLERS = [
  PlatformSignInController,
  PlatformAccountController,
  PlatformDevicesController,
  AdminsController,
  PlatformAuditController,
  ImpersonationController,
  SupportController,
];

/** The tenant-owned entities of this slice. */
export const AUTH_ENTITIES = [
  User,
  Role,
  Device,
  KnownAddress,
  UserToken,
  RecoveryCode,
  Invitation,
  ApiKey,
  MemberMail,
  ExternalIdentity,
  SsoSignIn,
];

@Global()
@Module({
  imports: [JwtModule.register({}), PassportModule],
  controllers: [
    SignInController,
    MfaController,
    AccountController,
    DevicesController,
    WhichTenantsController,
    JwksController,
    AuditController,
    ...PLATFORM_CONTROLLERS,
    ApiKeyController,
    PersonalDataController,
    UsersController,
    RolesController,
    InvitationsController,
    SandboxAccessController,
    TenantExportController,
    SsoController,
    IdentitiesController,
    UserIdentitiesController,
  ],
  providers: [
    AccessTokens,
    AccountDeletion,
    AccountService,
    AdminStates,
    ApiKeyService,
    ApiKeyStates,
    AuthArchives,
    AuthCopies,
    AuthPurge,
    { provide: CredentialReader, useClass: BearerReader },
    CredentialAuthenticator,
    DemoUsers,
    DevicesService,
    DeviceTokens,
    EmailChange,
    EmailDirectory,
    Impersonations,
    KnownAddresses,
    Grants,
    InvitationAcceptance,
    InvitationsService,
    MailedTokens,
    MemberMails,
    MfaChallenges,
    MfaService,
    NewDeviceNotice,
    PasswordCheck,
    OwnerSteps,
    PasswordHasher,
    PasswordProof,
    PasswordsService,
    PersonalData,
    PersonalDataExport,
    PlatformBearerGuard,
    PlatformBearerStrategy,
    PlatformDeviceTokens,
    PlatformKnownAddresses,
    PresentedCredentials,
    RefreshCookie,
    RefreshService,
    SandboxAccess,
    SecondFactorDemand,
    SecondFactors,
    RolesService,
    SignInService,
    SignInThrottle,
    SharedSignInThrottle,
    SignOutService,
    SigningKeys,
    TenantBearerGuard,
    TenantBearerStrategy,
    TokenPairs,
    UserLinks,
    UserRemoval,
    UserStates,
    UsersQuery,
    UsersService,
    VisitorAdmission,
    FirstSignIn,
    DirectoryPasswords,
    SsoMembers,
    IdentitiesService,
    SsoProvider,
    SsoService,
    SsoStateCookie,
    { provide: TenantOwners, useClass: ActiveOwners },
    ...PLATFORM_PROVIDERS,
  ],
  exports: [
    CredentialReader,
    EmailDirectory,
    FirstSignIn,
    PasswordHasher,
    TenantOwners,
    DemoUsers,
    FirstAdmin,
    SignInService,
    SigningKeys,
    TenantBearerGuard,
    PlatformBearerGuard,
    VisitorAdmission,
    UserStates,
    AccessTokens,
    PersonalData,
    SandboxAccess,
  ],
})
export class AuthModule {}
