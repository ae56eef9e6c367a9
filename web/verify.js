// Checks a proof of the action log by computing it: RFC 9162 hashes, C2SP signed notes. Trusts nothing on the page but
// the public key, which whoever audits compares with the one they were given.

// SHA-256 (FIPS 180-4). Written out because `crypto.subtle` is only there over TLS and on localhost.
const K = [];
const START = [];
for (let n = 2; K.length < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
  if (!prime) continue;
  const part = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
  if (START.length < 8) START.push(part(Math.sqrt(n)));
  K.push(part(Math.cbrt(n)));
}
export function sha256(bytes) {
  const length = bytes.length;
  const padded = new Uint8Array(Math.ceil((length + 9) / 64) * 64);
  padded.set(bytes);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(padded.length - 4, (length << 3) >>> 0);
  const state = START.slice();
  const w = new Uint32Array(64);
  const rotate = (x, n) => (x >>> n) | (x << (32 - n));
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + i * 4);
    for (let i = 16; i < 64; i++) {
      const s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const two = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] = (state[i] + value) | 0; });
  }
  const out = new Uint8Array(32);
  const result = new DataView(out.buffer);
  state.forEach((value, i) => result.setInt32(i * 4, value));
  return out;
}

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error(`not hexadecimal: ${text}`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
};
const unbase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const joined = (...parts) => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { out.set(part, at); at += part.length; }
  return out;
};
export const leafHash = (bytes) => sha256(joined(Uint8Array.of(0), bytes));
const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

// RFC 9162, section 2.1.3.2. Returns the root in hexadecimal; sizes stay far below 2^53.
export function rootFromInclusion(leaf, index, size, hashes) {
  if (!(index < size)) throw new Error("the entry is not in a log of this size");
  let [fn, sn, root] = [index, size - 1, leaf];
  for (const hash of hashes) {
    if (sn === 0) throw new Error("the proof is too long");
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(hash, root);
      while (fn % 2 === 0 && fn !== 0) { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); }
    } else {
      root = nodeHash(root, hash);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0) throw new Error("the proof is too short");
  return hex(root);
}

// RFC 9162, section 2.1.4.2. Returns both roots in hexadecimal.
export function rootsFromConsistency(old, oldRoot, size, hashes) {
  if (!(old > 0 && old <= size)) throw new Error("the earlier log is not smaller");
  if (old === size) {
    if (hashes.length) throw new Error("the proof is too long");
    return [oldRoot, oldRoot];
  }
  const path = Number.isInteger(Math.log2(old)) ? [unhex(oldRoot), ...hashes] : [...hashes];
  if (!path.length) throw new Error("the proof is too short");
  let [fn, sn] = [old - 1, size - 1];
  while (fn % 2 === 1) { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); }
  let [first, second] = [path[0], path[0]];
  for (const hash of path.slice(1)) {
    if (sn === 0) throw new Error("the proof is too long");
    if (fn % 2 === 1 || fn === sn) {
      first = nodeHash(hash, first);
      second = nodeHash(hash, second);
      while (fn % 2 === 0 && fn !== 0) { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); }
    } else {
      second = nodeHash(second, hash);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0) throw new Error("the proof is too short");
  return [hex(first), hex(second)];
}

// A signed note and its key, as C2SP writes them: text, empty line, signature lines; `name+hash+key`.
export function readNote(note, key) {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(key) ?? [];
  if (!name) throw new Error("the key is not written as `name+hash+key`");
  const material = unbase64(encoded);
  if (material[0] !== 1 || material.length !== 33) throw new Error("the key is not an Ed25519 key");
  const made = hex(sha256(joined(new TextEncoder().encode(`${name}\n`), material))).slice(0, 8);
  if (made !== id) throw new Error("the key's own hash does not fit it");
  const split = note.lastIndexOf("\n\n");
  const text = note.slice(0, split + 1);
  for (const line of note.slice(split + 2).split("\n")) {
    const match = /^— (\S+) (\S+)$/.exec(line);
    if (!match || match[1] !== name) continue;
    const bytes = unbase64(match[2]);
    if (hex(bytes.slice(0, 4)) === id) return { text, signature: bytes.slice(4), key: material.slice(1) };
  }
  throw new Error("the note has no signature by this key");
}
export async function isSigned({ text, signature, key }) {
  if (!globalThis.crypto?.subtle) return null;
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch {
    return null;
  }
  return crypto.subtle.verify("Ed25519", imported, signature, new TextEncoder().encode(text));
}
export function sizeAndRoot(text) {
  const [, size, root] = text.split("\n");
  return [Number(size), hex(unbase64(root))];
}

const section = globalThis.document?.getElementById("verify");
if (section) {
  const button = section.querySelector("[data-verify]");
  const list = section.querySelector("#verify-steps");
  const say = (tone, text) => {
    const item = document.createElement("li");
    const badge = document.createElement("span");
    badge.className = `badge ${tone}`;
    badge.textContent = { good: "holds", bad: "fails", waits: "not checked" }[tone];
    item.append(badge, ` ${text}`);
    list.append(item);
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    list.replaceChildren();
    const { index, old, oldRoot, size, root, hashes: shown, note, key } = section.dataset;
    const hashes = shown.split(" ").filter(Boolean).map(unhex);
    try {
      if (index !== undefined) {
        const leaf = leafHash(new TextEncoder().encode(document.getElementById("raw").textContent));
        say("good", `The entry's bytes hash to the leaf ${hex(leaf).slice(0, 16)}…`);
        const reached = rootFromInclusion(leaf, Number(index), Number(size), hashes);
        if (reached !== root) throw new Error(`The path leads to the root ${reached.slice(0, 16)}… and not to the checkpoint's.`);
        say("good", `${hashes.length} hashes lead from there to the root ${root.slice(0, 16)}…`);
      } else {
        const [first, second] = rootsFromConsistency(Number(old), oldRoot, Number(size), hashes);
        if (first !== oldRoot || second !== root) throw new Error("The proof leads to other roots.");
        say("good", `The log of ${old} entries is the beginning of the log of ${size}.`);
      }
      const read = readNote(note, key);
      const [signedSize, signedRoot] = sizeAndRoot(read.text);
      if (signedSize !== Number(size) || signedRoot !== root) throw new Error("The signed note is about another size or root.");
      say("good", `The note is about ${size} entries and this root.`);
      const signed = await isSigned(read);
      if (signed === null) say("waits", "The signature: this browser has no Ed25519 here. `sluicegate log verify` checks it.");
      else if (signed) say("good", "The signature on the note is by the key shown. Compare that key with the one you were given.");
      else throw new Error("The signature on the note is not by the key shown.");
    } catch (why) {
      say("bad", why.message);
    }
    section.dataset.verified = list.querySelector(".bad") ? "no" : "yes";
  });
}
