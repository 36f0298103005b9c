// What Firefox needs to be told to use the key.

export const firefoxPreferences = {
  'security.webauth.webauthn_enable_softtoken': false,
  'security.webauth.webauthn_enable_usbtoken': true,
  // Otherwise Firefox asks a person whether the site may know the model.
  'security.webauthn.always_allow_direct_attestation': true,
};
