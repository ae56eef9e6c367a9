//! A model on disk: `manifest.json`, `weights.safetensors`, `MODEL_CARD.md`.
//!
//! Nothing in these files can run. A manifest names the digest of its weights; loading checks it before a
//! single number is read. Writing goes to a folder beside the target and is renamed: never half a model.
// INVARIANT: `FORM` grows with every change of meaning; a newer form is refused, not guessed at.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::{
    TargetReport, TriageError,
    belonging::Belonging,
    calibration::Confidence,
    head::{Head, HeadMetrics},
    linear::Hyperplanes,
    logistic::Mix,
    model::Model,
    neighbours::{Kept, Neighbours, Vectors},
    vectorizer::{Cut, Vectorizer},
};
use crate::{
    domain::digest::Digest,
    text::embedding::{CachedEmbedder, Embedder, EmbeddingKind, Layers},
};

pub(super) const FORM: u32 = 7;
/// Bytes and excerpts of some texts that the model learned from; not there without an embedding.
const VECTORS: &str = "examples.vectors";
const KEPT: &str = "examples.kept";
const MANIFEST: &str = "manifest.json";
const WEIGHTS: &str = "weights.safetensors";
/// The tuned layers of the embedding, in the weights.
const LAYERS: &str = "embedding.layers";
pub(super) const CARD: &str = "MODEL_CARD.md";

/// What a model is and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub form: u32,
    pub name: String,
    /// The program that trained it.
    pub engine: String,
    pub seed: u64,
    pub licence: String,
    /// Of the weights file.
    pub weights: Digest,
    /// Of each training file, in the order given, by file name.
    pub data: Vec<(String, Digest)>,
    /// Texts that were left out because they are among the frozen ones.
    pub left_out: usize,
    /// Of the signals file that gave the structured features.
    pub signals: Digest,
    pub(super) cut: Cut,
    pub features: usize,
    /// How many of the features are words and pairs of words; they come first.
    pub words: usize,
    pub structured: Vec<String>,
    /// The embedding that joins the features, and what its files have to be.
    pub embedding: Option<EmbeddingManifest>,
    pub known_floor: f64,
    pub heads: BTreeMap<String, HeadManifest>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingManifest {
    pub kind: EmbeddingKind,
    pub dimensions: usize,
    /// Of its files, and of the layers it was tuned to.
    pub digest: Digest,
    /// Its last layers are the model's own and stand in its weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tuned: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadManifest {
    pub labels: Vec<String>,
    pub temperature: f64,
    pub(super) confidence: Confidence,
    pub threshold: f64,
    pub(super) belonging: Belonging,
    /// On out-of-fold predictions.
    pub metrics: HeadMetrics,
    /// Its n-grams and embedding learned from a MiniLM that was tuned to the labels, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taught: bool,
    /// On the development file, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<TargetReport>,
}

/// Vectors the embedder remembers: a storm of equal tickets is embedded once.
const REMEMBERED: usize = 4_096;

