// authenticatorGetInfo (0x04): what this authenticator is and can do. CTAP 2.1 §6.4.

import type { Call } from '../call.ts';
import type { CborMap, CborValue } from '../cbor.ts';
import { usableAlgorithms } from '../cose.ts';
import { GetInfoResponse } from '../wire.ts';

/** Built anew for every request, since it may change with the state of the device. */
export function getInfo({ environment, policy }: Call): CborMap {
  return new Map<number, CborValue>([
    [GetInfoResponse.versions, ['U2F_V2', 'FIDO_2_0']],
    [GetInfoResponse.aaguid, policy.aaguid],
    [
      GetInfoResponse.options,
      new Map([
        ['rk', true],
        ['up', true],
        ['plat', false],
      ]),
    ],
    [GetInfoResponse.maxMsgSize, policy.maxMsgSize],
    [GetInfoResponse.maxCredentialCountInList, policy.maxCredentialCountInList],
    [GetInfoResponse.maxCredentialIdLength, policy.maxCredentialIdLength],
    [GetInfoResponse.transports, ['usb']],
    [
      GetInfoResponse.algorithms,
      usableAlgorithms(policy, environment.crypto).map(
        (alg) =>
          new Map<string, CborValue>([
            ['alg', alg],
            ['type', 'public-key'],
          ]),
      ),
    ],
    [GetInfoResponse.firmwareVersion, policy.firmwareVersion],
  ]);
}
