// The demo's page: asks the server for options, hands them to the browser, shows what came of it.

const $ = (id) => document.getElementById(id);

/** What a person reads when the browser refuses; by the name of the DOMException. WebAuthn §5.1.3, §5.1.4. */
const reasons = {
  AbortError: 'Cancelled.',
  ConstraintError: 'This key cannot do what was asked, for example remember an account.',
  InvalidStateError: 'This key is registered for this account already. Just sign in with it.',
  NotAllowedError: 'No key answered: the request was declined, it timed out, or no key here knows this account.',
  NotSupportedError: 'The key and this site have no signature algorithm in common.',
  SecurityError: 'The browser does not trust this address. Open the page as http://localhost.',
};

/** Chromium does not even ask a key that can neither verify its user nor take a PIN. */
const discoverableHint = ' For a discoverable credential, Chromium wants a key with a PIN or with user verification.';

const flagMeanings = [
  ['up', 'user present', 'nobody confirmed'],
  ['uv', 'user verified', 'user not verified'],
  ['be', 'may be backed up', 'never leaves the key'],
  ['bs', 'is backed up', 'is not backed up'],
  ['at', 'brings a new public key', 'brings no public key'],
  ['ed', 'brings extension data', 'brings no extension data'],
];

const attestationMeanings = {
  none: 'no statement',
  self: 'signed by the new key itself',
  certificate: 'signed by the maker of the key',
};

// Both browsers' own JSON methods where they exist; by hand what they do where they do not.

const toBytes = (base64url) =>
  Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));

const toBase64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

const withBytesAsId = (descriptors = []) => descriptors.map((each) => ({ ...each, id: toBytes(each.id) }));

function creationOptions(json) {
  if (globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: toBytes(json.challenge),
    user: { ...json.user, id: toBytes(json.user.id) },
    excludeCredentials: withBytesAsId(json.excludeCredentials),
  };
}

function requestOptions(json) {
  if (globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  }
  return { ...json, challenge: toBytes(json.challenge), allowCredentials: withBytesAsId(json.allowCredentials) };
}

function credentialToJson(credential) {
  if (credential.toJSON) {
    return credential.toJSON();
  }
  const { id, type, authenticatorAttachment, response } = credential;
  const members = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'];
  const bytes = members.filter((name) => response[name]).map((name) => [name, toBase64url(response[name])]);
  return {
    id,
    rawId: id,
    type,
    authenticatorAttachment: authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { ...Object.fromEntries(bytes), transports: response.getTransports?.() },
  };
}

// Talking to the server.

async function ask(path, body) {
  const options = body && {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options).catch(() => {
    throw new Error('The demo does not answer. Is it still running?');
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(sentence(answer.error.message));
  }
  return answer;
}

async function register({ userName, residentKey, attestation }, signal) {
  const options = await ask('/register/options', { userName, residentKey, attestation });
  const credential = await navigator.credentials.create({ publicKey: creationOptions(options), signal });
  const result = await ask('/register/verify', credentialToJson(credential));
  say('success', `Registered. The site now knows this key as ${result.userName}.`);
  return result;
}

async function signIn({ userName }, signal) {
  const options = await ask('/sign-in/options', { userName });
  const credential = await navigator.credentials.get({ publicKey: requestOptions(options), signal });
  const result = await ask('/sign-in/verify', credentialToJson(credential));
  say('success', `Welcome, ${result.userName}.${result.withoutUserName ? ' The key told the site who you are.' : ''}`);
  return result;
}

// What people see.

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function say(kind, text) {
  $('message').dataset.kind = kind;
  $('message-text').textContent = text;
  $('message').scrollIntoView({ block: 'nearest' });
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) {
    made.className = className;
  }
  return made;
}

function showResult(result) {
  $('result').hidden = !result;
  $('result-empty').hidden = Boolean(result);
  if (result) {
    $('result').replaceChildren(...resultRows(result));
  }
}

