//! all-MiniLM-L6-v2: one forward pass a text through rten, mean over the tokens, length one.
//!
//! Activations are quantised over the whole of a run, so a run holds exactly one text: texts that shared a run would
//! change each other's vectors. Each pool has one thread; several texts run in several pools.

use std::{path::PathBuf, sync::Arc};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::{NdTensor, prelude::*};

use super::{
    EmbeddingError,
    graph::{self, Graph},
    layers::{Hidden, Layers},
};

pub(super) struct MiniLm {
    model: Model,
    ids: NodeId,
    positions: NodeId,
    hidden: NodeId,
    /// What the layers that are tuned take in.
    below: NodeId,
    dimensions: usize,
}

impl MiniLm {
    pub(super) fn load(path: PathBuf, bytes: Vec<u8>, dimensions: usize, tuned: Option<&Layers>) -> Result<Self, EmbeddingError> {
        let unusable = |reason: String| EmbeddingError::Unusable { path: path.clone(), reason };
        let mut bytes = bytes;
        if let Some(layers) = tuned {
            let mut graph = Graph::read(bytes).map_err(unusable)?;
            graph.replace(layers).map_err(unusable)?;
            bytes = graph.into_bytes();
        }
        // Prepacked weights take about 10 MB more and were faster for single texts.
        let model = ModelOptions::with_all_ops().prepack_weights(true).load(bytes).map_err(|error| unusable(error.to_string()))?;
        let node = |name: &str| model.node_id(name).map_err(|error| unusable(format!("`{name}`: {error}")));
        let (ids, positions, hidden) = (node("input_ids")?, node("positions")?, node("last_hidden_state")?);
        let below = node(&graph::below())?;
        Ok(Self { model, ids, positions, hidden, below, dimensions })
    }

    /// The last layers as they ship, in floats.
    pub(super) fn layers(bytes: Vec<u8>) -> Result<Layers, String> {
        Graph::read(bytes)?.layers()
    }

    /// The vector of a framed sequence.
    pub(super) fn forward(&self, tokens: &[u32], pool: &Arc<ThreadPool>) -> Result<Vec<f32>, String> {
        let hidden = self.run(tokens, self.hidden, pool)?;
        let mut mean = vec![0.0_f32; self.dimensions];
        for row in hidden.chunks_exact(self.dimensions) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        unit(&mut mean);
        Ok(mean)
    }

    /// What the layers that are tuned take in of a framed sequence.
    pub(super) fn below(&self, tokens: &[u32], pool: &Arc<ThreadPool>) -> Result<Hidden, String> {
        self.run(tokens, self.below, pool).map(|states| Hidden::new(&states))
    }

    /// The numbers that `node` gives for each token.
    fn run(&self, tokens: &[u32], node: NodeId, pool: &Arc<ThreadPool>) -> Result<Vec<f32>, String> {
        let length = tokens.len();
        let to_i32 = |id: u32| i32::try_from(id).unwrap_or(i32::MAX);
        let ids = NdTensor::from_data([1, length], tokens.iter().map(|&id| to_i32(id)).collect::<Vec<i32>>());
        let positions = NdTensor::from_data([1, length], (0..length as u32).map(to_i32).collect::<Vec<i32>>());
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let inputs = vec![(self.ids, ids.into()), (self.positions, positions.into())];
        let [states]: [Value; 1] = self.model.run_n(inputs, [node], Some(options)).map_err(|error| error.to_string())?;
        let states: NdTensor<f32, 3> = states.try_into().map_err(|error| format!("{error:?}"))?;
        if states.shape() != [1, length, self.dimensions] {
            return Err(format!("its output has the shape {:?}", states.shape()));
        }
        Ok(states.into_data())
    }
}

/// Scales to length one; the zero vector stays.
pub(super) fn unit(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 1e-12 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
}
