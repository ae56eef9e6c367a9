//! The static table: a text is the sum of its word pieces' rows, scaled to length one.
//!
//! Rows are weighted already (frequent pieces weigh little), 8 bits a value with one scale a row.

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors};

use super::{EmbeddingError, minilm::unit};

pub(super) struct Table {
    rows: Vec<i8>,
    scale: Vec<f32>,
    dimensions: usize,
}

impl Table {
    pub(super) fn load(path: PathBuf, bytes: &[u8], pieces: usize, dimensions: usize) -> Result<Self, EmbeddingError> {
        let unusable = |reason: String| EmbeddingError::Unusable { path: path.clone(), reason };
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| unusable(error.to_string()))?;
        let part = |name: &str, kind: Dtype, shape: &[usize]| {
            let part = tensors.tensor(name).map_err(|error| unusable(format!("`{name}`: {error}")))?;
            if part.dtype() != kind || part.shape() != shape {
                return Err(unusable(format!("`{name}` is {:?} {:?}, expected {kind:?} {shape:?}", part.dtype(), part.shape())));
            }
            Ok(part.data().to_vec())
        };
        let rows = part("rows", Dtype::I8, &[pieces, dimensions])?.into_iter().map(u8::cast_signed).collect();
        let scale = part("scale", Dtype::F32, &[pieces])?;
        let scale = scale.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Self { rows, scale, dimensions })
    }

    pub(super) fn sum(&self, tokens: &[u32]) -> Vec<f32> {
        let mut sum = vec![0.0; self.dimensions];
        for &token in tokens {
            let at = token as usize;
            let (row, scale) = (&self.rows[at * self.dimensions..(at + 1) * self.dimensions], self.scale[at]);
            sum.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f32::from(value) * scale);
        }
        unit(&mut sum);
        sum
    }
}
