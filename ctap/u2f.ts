// U2F (CTAP1): REGISTER, AUTHENTICATE and VERSION over APDUs, on the same ES256 credentials as CTAP2: a key handle is a
// credential id. FIDO U2F Raw Message Formats.

import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { apduData, StatusWord, type StatusWordName } from './apdu.ts';
import { encodeAuthenticatorData } from './authenticator-data.ts';
import { findCredential, sealCredentialId } from './credential-id.ts';
import { nextSignCount } from './credential-kind.ts';
import { publicStateOf } from './device-state.ts';
import type { Environment } from './env.ts';
import { isUsable } from './extensions/cred-protect.ts';
import type { Policy } from './policy.ts';
import { selfSignedCertificate } from './u2f-certificate.ts';
import { U2fPresence } from './u2f-presence.ts';
import { CoseAlg, Flag } from './wire.ts';

const Instruction = { U2F_REGISTER: 0x01, U2F_AUTHENTICATE: 0x02, U2F_VERSION: 0x03 } as const;

/** P1 of U2F_AUTHENTICATE. */
const Control = { enforceUserPresenceAndSign: 0x03, checkOnly: 0x07, dontEnforceUserPresenceAndSign: 0x08 } as const;

/** The data of a success, or the name of an error. */
type Reply = Uint8Array | StatusWordName;

export class U2f {
  readonly #environment: Environment;
  readonly #presence: U2fPresence;

  constructor(environment: Environment, policy: Policy) {
    this.#environment = environment;
    this.#presence = new U2fPresence(environment, policy);
  }

  /** Carries out one APDU. Answers with data and status word (2 bytes, big-endian). Never rejects. */
  async handle(apdu: Uint8Array): Promise<Uint8Array> {
    let reply: Reply;
    try {
      reply = await this.#dispatch(apdu);
    } catch (error) {
      this.#environment.reportBug(error);
      reply = 'SW_UNKNOWN';
    }
    const [data, word] = typeof reply === 'string' ? [new Uint8Array(), reply] : [reply, 'SW_NO_ERROR' as const];
    return concatBytes(data, Uint8Array.of(StatusWord[word] >> 8, StatusWord[word] & 0xff));
  }

  /** Takes back what a person is being asked, if anything. */
  cancel(): Promise<void> {
    return this.#presence.cancel();
  }

  #dispatch(apdu: Uint8Array): Reply | Promise<Reply> {
    const [cla, ins, p1] = apdu;
    if (cla === undefined || ins === undefined || p1 === undefined || apdu.length < 4) return 'SW_WRONG_LENGTH';
    if (cla !== 0) return 'SW_CLA_NOT_SUPPORTED';
    const data = apduData(apdu);
    // Nobody can be verified over U2F, so alwaysUv switches it off; what it is can still be asked. CTAP 2.1 §6.11.2.
    const isOff = publicStateOf(this.#environment.vault)?.alwaysUv;
    if (isOff && (ins === Instruction.U2F_REGISTER || ins === Instruction.U2F_AUTHENTICATE)) {
      return 'SW_COMMAND_NOT_ALLOWED';
    }
    switch (ins) {
      case Instruction.U2F_REGISTER:
        return data?.length === 64 ? this.#onVault(() => this.#register(data)) : 'SW_WRONG_LENGTH';
      case Instruction.U2F_AUTHENTICATE:
        return data && data.length >= 65 && data.length === 65 + (data[64] ?? 0)
          ? this.#onVault(() => this.#authenticate(p1, data))
          : 'SW_WRONG_LENGTH';
      case Instruction.U2F_VERSION:
        return data?.length === 0 ? utf8ToBytes('U2F_V2') : 'SW_WRONG_LENGTH';
      default:
        return 'SW_INS_NOT_SUPPORTED';
    }
  }

  /** Goes on with a vault that is open; while a person is asked for it the host hears "not yet". */
  async #onVault(carryOut: () => Promise<Reply>): Promise<Reply> {
    const { vault } = this.#environment;
    if (vault.isLocked && !(await this.#presence.approved('unlock', { kind: 'unlock' }))) {
      return 'SW_CONDITIONS_NOT_SATISFIED';
    }
    return vault.device.alwaysUv ? 'SW_COMMAND_NOT_ALLOWED' : carryOut();
  }

  /** Challenge and application (32 bytes each) to a new credential that is sealed in its key handle. §4. */
  async #register(data: Uint8Array): Promise<Reply> {
    const { crypto, vault } = this.#environment;
    const [challenge, application] = [data.subarray(0, 32), data.subarray(32, 64)];
    const applicationHash = bytesToHex(application);
    const prompt = { kind: 'u2f-register', applicationHash } as const;
    if (!(await this.#presence.approved(`register ${applicationHash}`, prompt))) return 'SW_CONDITIONS_NOT_SATISFIED';

    const keyPair = crypto.generateKeyPair(CoseAlg.ES256);
    const { publicKey } = keyPair;
    const keyHandle = sealCredentialId(crypto, vault.device.credentialIdKey, {
      rpIdHash: application,
      algorithm: CoseAlg.ES256,
      ...keyPair,
      kind: 'device-bound',
      credProtect: 1,
      thirdPartyPayment: false,
    });
    const signed = concatBytes(Uint8Array.of(0x00), application, challenge, keyHandle, publicKey);
    const { attestation } = this.#environment;
    return concatBytes(
      Uint8Array.of(0x05),
      publicKey,
      Uint8Array.of(keyHandle.length),
      keyHandle,
      attestation?.certificates[0] ?? selfSignedCertificate(crypto, keyPair),
      attestation?.sign(signed) ?? crypto.sign(CoseAlg.ES256, keyPair, signed),
    );
  }

  /** Challenge, application (32 bytes each) and key handle to a signature. §5. */
  async #authenticate(control: number, data: Uint8Array): Promise<Reply> {
    const { crypto, vault } = this.#environment;
    const [challenge, application, keyHandle] = [data.subarray(0, 32), data.subarray(32, 64), data.subarray(65)];
    const known: readonly number[] = Object.values(Control);
    if (!known.includes(control)) return 'SW_INCORRECT_P1P2';
    // Before anybody is asked: hosts try the handles of other keys, too.
    const credential = findCredential(vault, crypto, application, keyHandle);
    if (credential?.algorithm !== CoseAlg.ES256) return 'SW_WRONG_DATA';
    if (!isUsable(credential, { userVerified: false, named: true })) return 'SW_WRONG_DATA';
    if (control === Control.checkOnly) return 'SW_CONDITIONS_NOT_SATISFIED';
    const enforce = control === Control.enforceUserPresenceAndSign;
    if (enforce) {
      const applicationHash = bytesToHex(application);
      const prompt = { kind: 'u2f-sign-in', applicationHash } as const;
      if (!(await this.#presence.approved(`sign-in ${applicationHash}`, prompt))) return 'SW_CONDITIONS_NOT_SATISFIED';
    }
    // What U2F signs is, byte by byte, an authenticator data without extensions and a hash of client data.
    const authData = encodeAuthenticatorData(application, enforce ? Flag.UP : 0, nextSignCount(vault, credential));
    const signature = crypto.sign(CoseAlg.ES256, credential, concatBytes(authData, challenge));
    return concatBytes(authData.subarray(32), signature);
  }
}
