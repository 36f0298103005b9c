// One command being carried out: its parameters, the ports, and the two things a command may wait for,
// a person and the disk.

import type { MapReader } from './cbor.ts';
import type { Answer, Environment, Prompt, RequestContext, VaultTransaction } from './env.ts';
import type { Policy } from './policy.ts';
import type { Session } from './session.ts';
import { CtapError } from './status.ts';

/**
 * What a person's answer means to a command. A touch that never came is USER_ACTION_TIMEOUT in every command.
 * docs/spec-decisions.md.
 */
const refusals = {
  declined: 'OPERATION_DENIED',
  'timed-out': 'USER_ACTION_TIMEOUT',
  cancelled: 'KEEPALIVE_CANCEL',
} as const;

export class Call {
  readonly environment: Environment;
  readonly policy: Policy;
  readonly session: Session;
  readonly parameters: MapReader;
  readonly context: RequestContext;

  constructor(
    environment: Environment,
    policy: Policy,
    session: Session,
    parameters: MapReader,
    context: RequestContext,
  ) {
    this.environment = environment;
    this.policy = policy;
    this.session = session;
    this.parameters = parameters;
    this.context = context;
  }

  /**
   * Asks a person and insists on a yes.
   * @throws CtapError OPERATION_DENIED, USER_ACTION_TIMEOUT or KEEPALIVE_CANCEL.
   */
  async approve(prompt: Prompt): Promise<void> {
    const { kind } = await this.ask(prompt);
    if (kind !== 'approved') throw new CtapError(refusals[kind]);
  }

  /**
   * Asks a person, for commands that do not depend on the answer.
   * @throws CtapError KEEPALIVE_CANCEL if the host took the request back meanwhile.
   */
  async ask(prompt: Prompt): Promise<Answer> {
    this.throwIfCancelled();
    this.context.waitingFor('user');
    const answer = await this.environment.gate.ask(prompt, this.context.signal);
    this.context.waitingFor('processing');
    this.throwIfCancelled();
    if (answer.kind === 'cancelled') throw new CtapError('KEEPALIVE_CANCEL');
    return answer;
  }

  /**
   * Sees to it that the vault can be read, which takes a person if it is locked. To be called before the vault is first
   * touched, after everything that can be refused without it.
   * @throws CtapError as `approve`.
   */
  async openVault(): Promise<void> {
    if (this.environment.vault.isLocked) await this.approve({ kind: 'unlock' });
  }

  /** Changes the vault, durably, as the last act of a command that can fail. @throws CtapError KEEPALIVE_CANCEL. */
  async commit(change: (tx: VaultTransaction) => void): Promise<void> {
    this.throwIfCancelled();
    await this.environment.vault.update(change);
  }

  /** Goes on only if the host still wants the answer. @throws CtapError KEEPALIVE_CANCEL. */
  throwIfCancelled(): void {
    if (this.context.signal.aborted) throw new CtapError('KEEPALIVE_CANCEL');
  }
}