impl EmbeddingManifest {
    fn open(&self, folder: &Path, layers: Option<&Layers>) -> Result<Arc<CachedEmbedder>, TriageError> {
        let embedder = layers.map_or_else(|| Embedder::load(folder, self.kind), |layers| Embedder::load_tuned(folder, layers))?;
        if embedder.digest() != self.digest || embedder.dimensions() != self.dimensions {
            return Err(TriageError::DigestMismatch { path: folder.to_owned(), expected: self.digest, actual: embedder.digest() });
        }
        Ok(Arc::new(CachedEmbedder::new(embedder, REMEMBERED)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TriageError> {
    fs::read(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })
}

fn bytes_of<T: Copy, const N: usize>(values: &[T], to: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| to(*value)).collect()
}

/// A model in the folder of models.
#[derive(Debug)]
pub struct Shelved {
    /// The folder's name.
    pub name: String,
    /// The manifest with the digest of its bytes, or why it cannot be read.
    pub manifest: Result<(Manifest, Digest), TriageError>,
}

/// The models that stand in `folder`, by name. Their weights are not read: whoever puts one in force loads it.
///
/// # Errors
/// The folder cannot be read.
pub fn shelf(folder: &Path) -> Result<Vec<Shelved>, TriageError> {
    let unreadable = |source| TriageError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    // Nobody has trained one of their own yet.
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // The embeddings have a manifest too; a folder in the making has a name that starts with a point.
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else { continue };
        if path.join(MANIFEST).is_file() && path.join(WEIGHTS).is_file() {
            found.push(Shelved { name: name.to_owned(), manifest: read_manifest(&path) });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The manifest in `folder` and the digest of its bytes.
fn read_manifest(folder: &Path) -> Result<(Manifest, Digest), TriageError> {
    let path = folder.join(MANIFEST);
    let bytes = read(&path)?;
    let form = |reason: String| TriageError::Form { path: path.clone(), reason };
    // The form first: a newer manifest may have any shape.
    #[derive(Deserialize)]
    struct Form {
        form: u32,
    }
    let found = serde_json::from_slice::<Form>(&bytes).map_err(|error| form(error.to_string()))?.form;
    if found != FORM {
        return Err(TriageError::FormVersion { path, found, known: FORM });
    }
    let manifest = serde_json::from_slice(&bytes).map_err(|error| form(error.to_string()))?;
    Ok((manifest, Digest::of(&bytes)))
}

/// Writes `model` into `folder`, which is replaced as a whole, with the layers its embedding was tuned to and `papers` (name, text) beside it.
pub(super) fn save(
    folder: &Path,
    model: &Model,
    layers: Option<&Layers>,
    mut manifest: Manifest,
    papers: &[(String, String)],
) -> Result<Manifest, TriageError> {
    let weights = weights(model, layers)?;
    manifest.weights = Digest::of(&weights);
    let write_error = |path: &Path| {
        let path = path.to_owned();
        move |source| TriageError::Write { path, source }
    };
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(write_error(parent))?;
    let draft = tempfile::Builder::new().prefix(".model-").tempdir_in(parent).map_err(write_error(parent))?;
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| TriageError::Training(error.to_string()))? + "\n";
    let papers = papers.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
    for (name, bytes) in [(WEIGHTS, weights.as_slice()), (MANIFEST, text.as_bytes())].into_iter().chain(papers) {
        let path = draft.path().join(name);
        fs::write(&path, bytes).map_err(write_error(&path))?;
    }
    // A rename cannot replace a folder that has files: the old one steps aside first.
    let aside = parent.join(format!(".old-{}", manifest.weights.short()));
    let had_one = folder.exists();
    if had_one {
        fs::rename(folder, &aside).map_err(write_error(folder))?;
    }
    let draft = draft.keep();
    if let Err(source) = fs::rename(&draft, folder) {
        if had_one {
            fs::rename(&aside, folder).map_err(write_error(folder))?;
        }
        return Err(TriageError::Write { path: folder.to_owned(), source });
    }
    // Temporary folders are private; a model is there to be read.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(write_error(folder))?;
    }
    if had_one {
        fs::remove_dir_all(&aside).map_err(write_error(&aside))?;
    }
    Ok(manifest)
}

fn weights(model: &Model, layers: Option<&Layers>) -> Result<Vec<u8>, TriageError> {
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = vec![
        ("vocabulary.names".into(), Dtype::U64, vec![model.vectorizer.names.len()], bytes_of(&model.vectorizer.names, u64::to_le_bytes)),
        ("vocabulary.idf".into(), Dtype::F32, vec![model.vectorizer.idf.len()], bytes_of(&model.vectorizer.idf, f32::to_le_bytes)),
    ];
    for head in &model.heads {
        let (target, classes) = (&head.target, head.labels.len());
        let inputs = head.mix.weights.len() / classes;
        tensors.push((
            format!("{target}.svm"),
            Dtype::F32,
            vec![model.vectorizer.names.len(), classes],
            bytes_of(&head.stage1.weights, f32::to_le_bytes),
        ));
        tensors.push((format!("{target}.svm_bias"), Dtype::F32, vec![classes], bytes_of(&head.stage1.bias, f32::to_le_bytes)));
        tensors.push((format!("{target}.mix"), Dtype::F64, vec![inputs, classes], bytes_of(&head.mix.weights, f64::to_le_bytes)));
        tensors.push((format!("{target}.mix_bias"), Dtype::F64, vec![classes], bytes_of(&head.mix.bias, f64::to_le_bytes)));
    }
    if model.neighbours.vectors.dimensions > 0 {
        let kept = serde_json::to_vec(&model.neighbours.kept).map_err(|error| TriageError::Training(error.to_string()))?;
        let rows = vec![model.neighbours.kept.len(), model.neighbours.vectors.dimensions];
        tensors.push((VECTORS.into(), Dtype::U8, rows, model.neighbours.vectors.bytes.clone()));
        tensors.push((KEPT.into(), Dtype::U8, vec![kept.len()], kept));
    }
    if let Some(layers) = layers {
        tensors.push((LAYERS.into(), Dtype::F32, vec![Layers::NUMBERS], layers.to_bytes()));
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view)))
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, None));
    views.map_err(|error| TriageError::Training(format!("cannot lay out the weights: {error}")))
}

