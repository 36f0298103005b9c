# XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 over RFC 8439), X25519 (RFC 7748) and HKDF-SHA-256 (RFC 5869), written
# out: slow, not constant in time, and easy to check against their texts.

import hashlib
import hmac
import struct


class Refused(Exception):
    """A tag that does not fit: another key, another place, or changed bytes."""


def hkdf(key, info, salt=b""):
    """32 bytes: one block of output."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def sha256(data):
    return hashlib.sha256(data).digest()


# --- ChaCha20 ---------------------------------------------------------------------------------------------------------

QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def rounds(state):
    """The 20 rounds, without the final addition. RFC 8439 §2.3"""
    x, mask = list(state), 0xFFFFFFFF
    for _ in range(10):
        for i, j, k, l in QUARTERS:
            a, b, c, d = x[i], x[j], x[k], x[l]
            a = a + b & mask
            d ^= a
            d = (d << 16 | d >> 16) & mask
            c = c + d & mask
            b ^= c
            b = (b << 12 | b >> 20) & mask
            a = a + b & mask
            d ^= a
            d = (d << 8 | d >> 24) & mask
            c = c + d & mask
            b ^= c
            x[i], x[j], x[k], x[l] = a, (b << 7 | b >> 25) & mask, c, d
    return x


def initial_state(key, last_16_bytes):
    return struct.unpack("<16I", b"expand 32-byte k" + key + last_16_bytes)


def block(key, counter, nonce):
    state = initial_state(key, counter.to_bytes(4, "little") + nonce)
    return struct.pack("<16I", *(a + b & 0xFFFFFFFF for a, b in zip(state, rounds(state))))


def hchacha20(key, first_16_of_nonce):
    x = rounds(initial_state(key, first_16_of_nonce))
    return struct.pack("<8I", *x[:4], *x[12:])


# --- Poly1305 and the AEAD --------------------------------------------------------------------------------------------


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    sum_ = 0
    for at in range(0, len(message), 16):
        sum_ = (sum_ + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return (sum_ + int.from_bytes(key[16:], "little") & (1 << 128) - 1).to_bytes(16, "little")


def padded(data):
    return data + bytes(-len(data) % 16)


def xchacha20_poly1305_open(key, sealed, associated):
    """`sealed`: nonce (24), ciphertext, tag (16). Raises Refused."""
    if len(sealed) < 40:
        raise Refused
    nonce, ciphertext, tag = sealed[:24], sealed[24:-16], sealed[-16:]
    key, nonce = hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]
    lengths = struct.pack("<QQ", len(associated), len(ciphertext))
    expected = poly1305(block(key, 0, nonce)[:32], padded(associated) + padded(ciphertext) + lengths)
    if not hmac.compare_digest(tag, expected):
        raise Refused
    stream = b"".join(block(key, 1 + i, nonce) for i in range(-(-len(ciphertext) // 64)))
    return bytes(a ^ b for a, b in zip(ciphertext, stream))


# --- X25519 -----------------------------------------------------------------------------------------------------------

P = 2**255 - 19


def x25519(private, public=(9).to_bytes(32, "little")):
    """The shared secret; with one argument, the public key. RFC 7748 §5"""
    k = int.from_bytes(private, "little") & ~7 & (1 << 254) - 1 | 1 << 254
    u = int.from_bytes(public, "little") & (1 << 255) - 1
    x2, z2, x3, z3 = 1, 0, u, 1
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
        if bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")
