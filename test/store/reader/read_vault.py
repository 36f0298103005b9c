#!/usr/bin/env python3
# Another reader of vaults, written from docs/store-format.md alone and with Python's standard library alone: it opens a
# vault, checks what that page says, and prints every record as JSON, bytes in hexadecimal. It writes nothing.
#
#   read_vault.py FOLDER < passphrase
#   read_vault.py FOLDER --key-file FILE
#   read_vault.py FOLDER --words ENGLISH.TXT < recovery-phrase     (the list of BIP-39, a word a line)
#
# It ends with 0, with 1 if the vault cannot be read, with 2 if it was printed but something in it is damaged.

import argparse
import hashlib
import hmac
import json
import pathlib
import sys
import unicodedata

import cbor
import data_file
from ciphers import Refused, hkdf, sha256, x25519, xchacha20_poly1305_open

FORMATS = (1, 2)
CREDENTIAL, INDEX = 0x10, 0x20


class Unreadable(Exception):
    """Why this vault cannot be read."""


# --- the header and its slots -----------------------------------------------------------------------------------------


def read_header(entries):
    """The format version and the map of the first copy that is intact."""
    for key in (b"\x00", b"\x01"):
        copy = entries.get(key, b"")
        body, checksum = copy[:-32], copy[-32:]
        if body[:8] == b"passfob\x00" and sha256(body) == checksum:
            version = int.from_bytes(body[8:10], "big")
            if version not in FORMATS:
                raise Unreadable(f"expected a vault of format 1 or 2, found one of format {version}")
            return version, cbor.decode(body[10:])
    raise Unreadable("no copy of the header is intact")


def open_slots(version, slots, key_of):
    """The root key, from the first slot that opens. `key_of` gives a slot's key, or None for another kind of slot."""
    for slot in slots:
        key = key_of(slot)
        if key is None:
            continue
        try:
            return xchacha20_poly1305_open(wrapping_key(version, slot, key), slot[2], wrap_data(version, slot))
        except Refused:
            pass
    raise Unreadable("no slot opens with this")


def wrapping_key(version, slot, key):
    if version == 1:
        return key
    if 9 not in slot:
        return hkdf(key, b"passfob vault 2: wrap root key")
    private = hkdf(key, b"passfob vault 2: key pair of a slot")
    if x25519(private) != slot[8]:
        raise Refused
    shared = x25519(private, slot[9])
    return hkdf(shared, b"passfob vault 2: wrap root key by rekeying", slot[9] + slot[8])


def wrap_data(version, slot):
    return b"passfob vault %d: wrap root key" % version + cbor.encode({k: v for k, v in slot.items() if k != 2})


def by_passphrase(passphrase):
    def key_of(slot):
        if slot[1] != "passphrase":
            return None
        cost, r, p = slot[4], slot[5], slot[6]
        if not (1 <= cost <= 20 and r == 8 and 1 <= p <= 16):
            raise Unreadable("a slot asks for a cost out of bounds")
        text = unicodedata.normalize("NFC", passphrase).encode()
        return hashlib.scrypt(text, salt=slot[3], n=1 << cost, r=r, p=p, dklen=32, maxmem=(1 << 31) - 1)

    return key_of


def by_secret(kind, secret):
    info = f"passfob vault 2: key of a {kind} slot".encode()
    return lambda slot: hkdf(secret, info, slot[3]) if slot[1] == kind else None


def entropy_of(phrase, words):
    """The 32 bytes behind 24 words."""
    numbers = [words.index(word) if word in words else None for word in phrase.lower().split()]
    if len(numbers) != 24 or None in numbers:
        raise Unreadable("expected 24 words of the list")
    joined = sum(number << 11 * (23 - place) for place, number in enumerate(numbers)).to_bytes(33, "big")
    if sha256(joined[:32])[0] != joined[32]:
        raise Unreadable("the recovery phrase's checksum is wrong")
    return joined[:32]


