"""The tokens that are sent."""

import base64
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import gate
from gate import Algorithm, Asked, Gate, Keys


class TokenTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.keys = Keys.make(self.directory)

    def test_es256_has_both_numbers_at_their_full_length_and_openssl_believes_them(self) -> None:
        # One in 128 of the numbers begins with a zero byte, which DER leaves out.
        for _ in range(8):
            signed, _, signature = gate.token(Algorithm.ES256, self.keys).rpartition(".")
            numbers = base64.urlsafe_b64decode(signature + "==")
            self.assertEqual(len(numbers), 64)
            file = self.directory / "signature"
            file.write_bytes(_der(numbers[:32], numbers[32:]))
            subprocess.run(
                ["openssl", "dgst", "-sha256", "-verify", str(self.keys.public), "-signature", str(file)],
                input=signed.encode(), check=True, capture_output=True,
            )  # fmt: skip

    def test_token_says_who_and_until_when(self) -> None:
        payload = gate.token(Algorithm.HS256, self.keys).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
        self.assertEqual(claims["sub"], gate.SUBJECT)
        self.assertGreater(claims["exp"], claims["iat"])

    def test_headers_are_sent_only_where_a_token_is_asked_for(self) -> None:
        self.assertEqual(gate.headers(None, self.keys), {})
        self.assertEqual(gate.headers(Gate(), self.keys), {})
        self.assertIn("Authorization", gate.headers(Gate(Algorithm.HS256), self.keys))
        self.assertEqual(gate.headers(Gate(asked=Asked.SERVICE), self.keys), {"Authorization": gate.PASS})

    def test_origin_knows_what_lets_in(self) -> None:
        source = Path(__file__).parent / "origin" / "src" / "answer.rs"
        text = source.read_text(encoding="utf-8")
        self.assertIn(f'b"{gate.PASS}"', text)
        self.assertIn(f'b"{gate.VERIFY_PATH}"', text)


def _der(*numbers: bytes) -> bytes:
    integers = b"".join(_integer(number.lstrip(b"\0")) for number in numbers)
    return b"\x30" + bytes([len(integers)]) + integers


def _integer(number: bytes) -> bytes:
    padded = b"\0" + number if number[0] & 0x80 else number
    return b"\x02" + bytes([len(padded)]) + padded
