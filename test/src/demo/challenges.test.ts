import { expect, it } from 'vitest';
import { Challenges, challengeLifetimeMs } from '../../../src/demo/challenges.ts';

const ceremony = { kind: 'sign-in', userName: undefined, requireUv: false } as const;

it('is good until its time is over, and for one answer', () => {
  let now = 0;
  const challenges = new Challenges(() => now);
  challenges.issue('a', 'session', ceremony);
  now = challengeLifetimeMs - 1;

  expect(challenges.take('a', 'session', 'sign-in')).toBe(ceremony);
  expect(() => challenges.take('a', 'session', 'sign-in')).toThrow('answered before');
});

it('forgets the oldest of more than a thousand', () => {
  const challenges = new Challenges(() => 0);
  for (let i = 0; i <= 1000; i++) {
    challenges.issue(`challenge ${i}`, 'session', ceremony);
  }

  expect(() => challenges.take('challenge 0', 'session', 'sign-in')).toThrow('not made here');
  expect(challenges.take('challenge 1', 'session', 'sign-in')).toBe(ceremony);
});
