# python-fido2 (0.9.1, that of Debian 12) as a referee: its client, its management classes and its relying party. Says
# `ready`, then reads `NAME DEVICE` on standard input, runs the check of that name, and answers with one line: `ok`, or
# what went wrong.

import sys
import traceback

from fido2.attestation import Attestation
from fido2.client import Fido2Client
from fido2.cose import CoseKey, ES256, EdDSA
from fido2.ctap import CtapError
from fido2.ctap1 import ApduError, Ctap1
from fido2.ctap2 import Ctap2
from fido2.ctap2.blob import LargeBlobs
from fido2.ctap2.config import Config
from fido2.ctap2.credman import CredentialManagement
from fido2.ctap2.extensions import CredProtectExtension, HmacSecretExtension
from fido2.ctap2.pin import ClientPin, PinProtocolV1, PinProtocolV2
from fido2.hid import open_device
from fido2.server import Fido2Server
from fido2.utils import sha256
from fido2.webauthn import PublicKeyCredentialParameters

FIRST_PIN = "the first"
PIN = "four seasons"
PROTOCOLS = (PinProtocolV1, PinProtocolV2)
ORIGIN = "https://example.com"
RP = {"id": "example.com", "name": "Example"}


def expect(actual, expected):
    if actual != expected:
        raise AssertionError("expected %r, got %r" % (expected, actual))


def refuses(error, act):
    try:
        act()
    except CtapError as refusal:
        return expect(refusal.code, error)
    raise AssertionError("expected %r, but it succeeded" % error)


def verify_attestation(attestation_object, client_data_hash):
    verifier = Attestation.for_type(attestation_object.fmt)()
    verifier.verify(attestation_object.att_statement, attestation_object.auth_data, client_data_hash)


def server():
    return Fido2Server(RP, attestation="direct", verify_attestation=verify_attestation)


def register(client, user, algorithm=ES256.ALGORITHM, pin=None, verification="discouraged", resident=False, extensions=None):
    """Registers with the library's own relying party. Returns authenticator data and the client's extension outputs."""
    site = server()
    site.allowed_algorithms = [PublicKeyCredentialParameters("public-key", algorithm)]
    user = {"id": user.encode(), "name": user}
    options, state = site.register_begin(user, resident_key=resident, user_verification=verification)
    options["publicKey"]["extensions"] = extensions or {}
    made = client.make_credential(options["publicKey"], pin=pin)
    data = site.register_complete(state, made.client_data, made.attestation_object)
    return data, made


def sign_in(client, credential, pin=None, verification="discouraged", extensions=None, discover=False):
    """Signs in at the library's own relying party. Returns the response."""
    site = server()
    options, state = site.authenticate_begin(None if discover else [credential], user_verification=verification)
    options["publicKey"]["extensions"] = extensions or {}
    answer = client.get_assertion(options["publicKey"], pin=pin).get_response(0)
    site.authenticate_complete(
        state, [credential], answer.credential_id, answer.client_data, answer.authenticator_data, answer.signature
    )
    return answer


def client_of(device):
    return Fido2Client(device, ORIGIN)


def token(ctap, permissions, protocol=PinProtocolV2, rp_id=None):
    pins = ClientPin(ctap, protocol())
    return pins.protocol, pins.get_pin_token(PIN, permissions, rp_id)


def info(device):
    found = Ctap2(device).info
    expect(found.versions, ["U2F_V2", "FIDO_2_0", "FIDO_2_1", "FIDO_2_3"])
    expect(found.aaguid.hex(), "f09a41a523524e648438a09860401cfb")
    expect(found.pin_uv_protocols, [2, 1])
    expect(device.ping(b"x" * 1000), b"x" * 1000)


def u2f(device):
    ctap = Ctap1(device)
    challenge, application = sha256(b"challenge"), sha256(b"https://example.com")
    made = ctap.register(challenge, application)
    made.verify(application, challenge)
    signed = ctap.authenticate(challenge, application, made.key_handle)
    signed.verify(application, challenge, made.public_key)
    try:
        ctap.authenticate(challenge, sha256(b"https://example.org"), made.key_handle)
    except ApduError as refusal:
        return expect(refusal.code, 0x6A80)
    raise AssertionError("expected a refusal of another application")


