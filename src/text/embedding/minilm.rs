//! all-MiniLM-L6-v2: one forward pass a text through rten, mean over the tokens, length one.
//!
//! Activations are quantised over the whole of a run, so a run holds exactly one text: texts that shared a run would
//! change each other's vectors. Each pool has one thread; several texts run in several pools.

use std::{path::PathBuf, sync::Arc};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::{NdTensor, prelude::*};

use super::EmbeddingError;

pub(super) struct MiniLm {
    model: Model,
    ids: NodeId,
    positions: NodeId,
    hidden: NodeId,
    dimensions: usize,
}

impl MiniLm {
    pub(super) fn load(path: PathBuf, bytes: Vec<u8>, dimensions: usize) -> Result<Self, EmbeddingError> {
        let unusable = |reason: String| EmbeddingError::Unusable { path: path.clone(), reason };
        // Prepacked weights take about 10 MB more and were faster for single texts.
        let model = ModelOptions::with_all_ops().prepack_weights(true).load(bytes).map_err(|error| unusable(error.to_string()))?;
        let node = |name: &str| model.node_id(name).map_err(|error| unusable(format!("`{name}`: {error}")));
        let (ids, positions, hidden) = (node("input_ids")?, node("positions")?, node("last_hidden_state")?);
        Ok(Self { model, ids, positions, hidden, dimensions })
    }

    /// The vector of a framed sequence.
    pub(super) fn forward(&self, tokens: &[u32], pool: &Arc<ThreadPool>) -> Result<Vec<f32>, String> {
        let length = tokens.len();
        let to_i32 = |id: u32| i32::try_from(id).unwrap_or(i32::MAX);
        let ids = NdTensor::from_data([1, length], tokens.iter().map(|&id| to_i32(id)).collect::<Vec<i32>>());
        let positions = NdTensor::from_data([1, length], (0..length as u32).map(to_i32).collect::<Vec<i32>>());
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let inputs = vec![(self.ids, ids.into()), (self.positions, positions.into())];
        let [hidden]: [Value; 1] = self.model.run_n(inputs, [self.hidden], Some(options)).map_err(|error| error.to_string())?;
        let hidden: NdTensor<f32, 3> = hidden.try_into().map_err(|error| format!("{error:?}"))?;
        if hidden.shape() != [1, length, self.dimensions] {
            return Err(format!("its output has the shape {:?}", hidden.shape()));
        }
        let hidden = hidden.into_data();
        let mut mean = vec![0.0_f32; self.dimensions];
        for row in hidden.chunks_exact(self.dimensions) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        unit(&mut mean);
        Ok(mean)
    }
}

/// Scales to length one; the zero vector stays.
pub(super) fn unit(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 1e-12 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
}
