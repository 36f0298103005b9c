import { expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { Command, Key } from '../../support/key.ts';

const answers = {
  approved: Status.OK,
  declined: Status.OPERATION_DENIED,
  'timed-out': Status.USER_ACTION_TIMEOUT,
  cancelled: Status.KEEPALIVE_CANCEL,
} as const;

for (const [answer, status] of Object.entries(answers) as [keyof typeof answers, number][]) {
  it(`asks the person, and ${answer} is status 0x${status.toString(16)}`, async () => {
    const key = new Key();
    key.gate.script = answer;
    expect((await key.send(Command.selection)).status).toBe(status);
    expect(key.gate.prompts).toEqual([{ kind: 'select' }]);
  });
}