def relying_party(device):
    client = client_of(device)
    for algorithm in (ES256.ALGORITHM, EdDSA.ALGORITHM):
        for resident in (False, True):
            data, _ = register(client, "ada%d" % algorithm, algorithm, verification="required", resident=resident)
            expect(data.is_user_verified(), True)
            credential = data.credential_data
            expect(CoseKey.parse(credential.public_key).ALGORITHM, algorithm)
            sign_in(client, credential, verification="required", discover=resident)
            answer = sign_in(client, credential, verification="discouraged")
            expect(answer.authenticator_data.is_user_verified(), False)


def pin(device):
    ctap = Ctap2(device)
    ClientPin(ctap, PinProtocolV1()).set_pin(FIRST_PIN)
    ClientPin(ctap, PinProtocolV2()).change_pin(FIRST_PIN, PIN)
    for protocol in PROTOCOLS:
        pins = ClientPin(ctap, protocol())
        refuses(CtapError.ERR.PIN_INVALID, lambda: pins.get_pin_token(FIRST_PIN, ClientPin.PERMISSION.GET_ASSERTION, "example.com"))
        expect(pins.get_pin_retries()[0], 7)
        pins.get_pin_token(PIN, ClientPin.PERMISSION.GET_ASSERTION, "example.com")
        expect(pins.get_pin_retries()[0], 8)
    expect(Ctap2(device).info.options["clientPin"], True)


def tokens(device):
    ctap = Ctap2(device)
    data_hash = sha256(b"client data")
    params = [{"type": "public-key", "alg": ES256.ALGORITHM}]
    user = {"id": b"ada", "name": "ada"}
    for protocol in PROTOCOLS:
        pins = ClientPin(ctap, protocol())
        expect(pins.get_uv_retries()[0], 5)
        for get in (lambda *scope: pins.get_pin_token(PIN, *scope), pins.get_uv_token):

            def make(secret, rp_id):
                proof = pins.protocol.authenticate(secret, data_hash)
                rp = {"id": rp_id, "name": rp_id}
                return ctap.make_credential(
                    data_hash, rp, user, params, pin_uv_param=proof, pin_uv_protocol=protocol.VERSION
                )

            permitted = get(ClientPin.PERMISSION.MAKE_CREDENTIAL, "example.com")
            refuses(CtapError.ERR.PIN_AUTH_INVALID, lambda: make(permitted, "example.org"))
            expect(make(permitted, "example.com").auth_data.is_user_verified(), True)
            other = get(ClientPin.PERMISSION.GET_ASSERTION, "example.com")
            refuses(CtapError.ERR.PIN_AUTH_INVALID, lambda: make(other, "example.com"))


def hmac_secret(device):
    data, made = register(client_of(device), "hmac", pin=PIN, extensions={"hmacCreateSecret": True})
    expect(made.extension_results, {"hmacCreateSecret": True})
    salts = {"salt1": b"1" * 32, "salt2": b"2" * 32}

    def secrets(protocol, wanted, pin=None):
        kind = lambda ctap: HmacSecretExtension(ctap, protocol())
        client = Fido2Client(device, ORIGIN, extension_types=[kind])
        verification = "discouraged" if pin else "required"
        answer = sign_in(client, data.credential_data, pin, verification, {"hmacGetSecret": wanted})
        return answer.extension_results["hmacGetSecret"]

    by_pin = secrets(PinProtocolV2, salts, PIN)
    expect(sorted(by_pin), ["output1", "output2"])
    expect(by_pin["output1"] != by_pin["output2"], True)
    expect(secrets(PinProtocolV1, salts, PIN), by_pin)
    # Verified is verified, by PIN or by the key itself.
    expect(secrets(PinProtocolV2, salts), by_pin)
    expect(secrets(PinProtocolV2, {"salt1": salts["salt2"]}, PIN), {"output1": by_pin["output2"]})


def cred_protect(device):
    client = client_of(device)
    for level, policy in enumerate(CredProtectExtension.POLICY, 1):
        wish = {"credentialProtectionPolicy": policy, "enforceCredentialProtectionPolicy": True}
        data, _ = register(client, "protected", pin=PIN, resident=True, extensions=wish)
        expect(data.extensions, {"credProtect": level})
        ctap = Ctap2(device)
        named = [{"type": "public-key", "id": data.credential_data.credential_id}]
        ask = lambda allowed: ctap.get_assertion("example.com", sha256(b"client data"), allowed)
        if level < 3:
            ask(named)
        else:
            refuses(CtapError.ERR.NO_CREDENTIALS, lambda: ask(named))
        sign_in(client, data.credential_data, PIN)


