# CTAP's canonical CBOR (CTAP 2.1 §8), as far as a vault has it: integers, byte strings, texts, arrays, maps, booleans
# and null.


class CborError(Exception):
    """The bytes are not one canonical item."""


def decode(data):
    """One item that fills the bytes. What is not canonical does not come out the same when it is encoded again."""
    try:
        item, end = decode_at(data, 0)
        is_canonical = end == len(data) and encode(item) == data
    except (IndexError, TypeError, UnicodeDecodeError) as error:
        raise CborError("no CBOR item") from error
    if not is_canonical:
        raise CborError("CBOR is not canonical")
    return item


def decode_at(data, at):
    """Returns the item that begins at `at`, and where it ends."""
    major, short = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return {20: False, 21: True, 22: None}.get(short, ...), at
    number = short
    if short >= 24:
        size = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, len(data) + 1)
        number = int.from_bytes(take(data, at, size), "big")
        at += size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major == 2:
        return take(data, at, number), at + number
    if major == 3:
        return take(data, at, number).decode(), at + number
    if major == 4:
        items = []
        for _ in range(number):
            item, at = decode_at(data, at)
            items.append(item)
        return items, at
    if major == 5:
        members = {}
        for _ in range(number):
            key, at = decode_at(data, at)
            members[key], at = decode_at(data, at)
        return members, at
    raise CborError("CBOR has a tag")


def take(data, at, length):
    if at + length > len(data):
        raise IndexError
    return data[at : at + length]


def encode(item):
    if item is None or isinstance(item, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[item]
    if isinstance(item, int):
        return head(0, item) if item >= 0 else head(1, -1 - item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(map(encode, item))
    if isinstance(item, dict):
        members = sorted(
            ((encode(key), encode(value)) for key, value in item.items()),
            key=lambda member: (member[0][0] >> 5, len(member[0]), member[0]),
        )
        return head(5, len(members)) + b"".join(key + value for key, value in members)
    raise CborError("CBOR has a value that a vault does not know")


def head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 1 << 8 * size)
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + number.to_bytes(size, "big")
