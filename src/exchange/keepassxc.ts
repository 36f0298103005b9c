// KeePassXC's `.passkey` file: one passkey as a JSON object, its key PKCS#8 in PEM.

import { algorithmName } from '../../ctap/cose.ts';
import { CoseAlg } from '../../ctap/wire.ts';
import { exitCode, UserError } from '../errors.ts';
import { base64url } from '../jwk.ts';
import { pem, readPem } from './credential-key.ts';
import { type ExchangeFormat, importedCredential, websiteOf } from './format.ts';
import { identityOf } from './portable.ts';

const algorithms: readonly number[] = [CoseAlg.ES256, CoseAlg.EdDSA];

export const keepassxc: ExchangeFormat = {
  title: 'KeePassXC passkey file',
  fits: (document) => 'relyingParty' in document,
  read(document) {
    const identity = identityOf(
      document.member('credentialId').bytes(16, 255),
      document.member('relyingParty').domain(),
      undefined,
      { id: document.member('userHandle').bytes(1, 64), name: document.member('username'), displayName: undefined },
    );
    const credential = importedCredential(identity, readPem(document.member('privateKey')), undefined);
    return { credentials: [credential], passedOver: 0, counted: 0 };
  },
  write(credentials) {
    const [credential] = credentials;
    if (!credential || credentials.length > 1) {
      throw new UserError(
        `a KeePassXC passkey file has one passkey, not ${credentials.length}`,
        'name the one by its ID; `passfob credentials list` shows them',
        exitCode.usage,
      );
    }
    if (!algorithms.includes(credential.algorithm)) {
      throw new UserError(
        `KeePassXC has ES256 and EdDSA, and this passkey is ${algorithmName(credential.algorithm)}`,
        '--format cxf takes it',
      );
    }
    const rpId = websiteOf(credential);
    return {
      credentialId: base64url(credential.id),
      privateKey: pem(credential),
      relyingParty: rpId,
      url: `https://${rpId}`,
      userHandle: base64url(credential.user.id),
      username: credential.user.name ?? '',
    };
  },
};
