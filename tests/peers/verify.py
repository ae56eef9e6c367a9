"""Verifies captured deliveries with the official Standard Webhooks library of PyPI.

Reads JSON from standard input: {"secret", "deliveries": [{"headers", "body"}]}, the body in base64. Prints one line of JSON
a delivery: what the library said of the bytes as they are, of the same with one bit changed, and of another id.
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

asked = json.load(sys.stdin)


def verdict(body, headers):
    try:
        Webhook(asked["secret"]).verify(body.decode("utf-8", "surrogateescape"), headers)
        return "verified"
    except WebhookVerificationError:
        return "WebhookVerificationError"


for delivery in asked["deliveries"]:
    body = base64.b64decode(delivery["body"])
    changed = bytearray(body)
    changed[len(changed) // 2] ^= 1
    headers = delivery["headers"]
    other = {**headers, "webhook-id": headers["webhook-id"] + "x"}
    print(json.dumps({"v1": [verdict(body, headers), verdict(bytes(changed), headers), verdict(body, other)]}))
