// Verifies captured deliveries with the official Standard Webhooks library of npm, and `v1a` signatures, which it does not
// know, with Node's own Ed25519.
//
// Reads JSON from standard input: {"secret", "public_key", "deliveries": [{"headers", "body"}]}, the body in base64.
// Prints one line of JSON a delivery: what each verifier said, of the bytes as they are and of the same with one bit changed.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook } = createRequire(`${process.argv[2]}/`)("standardwebhooks");
const { secret, public_key, deliveries } = JSON.parse(readFileSync(0, "utf8"));

const official = (body, headers) => {
    try {
        new Webhook(secret).verify(body.toString("utf8"), headers);
        return "verified";
    } catch (error) {
        return error.constructor.name;
    }
};

// SubjectPublicKeyInfo of Ed25519 (RFC 8410): twelve bytes, then the key.
const raw = Buffer.from(public_key.replace(/^whpk_/, ""), "base64");
const key = createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]),
    format: "der",
    type: "spki",
});

const asymmetric = (body, headers) => {
    const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
    const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
    return signatures.some((one) => verify(null, signed, key, Buffer.from(one.slice(4), "base64"))) ? "verified" : "refused";
};

for (const { headers, body } of deliveries) {
    const bytes = Buffer.from(body, "base64");
    const changed = Buffer.from(bytes);
    changed[changed.length >> 1] ^= 1;
    const other = { ...headers, "webhook-id": `${headers["webhook-id"]}x` };
    console.log(
        JSON.stringify({
            v1: [official(bytes, headers), official(changed, headers), official(bytes, other)],
            v1a: [asymmetric(bytes, headers), asymmetric(changed, headers), asymmetric(bytes, other)],
        }),
    );
}
