"""What a real caller knows and no generator can: a fresh Idempotency-Key for each request, and the ids of what exists.

Schemathesis loads this file. The run tells it in HOLDFAST_CONTRACT what exists.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import time
import uuid

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation

KNOWN = json.loads(os.environ["HOLDFAST_CONTRACT"])
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z2-7]{12}", re.IGNORECASE)
KEY = re.compile(r"[ -~]{1,255}")
MOST_KNOWN = 200
NOTIFICATION = "POST /v1/payment-notifications"


class Signature(requests.auth.AuthBase):
    """Signs the body as it is sent, as the payment provider does (Standard Webhooks)."""

    KEY = base64.b64decode(KNOWN["secret"].removeprefix("whsec_"))

    def __call__(self, request):
        name, now = str(uuid.uuid4()), str(int(time.time()))
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        mac = hmac.new(self.KEY, f"{name}.{now}.".encode() + body, hashlib.sha256).digest()
        request.headers["webhook-id"] = name
        request.headers["webhook-timestamp"] = now
        request.headers["webhook-signature"] = "v1," + base64.b64encode(mac).decode()
        return request


@schemathesis.hook
def before_call(context, case, kwargs):
    """Leaves whatever is wrong in a request as it is."""
    refresh_key(case)
    if not is_negative(case, ParameterLocation.PATH):
        name_what_exists(case)
    if not is_negative(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        if case.operation.label == "POST /v1/orders":
            order_what_exists(case.body)
        if case.operation.label == "POST /v1/orders/{id}/payments":
            pay_what_is_due(case.body)
        if case.operation.label == NOTIFICATION and draw_from(case.body["type"]):
            case.body["data"]["reference"] = KNOWN["ids"]["payments"][0]
        if "url" in case.body and draw_from(case.body["url"]):
            case.body["url"] = KNOWN["receiver"]
    if case.operation.label == NOTIFICATION and not is_negative(case, ParameterLocation.HEADER):
        kwargs["auth"] = Signature()


@schemathesis.hook
def after_call(context, case, response):
    """Whatever is created can be named by later requests."""
    kind = "payments" if case.operation.path.endswith("/payments") else kind_of(case.operation.path)
    if kind not in KNOWN["ids"] or response.status_code != 201:
        return
    body = response.json()
    if isinstance(body, dict) and isinstance(body.get("id"), str) and body["id"] not in KNOWN["ids"][kind]:
        KNOWN["ids"][kind] = [*KNOWN["ids"][kind][-MOST_KNOWN:], body["id"]]


@schemathesis.hook
def filter_case(context, case):
    """Nobody revokes the key that the run itself uses, and nothing ends what the others need."""
    return not any(str(value).lower() in KNOWN["kept"] for value in (case.path_parameters or {}).values()) or (
        case.method.upper() == "GET"
    )


def is_negative(case, location):
    return case.meta is not None and case.meta.is_negative_at(location)


def refresh_key(case):
    """The keys that the document allows are the same in many cases, and a key stands for one request."""
    for name in list(case.headers or {}):
        if name.lower() == "idempotency-key" and KEY.fullmatch(str(case.headers[name])):
            case.headers[name] = str(uuid.uuid4())


def kind_of(path):
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else ""


def draw_from(value):
    """A number from a generated value, the same in every run: 0 for one of four."""
    number = sum(str(value).encode())
    return number // 4 + 1 if number % 4 else 0


def name_what_exists(case):
    """Three of four times. What a link of an earlier step named is known, and stays."""
    known = KNOWN["ids"].get(kind_of(case.operation.path))
    given = (case.path_parameters or {}).get("id")
    if not known or not isinstance(given, str) or given.lower() in known or not ID.fullmatch(given):
        return
    draw = draw_from(given)
    if draw:
        case.path_parameters["id"] = known[draw % len(known)]


def order_what_exists(body):
    """Of all orders that a generator can think of, hardly one has a wallet and SKUs that exist."""
    if not draw_from(body["walletId"]):
        return
    body["walletId"] = KNOWN["wallet"]
    body["buyerId"] = KNOWN["buyer"]
    for line in body["lines"]:
        line["sku"] = KNOWN["sku"]
        line["quantity"] = 1 + line["quantity"] % 3
        line.pop("unitPrice", None)
    body.pop("total", None)


def pay_what_is_due(body):
    """Of all amounts that a generator can think of, hardly one is left to pay, and of all sources, none is one that the provider knows."""
    if "amount" in body:
        body["amount"] = 1 + body["amount"] % 3
    if "source" in body:
        body["source"] = "ok"