def check_authentication(header, root_key):
    without = {member: value for member, value in header.items() if member != 4}
    key = hkdf(root_key, b"passfob vault 2: authenticate header")
    if not hmac.compare_digest(hmac.digest(key, cbor.encode(without), "sha256"), header[4]):
        raise Unreadable("somebody without the root key wrote the header")


# --- records ----------------------------------------------------------------------------------------------------------


class Keys:
    """What opens and names the records of one generation."""

    def __init__(self, root_key):
        self.seal = hkdf(root_key, b"passfob vault 1: seal records")
        self.names = hkdf(root_key, b"passfob vault 1: name records")

    def open(self, key, sealed):
        """The map in a sealed value. Raises Refused, CborError."""
        if sealed[:1] != b"\x01":
            raise Refused
        return cbor.decode(xchacha20_poly1305_open(self.seal, sealed[1:], sealed[:1] + key))

    def name(self, kind, value):
        return hmac.digest(self.names, kind + b"\x00" + value, "sha256")[:16]

    def names_of(self, credential):
        return self.name(b"rpIdHash", credential[2]), self.name(b"credentialId", credential[1])


def generations(version, header, root_key):
    """The keys for each lowest bit of a key's first byte."""
    generation = header[2] if version > 1 else 0
    keys = {generation & 1: Keys(root_key)}
    if 3 in header:
        key = hkdf(root_key, b"passfob vault 2: keep previous root key")
        previous = xchacha20_poly1305_open(key, header[3], generation.to_bytes(4, "big"))
        keys[~generation & 1] = Keys(previous)
    return generation, keys


def read_records(version, header, root_key, entries):
    generation, keys = generations(version, header, root_key)
    current = keys[generation & 1]
    damaged = []

    def record(keys, key):
        try:
            return keys.open(key, entries[key])
        except (KeyError, Refused, cbor.CborError):
            damaged.append(key)
            return None

    device, counter = record(current, b"\x02"), record(current, b"\x03")
    credentials, index = [], {}
    for key in entries:
        family, bit = key[0] & ~1, key[0] & 1
        if family == CREDENTIAL and bit in keys:
            credential = record(keys[bit], key)
            if credential is not None:
                rp_name, id_name = keys[bit].names_of(credential)
                if key[1:] != rp_name + id_name:
                    damaged.append(key)
                    continue
                credentials.append(credential)
            index[bytes([INDEX | bit]) + key[17:]] = key[1:17]
        elif family in (CREDENTIAL, INDEX) and bit not in keys:
            damaged.append(key)
    found = {key: value for key, value in entries.items() if key[0] & ~1 == INDEX and key[0] & 1 in keys}
    damaged += sorted(key for key, _ in found.items() ^ index.items())
    if version > 1 and device and device[19] != len(credentials):
        damaged.append(b"\x02")
    return {
        "format": version,
        "generation": generation,
        "device": device,
        "counter": counter,
        "credentials": credentials,
        "damaged": damaged,
    }


def read_vault(folder, key_of):
    entries = dict(data_file.read_all((folder / "data.mdb").read_bytes()))
    version, header = read_header(entries)
    root_key = open_slots(version, header[1], key_of)
    if version > 1:
        check_authentication(header, root_key)
    return read_records(version, header, root_key, entries)


# --- the program ------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description="prints what is in a passfob vault")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--key-file", type=pathlib.Path)
    parser.add_argument("--words", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        if arguments.key_file:
            key_of = by_secret("key-file", arguments.key_file.read_bytes())
        elif arguments.words:
            entropy = entropy_of(sys.stdin.read(), arguments.words.read_text().split())
            key_of = by_secret("recovery-phrase", entropy)
        else:
            key_of = by_passphrase(sys.stdin.buffer.read().decode().removesuffix("\n"))
        vault = read_vault(arguments.folder, key_of)
    except (Unreadable, data_file.DamagedFile, cbor.CborError, Refused) as error:
        sys.exit(f"{arguments.folder}: {error or 'the previous root key does not open'}")
    print(json.dumps(vault, default=bytes.hex, ensure_ascii=False))
    sys.exit(2 if vault["damaged"] else 0)


if __name__ == "__main__":
    main()