/// The model in `folder` with its embedding from `embeddings`, its manifest, and the digest of the manifest's bytes.
pub(super) fn load(folder: &Path, embeddings: &Path) -> Result<(Model, Manifest, Digest), TriageError> {
    let (manifest, digest) = read_manifest(folder)?;
    let form = |reason: String| TriageError::Form { path: folder.join(MANIFEST), reason };
    let weights_path = folder.join(WEIGHTS);
    let weights = read(&weights_path)?;
    let actual = Digest::of(&weights);
    if actual != manifest.weights {
        return Err(TriageError::DigestMismatch { path: weights_path, expected: manifest.weights, actual });
    }
    let tensors = Tensors {
        tensors: SafeTensors::deserialize(&weights)
            .map_err(|error| TriageError::Form { path: weights_path.clone(), reason: error.to_string() })?,
        path: weights_path,
    };
    let count = manifest.features;
    let names = tensors.take("vocabulary.names", Dtype::U64, &[count], u64::from_le_bytes)?;
    let idf = tensors.take("vocabulary.idf", Dtype::F32, &[count], f32::from_le_bytes)?;
    if manifest.words > count || names.iter().collect::<std::collections::HashSet<_>>().len() != count {
        return Err(form("its vocabulary has a name twice, or fewer names than words".to_owned()));
    }
    let embedding = match &manifest.embedding {
        Some(wanted) if wanted.tuned => {
            let layers = Layers::new(tensors.take(LAYERS, Dtype::F32, &[Layers::NUMBERS], f32::from_le_bytes)?);
            Some(wanted.open(embeddings, layers.as_ref())?)
        }
        Some(wanted) => Some(wanted.open(embeddings, None)?),
        None => None,
    };
    let mut heads = Vec::new();
    for (target, head) in &manifest.heads {
        let classes = head.labels.len();
        let inputs = classes + manifest.structured.len() + manifest.embedding.as_ref().map_or(0, |embedding| embedding.dimensions);
        heads.push(Head {
            target: target.clone(),
            labels: head.labels.clone(),
            stage1: Hyperplanes {
                classes,
                weights: tensors.take(&format!("{target}.svm"), Dtype::F32, &[count, classes], f32::from_le_bytes)?,
                bias: tensors.take(&format!("{target}.svm_bias"), Dtype::F32, &[classes], f32::from_le_bytes)?,
            },
            mix: Mix {
                weights: tensors.take(&format!("{target}.mix"), Dtype::F64, &[inputs, classes], f64::from_le_bytes)?,
                bias: tensors.take(&format!("{target}.mix_bias"), Dtype::F64, &[classes], f64::from_le_bytes)?,
            },
            temperature: head.temperature,
            confidence: head.confidence,
            threshold: head.threshold,
            belonging: head.belonging,
        });
    }
    let neighbours = match tensors.tensors.tensor(KEPT) {
        Ok(view) => {
            let kept: Vec<Kept> = serde_json::from_slice(view.data()).map_err(|error| form(format!("`{KEPT}`: {error}")))?;
            let dimensions = manifest.embedding.as_ref().map_or(0, |embedding| embedding.dimensions);
            let bytes = tensors.take(VECTORS, Dtype::U8, &[kept.len(), dimensions], u8::from_le_bytes)?;
            Neighbours { kept, vectors: Vectors::new(bytes, dimensions) }
        }
        Err(_) => Neighbours::default(),
    };
    let model = Model {
        neighbours,
        vectorizer: Vectorizer::new(names, idf, manifest.words),
        structured: manifest.structured.clone(),
        known_floor: manifest.known_floor as f32,
        embedding,
        heads,
    };
    Ok((model, manifest, digest))
}