def cred_blob(device):
    client = client_of(device)
    data, _ = register(client, "blob", pin=PIN, resident=True, extensions={"credBlob": b"a small blob"})
    expect(data.extensions, {"credBlob": True})
    answer = sign_in(client, data.credential_data, PIN, extensions={"getCredBlob": True})
    expect(answer.authenticator_data.extensions, {"credBlob": b"a small blob"})


def credential_management(device):
    ctap = Ctap2(device)
    for protocol in PROTOCOLS:
        manage = CredentialManagement(ctap, *token(ctap, ClientPin.PERMISSION.CREDENTIAL_MGMT, protocol))
        before = manage.get_metadata()[CredentialManagement.RESULT.EXISTING_CRED_COUNT]
        data, _ = register(client_of(device), "managed", pin=PIN, resident=True)
        # The registration took the token's place.
        manage = CredentialManagement(ctap, *token(ctap, ClientPin.PERMISSION.CREDENTIAL_MGMT, protocol))
        [rp] = manage.enumerate_rps()
        expect(rp[CredentialManagement.RESULT.RP]["id"], "example.com")
        found = manage.enumerate_creds(rp[CredentialManagement.RESULT.RP_ID_HASH])
        expect(len(found), before + 1)
        [own] = [each for each in found if each[CredentialManagement.RESULT.USER]["id"] == b"managed"]
        descriptor = own[CredentialManagement.RESULT.CREDENTIAL_ID]
        expect(descriptor["id"], data.credential_data.credential_id)
        expect(own[CredentialManagement.RESULT.PUBLIC_KEY], data.credential_data.public_key)
        manage.update_user_info(descriptor, {"id": b"managed", "name": "renamed", "displayName": "Renamed"})
        found = manage.enumerate_creds(rp[CredentialManagement.RESULT.RP_ID_HASH])
        expect("renamed" in [each[CredentialManagement.RESULT.USER].get("name") for each in found], True)
        manage.delete_cred(descriptor)
        expect(manage.get_metadata()[CredentialManagement.RESULT.EXISTING_CRED_COUNT], before)


def large_blobs(device):
    ctap = Ctap2(device)
    text = b"a certificate, say; " * 200
    _, made = register(client_of(device), "blobs", pin=PIN, resident=True, extensions={"largeBlobKey": True})
    key = made.attestation_object.large_blob_key
    for protocol in PROTOCOLS:
        blobs = LargeBlobs(ctap, *token(ctap, ClientPin.PERMISSION.LARGE_BLOB_WRITE, protocol))
        blobs.put_blob(key, text)
        expect(LargeBlobs(ctap).get_blob(key), text)
        blobs.delete_blob(key)
        expect(LargeBlobs(ctap).get_blob(key), None)
    refuses(CtapError.ERR.PIN_REQUIRED, lambda: LargeBlobs(ctap).put_blob(key, text))


def config(device):
    ctap = Ctap2(device)
    for protocol in PROTOCOLS:
        for state in (True, False):
            Config(ctap, *token(ctap, ClientPin.PERMISSION.AUTHENTICATOR_CFG, protocol)).toggle_always_uv()
            expect(ctap.get_info().options["alwaysUv"], state)
    settings = Config(ctap, *token(ctap, ClientPin.PERMISSION.AUTHENTICATOR_CFG))
    settings.set_min_pin_length(6, ["example.com"])
    data, _ = register(client_of(device), "minimum", pin=PIN, extensions={"minPinLength": True})
    expect(data.extensions, {"minPinLength": 6})
    refuses(CtapError.ERR.PIN_POLICY_VIOLATION, lambda: ClientPin(ctap).change_pin(PIN, "12345"))
    settings = Config(ctap, *token(ctap, ClientPin.PERMISSION.AUTHENTICATOR_CFG))
    settings.set_min_pin_length(force_change_pin=True)
    expect(ctap.get_info().force_pin_change, True)
    ClientPin(ctap).change_pin(PIN, FIRST_PIN)
    expect(ctap.get_info().force_pin_change, False)


def reset(device):
    ctap = Ctap2(device)
    ctap.reset()
    found = ctap.get_info()
    expect((found.options["clientPin"], found.min_pin_length), (False, 4))


print("ready", flush=True)
for line in sys.stdin:
    name, path = line.split()
    try:
        device = open_device(path)
        globals()[name](device)
        device.close()
        print("ok", flush=True)
    except Exception:
        print(traceback.format_exc().replace("\n", " | "), flush=True)