function resultRows(result) {
  const flags = document.createElement('ul');
  for (const [name, on, off] of flagMeanings) {
    const isSet = result.flags[name];
    const flag = element('li', '', isSet ? 'flag' : 'flag off');
    flag.append(element('b', name.toUpperCase()), element('span', isSet ? on : off));
    flags.append(flag);
  }
  const counter =
    'previousSignCount' in result ? `${result.signCount}, after ${result.previousSignCount}` : result.signCount;
  const statement = attestationMeanings[result.attestation];
  const rows = [
    ['User name', element('span', result.userName)],
    ['Flags', flags],
    ['Signature counter', element('span', counter)],
    ['Algorithm', element('span', `${result.algorithmName} (${result.algorithm})`)],
    ['AAGUID', element('code', result.aaguid)],
    ['Attestation', element('span', statement ? `${result.fmt}, ${statement}` : `${result.fmt}, at registration`)],
    ['Credential id', element('code', result.credentialId)],
    ['Authenticator data', element('code', result.authenticatorData)],
  ];
  return rows.flatMap(([term, description]) => {
    const dd = document.createElement('dd');
    dd.append(description);
    return [element('dt', term), dd];
  });
}

async function showAccounts() {
  const { signedInAs, accounts } = await ask('/accounts');
  $('visitor-name').textContent = signedInAs === null ? 'Not signed in' : `Signed in as ${signedInAs}`;
  $('sign-out').hidden = signedInAs === null;
  $('accounts-empty').hidden = accounts.length > 0;
  $('accounts').replaceChildren(
    ...accounts.map(({ userName, credentials }) => {
      const account = element('li', '');
      account.append(element('strong', userName));
      for (const { id, algorithmName, fmt, discoverable, signCount } of credentials) {
        const kind = discoverable === undefined ? [] : [discoverable ? 'discoverable' : 'not discoverable'];
        const facts = [
          ...kind,
          algorithmName,
          fmt === 'none' ? 'no attestation' : `${fmt} attestation`,
          `counter ${signCount}`,
        ];
        account.append(element('small', facts.join(' · ')), element('code', `${id.slice(0, 32)}…`));
      }
      return account;
    }),
  );
}

// One ceremony at a time; the others wait or are cancelled.

async function perform(ceremony, choices) {
  const controller = new AbortController();
  const cancel = () => controller.abort();
  const buttons = [...document.querySelectorAll('#forms button')];
  const focused = document.activeElement;
  for (const button of buttons) {
    button.disabled = true;
  }
  $('cancel').addEventListener('click', cancel);
  $('cancel').hidden = false;
  say('waiting', 'Waiting for your key: touch it, or approve the request.');
  try {
    if (!globalThis.PublicKeyCredential) {
      throw new Error('This browser has no WebAuthn, or does not offer it to this address.');
    }
    showResult(await ceremony(choices, controller.signal));
    await showAccounts();
  } catch (error) {
    const aboutDiscoverable = choices.residentKey === 'required' || choices.userName === undefined;
    const hint = error.name === 'NotAllowedError' && aboutDiscoverable ? discoverableHint : '';
    say('failure', (reasons[error.name] ?? error.message) + hint);
    showResult(undefined);
  } finally {
    for (const button of buttons) {
      button.disabled = false;
    }
    $('cancel').removeEventListener('click', cancel);
    $('cancel').hidden = true;
    focused?.focus();
  }
}

function onSubmit(form, ceremony) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void perform(ceremony, Object.fromEntries(new FormData(form)));
  });
}

onSubmit($('register'), register);
onSubmit($('sign-in'), signIn);
$('sign-in-nameless').addEventListener('click', () => perform(signIn, {}));
$('sign-out').addEventListener('click', async () => {
  await ask('/sign-out', {});
  say('idle', 'Signed out.');
  await showAccounts();
});
await showAccounts().catch((error) => say('failure', error.message));