struct Tensors<'a> {
    tensors: SafeTensors<'a>,
    path: PathBuf,
}

impl Tensors<'_> {
    fn take<T, const N: usize>(&self, name: &str, dtype: Dtype, shape: &[usize], from: fn([u8; N]) -> T) -> Result<Vec<T>, TriageError> {
        let form = |reason: String| TriageError::Form { path: self.path.clone(), reason };
        let view = self.tensors.tensor(name).map_err(|error| form(error.to_string()))?;
        if view.dtype() != dtype || view.shape() != shape {
            return Err(form(format!("`{name}` is {:?} of {:?}, the manifest needs {dtype:?} of {shape:?}", view.dtype(), view.shape())));
        }
        let (values, _) = view.data().as_chunks::<N>();
        Ok(values.iter().map(|bytes| from(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::{TrainOptions, train};

    /// Of the data that [`trained`] leaves in `folder`.
    fn options(folder: &tempfile::TempDir) -> TrainOptions {
        TrainOptions {
            name: "small".to_owned(),
            data: vec![folder.path().join("data.jsonl")],
            dev: None,
            catalogue: None,
            more: None,
            frozen: None,
            signals: Path::new(env!("CARGO_MANIFEST_DIR")).join("signals.toml"),
            targets: Vec::new(),
            out: folder.path().join("model"),
            seed: 1,
            promised: 0.9,
            licence: "test".to_owned(),
            embedding: None,
            taught: false,
        }
    }

    /// A model of two labels in a folder of its own; `more` joins its data.
    fn trained(more: &str, seed: u64) -> (tempfile::TempDir, PathBuf, Result<Manifest, TriageError>) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data.jsonl");
        let mut lines = String::new();
        for number in 0..12 {
            let (text, label) = if number % 2 == 0 { ("printer jams on floor", "printer") } else { ("vpn tunnel drops at hour", "vpn") };
            lines += &format!("{{\"text\": \"{text} {number}\", \"labels\": {{\"category\": \"{label}\"}}}}\n");
        }
        fs::write(&data, lines + more).unwrap();
        let out = folder.path().join("model");
        let manifest = train(&TrainOptions { out: out.clone(), seed, ..options(&folder) }, &mut |_| {});
        (folder, out, manifest)
    }

    fn refusal(out: &Path) -> String {
        refusal_with(out, Path::new("no-embedding"))
    }

    fn refusal_with(out: &Path, embeddings: &Path) -> String {
        load(out, embeddings).unwrap_err().to_string()
    }

    #[test]
    fn one_changed_or_missing_byte_of_the_weights_is_refused_by_digest() {
        let (_folder, out, manifest) = trained("", 1);
        let manifest = manifest.unwrap();
        assert!(load(&out, Path::new("no-embedding")).is_ok());
        let path = out.join(WEIGHTS);
        let good = fs::read(&path).unwrap();
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        for bad in [changed, good[..good.len() - 1].to_vec()] {
            fs::write(&path, &bad).unwrap();
            let message = refusal(&out);
            assert!(message.contains(&manifest.weights.to_string()) && message.contains(&Digest::of(&bad).to_string()), "{message}");
        }
        fs::remove_file(&path).unwrap();
        assert!(refusal(&out).contains("cannot read"));
    }

    #[test]
    fn a_form_of_the_past_or_future_and_a_torn_manifest_are_refused() {
        let (_folder, out, manifest) = trained("", 1);
        manifest.unwrap();
        let path = out.join(MANIFEST);
        let good = fs::read_to_string(&path).unwrap();
        for form in [FORM - 1, FORM + 1] {
            fs::write(&path, good.replacen(&format!("\"form\": {FORM}"), &format!("\"form\": {form}"), 1)).unwrap();
            let message = refusal(&out);
            assert!(message.contains(&format!("form {form}")), "{message}");
        }
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(refusal(&out).contains("not valid"));
    }

    #[test]
    fn the_same_seed_writes_the_same_weights_byte_for_byte() {
        let digest = |seed| trained("", seed).2.unwrap().weights;
        assert_eq!(digest(5), digest(5));
    }

    #[test]
    fn excerpts_are_of_the_files_that_were_given_and_never_of_corrected_tickets() {
        let (folder, _, _) = trained("", 1);
        let out = folder.path().join("corrected");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let labels = std::collections::BTreeMap::from([("category".to_owned(), "vpn".to_owned())]);
        let corrected = |number: usize| crate::triage::Labelled {
            title: format!("merger talks {number}"),
            body: String::new(),
            is_html: false,
            labels: labels.clone(),
        };
        let options = TrainOptions {
            more: Some(("corrections".to_owned(), (0..6).map(corrected).collect())),
            out: out.clone(),
            embedding: Some((EmbeddingKind::Static, root.join("models/embedding"))),
            ..options(&folder)
        };
        let manifest = train(&options, &mut |_| {}).unwrap();
        assert_eq!(manifest.heads["category"].metrics.examples, 18, "they are learned from");
        let (model, ..) = load(&out, &root.join("models/embedding")).unwrap();
        assert_eq!(model.neighbours.kept.len(), 12);
        assert!(model.neighbours.kept.iter().all(|kept| !kept.excerpt.contains("merger")));
    }

    #[test]
    fn a_model_comes_back_with_the_layers_it_was_tuned_to_and_with_no_others() {
        let (folder, out, _) = trained("", 1);
        let embeddings = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding");
        let options = |out: &Path| TrainOptions {
            embedding: Some((EmbeddingKind::Minilm, embeddings.clone())),
            out: out.to_owned(),
            ..options(&folder)
        };
        let manifest = train(&options(&out), &mut |_| {}).unwrap();
        assert!(!manifest.embedding.as_ref().unwrap().tuned, "a dozen texts are too few to tune to");
        let (model, ..) = load(&out, &embeddings).unwrap();
        let mut layers = Embedder::shipped_layers(&embeddings).unwrap();
        layers.weights_mut().iter_mut().step_by(3).for_each(|weight| *weight *= 1.5);
        let tuned = Embedder::load_tuned(&embeddings, &layers).unwrap();
        let mut manifest = manifest;
        manifest.embedding.as_mut().unwrap().tuned = true;
        manifest.embedding.as_mut().unwrap().digest = tuned.digest();
        save(&out, &model, Some(&layers), manifest.clone(), &[]).unwrap();
        let (again, ..) = load(&out, &embeddings).unwrap();
        assert_eq!(again.heads, model.heads);
        let text = "the vpn tunnel drops";
        assert_eq!(again.embedding.unwrap().embed_one(text), tuned.embed_one(text));
        assert_ne!(model.embedding.as_ref().unwrap().embed_one(text), tuned.embed_one(text));
        // Weights that fit the manifest but hold other layers, or none.
        layers.weights_mut()[7] += 1.0;
        save(&out, &model, Some(&layers), manifest.clone(), &[]).unwrap();
        assert!(refusal_with(&out, &embeddings).contains(&tuned.digest().to_string()));
        save(&out, &model, None, manifest, &[]).unwrap();
        assert!(refusal_with(&out, &embeddings).contains(LAYERS));
    }

    #[test]
    fn a_bad_line_leaves_nothing_behind() {
        let (folder, out, manifest) = trained("{\"text\": 7}\n", 1);
        assert!(manifest.unwrap_err().to_string().contains("line 13"));
        assert!(!out.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the data is there");
    }
}
